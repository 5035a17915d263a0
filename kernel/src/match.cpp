#include "sapwood/match.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

#include "winnow.hpp"

namespace sapwood {

namespace {

using winnowing::gram;
using winnowing::hash_at;
using winnowing::Winnow;
using winnowing::word;

// Positions between two looks at the recent diagonals. Hashed together, so that the
// slots of many hashes are fetched from memory at the same time.
constexpr std::uint64_t stride = 256;

// Places waiting for their slots to be fetched while an index is filled.
constexpr std::size_t fetched_ahead = 16;

// Slots looked at for one hash. Bounds what crowded slots cost.
constexpr int probe_limit = 64;

// Places kept, and compared, under one hash: runs and tables of equal data fill no
// more than that.
constexpr int candidate_limit = 4;

// A copy on a recent diagonal this close ahead is taken without looking for
// another in between.
constexpr std::uint64_t resume_gap = 32;  // bytes

constexpr std::uint32_t largest_block = 65536;
constexpr std::size_t most_slots = 0xffffffff;  // what slot_of() can tell apart
constexpr unsigned offset_bits = 40;
constexpr std::uint64_t offset_mask = (std::uint64_t{1} << offset_bits) - 1;

std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    return x ^ (x >> 32);
}

// Of two unequal words: how many of their first, or last, bytes in memory agree.
std::uint64_t equal_first(std::uint64_t difference) {
    const bool little = std::endian::native == std::endian::little;
    return static_cast<std::uint64_t>(little ? std::countr_zero(difference)
                                             : std::countl_zero(difference)) /
           8;
}

std::uint64_t equal_last(std::uint64_t difference) {
    const bool little = std::endian::native == std::endian::little;
    return static_cast<std::uint64_t>(little ? std::countl_zero(difference)
                                             : std::countr_zero(difference)) /
           8;
}

// How many of the first `room` bytes at a and b are equal before one differs.
std::uint64_t common_prefix(const std::uint8_t* a, const std::uint8_t* b, std::uint64_t room) {
    std::uint64_t n = 0;
    for (; room - n >= 32; n += 32) {
        const std::uint64_t any =
            (word(a + n) ^ word(b + n)) | (word(a + n + 8) ^ word(b + n + 8)) |
            (word(a + n + 16) ^ word(b + n + 16)) | (word(a + n + 24) ^ word(b + n + 24));
        if (any != 0) break;
    }
    for (; room - n >= 8; n += 8) {
        const std::uint64_t difference = word(a + n) ^ word(b + n);
        if (difference != 0) return n + equal_first(difference);
    }
    while (n < room && a[n] == b[n]) ++n;
    return n;
}

// The same backwards: of the `room` bytes that end before a and b.
std::uint64_t common_suffix(const std::uint8_t* a, const std::uint8_t* b, std::uint64_t room) {
    std::uint64_t n = 0;
    for (; room - n >= 8; n += 8) {
        const std::uint64_t difference = word(a - n - 8) ^ word(b - n - 8);
        if (difference != 0) return n + equal_last(difference);
    }
    while (n < room && *(a - n - 1) == *(b - n - 1)) ++n;
    return n;
}

}  // namespace

MatchIndex::MatchIndex(std::span<const std::uint8_t> base, std::uint32_t block,
                       std::size_t max_bytes)
    : base_(base.first(std::min<std::size_t>(base.size(), offset_mask))) {
    if (!std::has_single_bit(block) || block < 16 || block > largest_block) {
        throw std::invalid_argument("block must be a power of two in [16, 65536]");
    }
    reserve(block, max_bytes);
    if (slots_.empty()) return;
    // Only data made for it has more than two places a block.
    while (!fill() && block_ < largest_block) {
        block_ *= 2;
        std::fill(slots_.begin(), slots_.end(), 0);
        used_ = 0;
    }
}

void MatchIndex::reserve(std::uint32_t block, std::size_t max_bytes) {
    const std::size_t allowed = std::min(max_bytes / sizeof(Slot), most_slots);
    block_ = block;
    for (;; block_ *= 2) {
        // Two places a block, in slots two thirds full, and some for small bases.
        const std::size_t wanted = base_.size() / block_ * 3 + 8;
        if (wanted <= allowed || block_ == largest_block) {
            if (base_.size() >= gram && allowed > 0) slots_.resize(std::min(wanted, allowed));
            return;
        }
    }
}

// Returns false when the slots do not suffice for the whole base.
bool MatchIndex::fill() {
    struct Place {
        std::uint64_t mixed;
        std::uint64_t offset;
    };
    std::array<Place, fetched_ahead> waiting{};
    std::size_t named = 0;
    const bool whole = Winnow(block_).run(base_, [&](std::uint64_t hash, std::uint64_t offset) {
        Place& place = waiting[named++ % fetched_ahead];
        const Place ready = place;
        place = {mix(hash), offset};
        fetch(place.mixed);
        return named <= fetched_ahead || insert(ready.mixed, ready.offset);
    });
    if (!whole) return false;
    for (std::size_t i = named - std::min(named, fetched_ahead); i < named; ++i) {
        const Place& ready = waiting[i % fetched_ahead];
        if (!insert(ready.mixed, ready.offset)) return false;
    }
    return true;
}

std::size_t MatchIndex::slot_of(std::uint64_t mixed) const {
    return static_cast<std::size_t>(((mixed >> 32) * slots_.size()) >> 32);
}

void MatchIndex::fetch(std::uint64_t mixed) const {
#if defined(__GNUC__)
    __builtin_prefetch(&slots_[slot_of(mixed)]);
#else
    static_cast<void>(mixed);
#endif
}

bool MatchIndex::insert(std::uint64_t mixed, std::uint64_t offset) {
    std::size_t slot = slot_of(mixed);
    int same = 0;
    for (int probe = 0; probe < probe_limit; ++probe) {
        if (slots_[slot] == 0) {
            if (used_ >= slots_.size() / 5 * 4) return false;
            ++used_;
            slots_[slot] = (mixed << offset_bits) | (offset + 1);
            return true;
        }
        const bool alike = ((slots_[slot] ^ (mixed << offset_bits)) & ~offset_mask) == 0;
        if (alike && ++same == candidate_limit) return true;
        if (++slot == slots_.size()) slot = 0;
    }
    return true;
}

std::size_t MatchIndex::memory() const {
    return slots_.capacity() * sizeof(Slot);
}

std::uint64_t MatchIndex::minimum_length() const {
    return std::clamp<std::uint64_t>(block_ / 2, 16, 64);
}

// One pass over target[begin, end).
class MatchScan {
public:
    MatchScan(const MatchIndex& index, std::span<const std::uint8_t> target, std::uint64_t begin,
              std::uint64_t end, std::vector<Copy>& out)
        : index_(index),
          base_(index.base_.data()),
          base_size_(index.base_.size()),
          target_(target.data()),
          end_(end),
          minimum_(index.minimum_length()),
          copied_(begin),
          out_(out) {}

    void run() {
        std::uint64_t at = copied_;
        while (end_ - at >= minimum_) {
            const Copy copy = on_diagonal(at);
            std::uint64_t limit = std::min(at + stride, end_);
            if (copy.length > 0) limit = std::min(limit, std::max(at, copy.target_offset));
            const bool soon = copy.length > 0 && limit - at <= resume_gap;
            const std::uint64_t before = copied_;
            if (!soon) by_hash(at, limit);
            if (copy.length > 0 && copied_ == before) take(copy);
            if (copied_ > limit || soon) forget();
            at = std::max(limit, copied_);
        }
    }

private:
    // A hash and its place; `none` is above every hash.
    struct Least {
        std::uint64_t hash;
        std::uint64_t at;
    };
    static constexpr std::uint64_t none = ~std::uint64_t{0};

    void take(const Copy& copy) {
        out_.push_back(copy);
        copied_ = copy.target_offset + copy.length;
        const std::uint64_t shift = copy.base_offset - copy.target_offset;
        if (shift != shifts_[0]) shifts_ = {shift, shifts_[0]};
    }

    // The positions to come do not follow the last one hashed.
    void forget() {
        last_ = half_ = {none, 0};
        hashed_ = 0;
    }

    // The longest copy through these two equal places that overlaps no earlier one.
    Copy extend(std::uint64_t at, std::uint64_t from) const {
        const std::uint64_t ahead =
            common_prefix(target_ + at, base_ + from, std::min(end_ - at, base_size_ - from));
        const std::uint64_t behind =
            common_suffix(target_ + at, base_ + from, std::min(at - copied_, from));
        return {at - behind, from - behind, behind + ahead};
    }

    // The first copy about `at` that has the shift of one of the last two, as after an
    // edit in place; length 0 if none. A run of 16 equal bytes holds a whole word of
    // any 8-byte grid, so looking at one word in eight bytes misses nothing.
    Copy on_diagonal(std::uint64_t at) const {
        Copy best{0, 0, 0};
        for (const std::uint64_t shift : shifts_) {
            const std::uint64_t from = at + shift;  // modulo 2^64, as the shift
            if (from >= base_size_) continue;
            const std::uint64_t room = std::min(end_ - at, base_size_ - from);
            for (std::uint64_t k = 0; k < stride && room - k >= 8;) {
                if (word(target_ + at + k) != word(base_ + from + k)) {
                    k += 8;
                    continue;
                }
                const Copy copy = extend(at + k, from + k);
                if (copy.length >= minimum_) {
                    if (best.length == 0 || copy.target_offset < best.target_offset) best = copy;
                    break;
                }
                k = copy.target_offset + copy.length - at;  // ends in the mismatch
                if (k < room) ++k;
            }
            if (shifts_[0] == shifts_[1]) break;
        }
        return best;
    }

    // Hashes the positions in [at, limit), at most a stride, and looks up the least of
    // each block when its second half is complete. Takes what is found.
    void by_hash(std::uint64_t at, std::uint64_t limit) {
        if (index_.slots_.empty() || end_ - at < gram) return;
        const std::uint64_t half = index_.block_ / 2;
        const std::uint64_t last = end_ - gram + 1;
        limit = std::min(limit, last);
        std::array<Least, stride / 8 + 1> sought;  // half a block is at least 8
        std::size_t count = 0;
        while (at < limit) {
            const std::uint64_t step = std::min(limit - at, half - hashed_);
            const Least least = least_of(at, step);
            if (least.hash < half_.hash) half_ = least;
            at += step;
            hashed_ += step;
            if (hashed_ < half && at < last) continue;
            const Least block = half_.hash < last_.hash ? half_ : last_;
            last_ = half_;
            half_ = {none, 0};
            hashed_ = 0;
            if (block.at == looked_up_) continue;
            looked_up_ = block.at;
            sought[count] = {mix(block.hash), block.at};
            index_.fetch(sought[count++].hash);
        }
        for (std::size_t i = 0; i < count; ++i) {
            if (sought[i].at < copied_) continue;
            const Copy copy = longest(sought[i].hash, sought[i].at);
            if (copy.length > 0) take(copy);
        }
    }

    // The least hash of `count` positions, at least one and at most a stride.
    Least least_of(std::uint64_t at, std::uint64_t count) const {
        // The place rides in the low bits, so that the least value brings it along.
        std::uint64_t least = none;
        for (std::uint64_t i = 0; i < count; ++i) {
            least = std::min(least, (hash_at(target_ + at + i) & ~(stride - 1)) | i);
        }
        const std::uint64_t place = at + least % stride;
        return {hash_at(target_ + place), place};
    }

    // The longest copy through `at`, where that hash is; length 0 if all are short.
    Copy longest(std::uint64_t mixed, std::uint64_t at) const {
        std::size_t slot = index_.slot_of(mixed);
        Copy best{0, 0, 0};
        for (int probe = 0; probe < probe_limit; ++probe) {
            const MatchIndex::Slot found = index_.slots_[slot];
            if (found == 0) break;
            if (((found ^ (mixed << offset_bits)) & ~offset_mask) == 0) {
                const Copy copy = extend(at, (found & offset_mask) - 1);
                if (copy.length >= minimum_ && copy.length > best.length) best = copy;
            }
            if (++slot == index_.slots_.size()) slot = 0;
        }
        return best;
    }

    const MatchIndex& index_;
    const std::uint8_t* base_;
    std::uint64_t base_size_;
    const std::uint8_t* target_;
    std::uint64_t end_;
    std::uint64_t minimum_;
    std::uint64_t copied_;  // end of the last copy: nothing before it is free
    std::vector<Copy>& out_;

    // base_offset - target_offset of the last two copies that differed in it.
    std::array<std::uint64_t, 2> shifts_{0, 0};

    // The least hash of the last half block and of the one being filled.
    Least last_{none, 0};
    Least half_{none, 0};
    std::uint64_t hashed_ = 0;        // positions in the half being filled
    std::uint64_t looked_up_ = none;  // the last place looked up
};

void MatchIndex::find(std::span<const std::uint8_t> target, std::uint64_t begin, std::uint64_t end,
                      std::vector<Copy>& out) const {
    if (begin > end || end > target.size()) {
        throw std::invalid_argument("find() needs begin <= end <= target.size()");
    }
    MatchScan(*this, target, begin, end, out).run();
}

}  // namespace sapwood
