// Raw bits, least significant first, in bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace sapwood {

class BitWriter {
public:
    void put(uint64_t value, unsigned bits) {  // bits <= 64; value has no bits above them
        if (bits > 32) {
            put(value & 0xFFFFFFFFu, 32);
            value >>= 32;
            bits -= 32;
        }
        held_ |= value << count_;
        count_ += bits;
        if (count_ < 32) return;
        if (size_ + 4 > bytes_.size()) bytes_.resize(2 * bytes_.size() + 64);
        const uint32_t word = static_cast<uint32_t>(held_);
        std::memcpy(bytes_.data() + size_, &word, 4);
        size_ += 4;
        held_ >>= 32;
        count_ -= 32;
    }
    std::vector<uint8_t> take() {
        bytes_.resize(size_);
        for (; count_ > 0; count_ = count_ > 8 ? count_ - 8 : 0, held_ >>= 8)
            bytes_.push_back(static_cast<uint8_t>(held_));
        return std::move(bytes_);
    }

private:
    std::vector<uint8_t> bytes_;
    size_t size_ = 0;
    uint64_t held_ = 0;
    unsigned count_ = 0;  // bits in held_, below 32 between calls
};

// Reads from memory that stays readable for 16 bytes past `end`. Past the end
// it hands out zeros and `overrun` turns true.
struct BitReader {
    const uint8_t* data;
    uint64_t end;  // bits
    uint64_t position = 0;
    bool overrun = false;

    uint64_t get(unsigned bits) {  // bits <= 64
        if (bits > end - position) {
            overrun = true;
            position = end;
            return 0;
        }
        if (bits == 0) return 0;
        const uint8_t* at = data + (position >> 3);
        const unsigned shift = position & 7;
        uint64_t low;
        std::memcpy(&low, at, 8);
        low >>= shift;
        if (shift + bits > 64) low |= static_cast<uint64_t>(at[8]) << (64 - shift);
        position += bits;
        return bits == 64 ? low : low & ((uint64_t{1} << bits) - 1);
    }
    // Whether all bits but the padding of the last byte were read, and that is zero.
    bool finished() {
        if (overrun || end - position >= 8) return false;
        return get(static_cast<unsigned>(end - position)) == 0;
    }
};

}  // namespace sapwood
