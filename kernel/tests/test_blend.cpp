// Laws of blend predictions: every path gives what the scalar code gives, edges included, for
// any bits, any stretch, in place and not; nothing past a buffer is touched; one base by
// itself comes back; factors beyond the bound are refused.
//   cmake -S kernel -B build/kernel -DSAPWOOD_KERNEL_TESTS=ON -DSAPWOOD_SANITIZE=ON
#include "sapwood/blend.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"

using namespace sapwood;
using Bytes = std::vector<uint8_t>;

namespace {

constexpr Type types[] = {Type::bf16, Type::f16, Type::f32};

std::mt19937_64 random_bits(20240517);

uint64_t below(uint64_t limit) { return random_bits() % limit; }

uint64_t size_of(Type type) { return type == Type::f32 ? 4 : 2; }

std::vector<Path> vector_paths() {
    std::vector<Path> out;
    for (const Path path : {Path::avx2, Path::avx512})
        if (supported(path)) out.push_back(path);
    return out;
}

struct Shape {
    uint64_t matrices, rows, rank, columns;
};

Factors random_factors(const Shape& shape, int32_t most) {
    std::vector<int32_t> left(shape.matrices * shape.rows * shape.rank);
    std::vector<int32_t> right(shape.matrices * shape.rank * shape.columns);
    for (auto* factor : {&left, &right})
        for (int32_t& value : *factor) {
            const auto span = static_cast<uint64_t>(most) * 2 + 1;
            value = static_cast<int32_t>(static_cast<int64_t>(below(span)) - most);
        }
    return Factors(left.data(), right.data(), shape.matrices, shape.rows, shape.rank, shape.columns,
                   static_cast<int>(below(60)) - 45);
}

// Of sizes of their own, so that a sanitizer sees what goes past them.
struct Predicted {
    Bytes out, edges;
    bool operator==(const Predicted&) const = default;
};

Predicted predicted(Type type, const std::vector<Bytes>& terms, const std::vector<double>& coefficients,
                    bool each, const Factors* factors, uint64_t first, uint64_t elements, Path path) {
    Predicted found{Bytes(elements * size_of(type)), Bytes(elements)};
    std::vector<const uint8_t*> starts;
    for (const Bytes& term : terms) starts.push_back(term.data());
    const Blend blend{starts, coefficients, each, factors};
    predict(type, blend, first, elements, found.out.data(), found.edges.data(), path);
    return found;
}

void paths_agree(Type type, const Factors* factors, uint64_t first, uint64_t elements) {
    std::vector<Bytes> terms(below(4) + (factors == nullptr ? 1 : 0));
    std::vector<double> coefficients;
    for (Bytes& term : terms) {
        term.resize(elements * size_of(type));
        for (uint8_t& byte : term) byte = static_cast<uint8_t>(random_bits());
        coefficients.push_back(static_cast<double>(below(9)) / 4 - 1);
    }
    for (const bool each : {false, true}) {
        const auto run = [&](Path path) {
            return predicted(type, terms, coefficients, each, factors, first, elements, path);
        };
        const Predicted expected = run(Path::scalar);
        for (const Path path : vector_paths()) {
            CHECK(run(path) == expected);
            if (terms.empty()) continue;
            std::vector<const uint8_t*> starts;
            for (const Bytes& term : terms) starts.push_back(term.data());
            Bytes out = terms[0];
            starts[0] = out.data();
            predict(type, {starts, coefficients, each, factors}, first, elements, out.data(), nullptr,
                    path);
            CHECK(out == expected.out);
        }
    }
}

void every_path_agrees() {
    const Shape shapes[] = {{1, 1, 1, 1}, {3, 2, 1, 3},    {1, 9, 4, 33},    {2, 5, 5, 17},
                            {1, 7, 7, 8}, {1, 20, 16, 64}, {2, 6, 3, 1025}, {1, 3, 2, 2100}};
    for (const Type type : types) {
        for (const uint64_t elements : {0, 1, 7, 8, 15, 16, 17, 100}) paths_agree(type, nullptr, 0, elements);
        for (const Shape& shape : shapes)
            for (const int32_t most : {3, 8000, 32767, 1 << 23}) {
                const Factors factors = random_factors(shape, most);
                CHECK(factors.narrow() || most > 8000);
                const uint64_t all = factors.elements();
                paths_agree(type, &factors, 0, all);
                const uint64_t first = below(all);
                paths_agree(type, &factors, first, below(all - first + 1));
            }
    }
}

void one_base_comes_back() {
    Bytes base(2 << 16);
    for (unsigned word = 0; word < 1 << 16; ++word) {
        base[2 * word] = static_cast<uint8_t>(word);
        base[2 * word + 1] = static_cast<uint8_t>(word >> 8);
    }
    for (const Type type : {Type::bf16, Type::f16})
        for (const Path path : {Path::scalar, best_path()}) {
            const Predicted found = predicted(type, {base}, {1.0}, true, nullptr, 0, 1 << 16, path);
            const unsigned infinity = type == Type::bf16 ? 0x7F80 : 0x7C00;
            const unsigned quiet = type == Type::bf16 ? 0x7FC0 : 0x7E00;
            for (unsigned word = 0; word < 1 << 16; ++word) {
                const unsigned expected = (word & 0x7FFF) > infinity ? quiet : word;
                CHECK((found.out[2 * word] | found.out[2 * word + 1] << 8) == static_cast<int>(expected));
                CHECK(found.edges[word] == 1);
            }
        }
}

bool taken(std::vector<int32_t> left, std::vector<int32_t> right, uint64_t rank, int exponent) {
    try {
        Factors(left.data(), right.data(), 1, left.size() / rank, rank, right.size() / rank, exponent);
        return true;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

void factors_are_checked() {
    CHECK(taken({1 << 27}, {(1 << 26) - 1}, 1, 0));
    CHECK(!taken({1 << 27}, {1 << 26}, 1, 0));
    CHECK(!taken({INT32_MIN}, {1}, 1, 0));
    CHECK(!taken({INT32_MAX, INT32_MAX}, {INT32_MAX, 1}, 1, 0));
    CHECK(!taken({1, 1}, {1, 1}, 2, 0));
    CHECK(taken({1}, {1}, 1, -126) && !taken({1}, {1}, 1, -127));
    CHECK(taken({1}, {1}, 1, 64) && !taken({1}, {1}, 1, 65));
}

}  // namespace

int main() {
    every_path_agrees();
    one_base_comes_back();
    factors_are_checked();
    std::puts("test_blend: all laws hold");
}
