// Laws and scenarios of MatchIndex. Build and run:
//   g++ -std=c++20 -g -O1 -fsanitize=address,undefined -Ikernel/include
//       kernel/src/match.cpp kernel/tests/test_match.cpp -o test_match
// Without sanitizers and with -O2, the timings at the end mean something.
#include "sapwood/match.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>

using sapwood::Copy;
using sapwood::MatchIndex;
using Bytes = std::vector<std::uint8_t>;

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                \
        }                                                                                \
    } while (false)

namespace {

constexpr std::size_t plenty = std::size_t{1} << 30;

double now() {
    using clock = std::chrono::steady_clock;
    return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

Bytes random_bytes(std::mt19937_64& random, std::size_t size, unsigned values = 256) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % values);
    return bytes;
}

void append(Bytes& to, const Bytes& from, std::size_t begin, std::size_t size) {
    const std::size_t old = to.size();
    to.resize(old + size);
    std::copy_n(from.data() + begin, size, to.data() + old);
}

// Finds, checks every promise of the header, and returns the bytes left over.
std::uint64_t unmatched(const MatchIndex& index, const Bytes& base, const Bytes& target,
                        std::uint64_t begin, std::uint64_t end) {
    std::vector<Copy> copies;
    index.find(target, begin, end, copies);
    std::uint64_t at = begin;
    std::uint64_t left = end - begin;
    for (const Copy& copy : copies) {
        CHECK(copy.target_offset >= at);
        CHECK(copy.length >= index.minimum_length());
        CHECK(copy.target_offset <= end && copy.length <= end - copy.target_offset);
        CHECK(copy.base_offset <= base.size() && copy.length <= base.size() - copy.base_offset);
        CHECK(std::equal(target.data() + copy.target_offset,
                         target.data() + copy.target_offset + copy.length,
                         base.data() + copy.base_offset));
        at = copy.target_offset + copy.length;
        left -= copy.length;
    }
    std::vector<Copy> again;
    index.find(target, begin, end, again);
    CHECK(copies == again);
    return left;
}

std::uint64_t unmatched(const Bytes& base, const Bytes& target, std::uint32_t block,
                        std::size_t max_bytes = plenty) {
    const MatchIndex index(base, block, max_bytes);
    CHECK(index.memory() <= max_bytes);
    CHECK(index.block() >= block);
    return unmatched(index, base, target, 0, target.size());
}

void empty_and_tiny_inputs() {
    std::mt19937_64 random(1);
    for (std::size_t base_size = 0; base_size < 40; ++base_size) {
        const Bytes base = random_bytes(random, base_size);
        for (std::size_t target_size = 0; target_size < 40; ++target_size) {
            Bytes target(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(
                                                          std::min(base_size, target_size)));
            target.resize(target_size, 7);
            const std::uint64_t left = unmatched(base, target, 16);
            if (target_size >= 16 && target_size <= base_size) CHECK(left == 0);
        }
    }
}

void equal_and_shifted() {
    std::mt19937_64 random(2);
    const Bytes base = random_bytes(random, 100000);
    for (const std::uint32_t block : {16u, 64u, 1024u, 65536u}) {
        CHECK(unmatched(base, base, block) == 0);
        for (const std::size_t shift : {1u, 7u, 63u, 64u, 1000u}) {
            Bytes longer = random_bytes(random, shift);
            append(longer, base, 0, base.size());
            if (block < 65536) CHECK(unmatched(base, longer, block) <= shift);
            Bytes shorter;
            append(shorter, base, shift, base.size() - shift);
            if (block < 65536) CHECK(unmatched(base, shorter, block) == 0);
        }
    }
}

// What the header promises: pieces of 1.5 * block + 15 bytes, anywhere, in any order.
void every_long_piece_is_found() {
    std::mt19937_64 random(3);
    for (const std::uint32_t block : {16u, 32u, 64u, 256u}) {
        const Bytes base = random_bytes(random, 50000);
        const std::size_t piece = block + block / 2 + 15;
        Bytes target;
        std::uint64_t fresh = 0;
        for (int i = 0; i < 200; ++i) {
            const Bytes noise = random_bytes(random, random() % 100);
            fresh += noise.size();
            append(target, noise, 0, noise.size());
            append(target, base, random() % (base.size() - piece), piece);
        }
        CHECK(unmatched(base, target, block) <= fresh);
    }
}

void random_edits() {
    std::mt19937_64 random(4);
    for (int round = 0; round < 300; ++round) {
        const unsigned values = round % 3 == 0 ? 2 : round % 3 == 1 ? 4 : 256;
        const Bytes base = random_bytes(random, random() % 5000, values);
        Bytes target;
        while (target.size() < 5000) {
            if (base.size() > 1 && random() % 4 != 0) {
                const std::size_t begin = random() % base.size();
                append(target, base, begin, random() % (base.size() - begin));
            } else {
                append(target, random_bytes(random, 20, values), 0, 20);
            }
        }
        for (int edit = 0; edit < 20; ++edit) target[random() % target.size()] ^= 1;
        const auto block = std::uint32_t{16} << (random() % 5);
        const std::size_t limit = random() % 3 == 0 ? random() % 4000 : plenty;
        const MatchIndex index(base, block, limit);
        CHECK(index.memory() <= limit);
        const std::uint64_t begin = random() % (target.size() + 1);
        const std::uint64_t end = begin + random() % (target.size() - begin + 1);
        unmatched(index, base, target, begin, end);
    }
}

void edits_in_place_resume_at_once() {
    std::mt19937_64 random(5);
    const Bytes base = random_bytes(random, 200000);
    for (const std::uint32_t block : {16u, 64u, 4096u}) {
        Bytes target = random_bytes(random, 333);
        append(target, base, 0, base.size());
        std::uint64_t edits = 0;
        for (std::size_t i = 20000; i < target.size(); i += 100, ++edits) target[i] ^= 0x55;
        CHECK(unmatched(base, target, block) <= 333 + edits + 100);
    }
}

void repeated_data() {
    std::mt19937_64 random(6);
    const Bytes zeros(1 << 20);
    CHECK(unmatched(zeros, zeros, 32) == 0);
    const Bytes more_zeros(3 << 20);
    CHECK(unmatched(zeros, more_zeros, 32) < 64);
    for (const std::size_t period : {2u, 3u, 16u, 31u, 1000u}) {
        const Bytes cycle = random_bytes(random, period);
        Bytes base, target = random_bytes(random, 5);
        while (base.size() < 300000) append(base, cycle, 0, period);
        while (target.size() < 200000) append(target, cycle, 0, period);
        CHECK(unmatched(base, target, 64) <= 5 + period);
    }
    // Content between zero pages, in another order: found although zeros abound.
    Bytes base, target;
    std::vector<Bytes> pages;
    for (int i = 0; i < 50; ++i) pages.push_back(random_bytes(random, 500));
    for (const Bytes& page : pages) {
        append(base, page, 0, 500);
        base.resize(base.size() + 1000);
    }
    for (std::size_t i = pages.size(); i-- > 0;) {
        append(target, pages[i], 0, 500);
        target.resize(target.size() + 1000);
    }
    CHECK(unmatched(base, target, 64) == 0);
}

// Hashes that only grow or shrink along the data, and one gram under which every
// place is wanted: the work must stay linear.
void adversarial_inputs() {
    std::mt19937_64 random(7);
    const std::size_t size = 1 << 20;
    Bytes sparse(size), ramp(size), shredded(size);
    for (std::size_t i = 0; i < size; i += 17) sparse[i] = static_cast<std::uint8_t>(random());
    for (std::size_t i = 0; i < size; ++i) ramp[i] = static_cast<std::uint8_t>(i >> (i % 8));
    const Bytes gram = random_bytes(random, 20);
    for (std::size_t i = 0; i < size; ++i) {
        shredded[i] = i % 24 < 20 ? gram[i % 24] : static_cast<std::uint8_t>(random());
    }
    const double begin = now();
    for (const std::uint32_t block : {16u, 64u, 4096u}) {
        for (const Bytes* base : {&sparse, &ramp, &shredded}) {
            CHECK(unmatched(*base, *base, block) == 0);
            for (const Bytes* target : {&sparse, &ramp, &shredded}) {
                unmatched(*base, *target, block);
            }
            Bytes moved(1, 99);
            append(moved, *base, 0, base->size());
            unmatched(*base, moved, block);
        }
    }
    CHECK(now() - begin < 60.0);  // seconds; quadratic work would take hours
}

void little_memory() {
    std::mt19937_64 random(8);
    const Bytes base = random_bytes(random, 1 << 20);
    Bytes target(1, 0);
    append(target, base, 0, base.size());
    for (const std::size_t allowed : {0u, 7u, 8u, 100u, 1000u, 10000u, 100000u}) {
        const std::uint64_t left = unmatched(base, target, 16, allowed);
        if (allowed >= 1000) CHECK(left <= 1);
        CHECK(unmatched(base, base, 16, allowed) == 0);
    }
}

template <typename Call>
bool refused(Call&& call) {
    try {
        call();
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

void wrong_arguments() {
    const Bytes bytes(100);
    for (const std::uint32_t block : {0u, 1u, 8u, 17u, 131072u}) {
        CHECK(refused([&] { MatchIndex(bytes, block, plenty); }));
    }
    const MatchIndex index(bytes, 16, plenty);
    std::vector<Copy> out;
    CHECK(refused([&] { index.find(bytes, 2, 1, out); }));
    CHECK(refused([&] { index.find(bytes, 0, 101, out); }));
    CHECK(out.empty());
}

void time_of(const char* name, const Bytes& base, const Bytes& target, std::uint32_t block) {
    const double begin = now();
    const MatchIndex index(base, block, plenty);
    const double indexed = now();
    std::vector<Copy> copies;
    index.find(target, 0, target.size(), copies);
    const double found = now();
    std::printf("%-16s block %5u: index %6.2f GB/s, %5.1f MB; find %6.2f GB/s, %zu copies\n", name,
                block, static_cast<double>(base.size()) / (indexed - begin) / 1e9,
                static_cast<double>(index.memory()) / 1e6,
                static_cast<double>(target.size()) / (found - indexed) / 1e9, copies.size());
}

void timings() {
    std::mt19937_64 random(9);
    const std::size_t size = std::size_t{64} << 20;
    const Bytes base = random_bytes(random, size);
    const Bytes other = random_bytes(random, size);
    Bytes shifted(777, 1);
    append(shifted, base, 0, size);
    Bytes edited = base;
    for (std::size_t i = 0; i < size; i += 100) edited[i] ^= 1;
    for (const std::uint32_t block : {32u, 256u, 4096u}) {
        time_of("nothing matches", base, other, block);
        time_of("all matches", base, base, block);
        time_of("all shifted", base, shifted, block);
        time_of("edited each 100", base, edited, block);
    }
}

}  // namespace

int main() {
    empty_and_tiny_inputs();
    equal_and_shifted();
    every_long_piece_is_found();
    random_edits();
    edits_in_place_resume_at_once();
    repeated_data();
    adversarial_inputs();
    little_memory();
    wrong_arguments();
    std::puts("all checks passed");
    timings();
}
