// Which places of a byte string are indexed: the least hash of each window.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace sapwood::winnowing {

constexpr std::uint64_t gram = 16;  // bytes under one hash

inline std::uint64_t word(const std::uint8_t* p) {
    std::uint64_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// The hash of the 16 bytes at p. Those of period 1, 2, 4 or 8 come last in order,
// lest zeros and constants be the least of every window that touches them.
inline std::uint64_t hash_at(const std::uint8_t* p) {
    const std::uint64_t head = word(p);
    const std::uint64_t tail = word(p + 8);
    std::uint64_t x = head * 0x9e3779b97f4a7c15 + tail;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    return head == tail ? x | 0xff00000000000000 : x;
}

// Runs over the hashes of the base and names the least of every `window`
// neighbouring ones. Two neighbouring segments of `window` hashes hold every window
// that begins in the first: its least is that of a suffix and a prefix, so the work
// is linear whatever the data.
class Winnow {
public:
    explicit Winnow(std::uint64_t window) : window_(window), hashes_(window), least_(window) {}

    // Calls use(hash, offset) for each; stops, and returns false, when that does.
    template <typename Use>
    bool run(std::span<const std::uint8_t> data, Use&& use) {
        const std::uint64_t count = data.size() < gram ? 0 : data.size() - gram + 1;
        for (std::uint64_t begin = 0; begin < count; begin += window_) {
            const std::uint64_t size = std::min(window_, count - begin);
            if (!segment(data.data(), begin, size, use)) return false;
        }
        return count == 0 || name(prefix_, prefix_at_, use);
    }

private:
    // Windows that end in this segment; `hashes_` and `least_` hold the one before.
    template <typename Use>
    bool segment(const std::uint8_t* data, std::uint64_t begin, std::uint64_t size, Use& use) {
        prefix_ = ~std::uint64_t{0};
        prefix_at_ = begin;
        for (std::uint64_t i = 0; i < size; ++i) {
            const std::uint64_t hash = hash_at(data + begin + i);
            if (hash < prefix_) {
                prefix_ = hash;
                prefix_at_ = begin + i;
            }
            const bool whole = i + 1 == window_;  // a window of this segment alone
            if (begin > 0 || whole) {
                const std::uint64_t other = whole ? i : least_[i + 1];  // in the last segment
                const bool before = !whole && hashes_[other] <= prefix_;
                const std::uint64_t least = before ? hashes_[other] : prefix_;
                const std::uint64_t at = before ? begin - window_ + other : prefix_at_;
                if (at != named_at_ && !name(least, at, use)) return false;
            }
            hashes_[i] = hash;
        }
        std::uint64_t least = size - 1;
        for (std::uint64_t i = size; i-- > 0;) {
            if (hashes_[i] <= hashes_[least]) least = i;
            least_[i] = static_cast<std::uint32_t>(least);
        }
        return true;
    }

    // An equal hash still inside the window is a run: its first place serves.
    template <typename Use>
    bool name(std::uint64_t hash, std::uint64_t at, Use& use) {
        if (any_ && hash == named_ && at - named_at_ < window_) return true;
        any_ = true;
        named_ = hash;
        named_at_ = at;
        return use(hash, at);
    }

    std::uint64_t window_;
    std::vector<std::uint64_t> hashes_;
    std::vector<std::uint32_t> least_;  // where the least of hashes_[i, ...) is
    std::uint64_t prefix_ = 0;
    std::uint64_t prefix_at_ = 0;
    bool any_ = false;
    std::uint64_t named_ = 0;
    std::uint64_t named_at_ = ~std::uint64_t{0};
};

}  // namespace sapwood::winnowing
