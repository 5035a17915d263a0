// Finds long copies of one byte string in another, wherever they moved to.
//
// Every 16 consecutive bytes have a hash. Of each `block` neighbouring ones in the
// base the least is indexed (winnowing), so that equal content is indexed at the
// same places wherever it lies. Of the target, only the least of each `block` is
// looked up. A hash never decides alone: a hit is compared byte by byte, extended
// both ways, and what is reported is equal. All work is linear in base and target,
// hostile input included.
//
// Not here: files, threads (find() is const: call it from several), Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sapwood {

// target[target_offset, + length) equals base[base_offset, + length). Bytes.
struct Copy {
    std::uint64_t target_offset;
    std::uint64_t base_offset;
    std::uint64_t length;

    friend bool operator==(const Copy&, const Copy&) = default;
};

class MatchIndex {
public:
    // Indexes `base`, which is borrowed: it must outlive the index unchanged. Of more
    // than 1 TiB, only the first.
    //
    // block: bytes, a power of two in [16, 65536]. About two positions a block are
    //     indexed. It is doubled, up to 65536, until the index fits in max_bytes;
    //     where that is not enough, only the beginning of the base is indexed.
    //     Content that does not repeat itself is found in the target wherever
    //     1.5 * block + 15 bytes of it stand together.
    // max_bytes: memory allowed for the index. While it is built, up to 20 bytes for
    //     each byte of a block come on top.
    //
    // Throws std::invalid_argument for another block, std::bad_alloc.
    MatchIndex(std::span<const std::uint8_t> base, std::uint32_t block, std::size_t max_bytes);

    // Appends to `out` the copies that make up target[begin, end), as far as found:
    // in order of target_offset, without overlap, inside [begin, end) and inside
    // the base, each at least minimum_length() long. The same arguments give the
    // same copies.
    //
    // Throws std::invalid_argument unless begin <= end <= target.size();
    // std::bad_alloc, when `out` keeps what was found until then.
    void find(std::span<const std::uint8_t> target, std::uint64_t begin, std::uint64_t end,
              std::vector<Copy>& out) const;

    // Bytes that the index takes, at most max_bytes; the object itself not counted.
    std::size_t memory() const;

    // Bytes a block after any doubling.
    std::uint32_t block() const { return block_; }

    // The shortest copy reported: half a block, but at least 16 and at most 64 bytes.
    std::uint64_t minimum_length() const;

private:
    friend class MatchScan;

    // A place in the base under the hash of the 16 bytes there: the offset plus one
    // in the low 40 bits, the hash's fingerprint above. 0 is an empty slot.
    using Slot = std::uint64_t;

    void reserve(std::uint32_t block, std::size_t max_bytes);
    bool fill();
    bool insert(std::uint64_t mixed, std::uint64_t offset);
    void fetch(std::uint64_t mixed) const;
    std::size_t slot_of(std::uint64_t mixed) const;

    std::span<const std::uint8_t> base_;
    std::uint32_t block_ = 0;
    std::size_t used_ = 0;     // slots taken, at most four in five
    std::vector<Slot> slots_;  // open addressing, linear probing; empty: no index
};

}  // namespace sapwood
