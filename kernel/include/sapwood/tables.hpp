// Frequency tables: which token is how likely in which context.
//
// A set of tables serves one coding. It is parsed and checked once and then
// only read, by any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sapwood {

inline constexpr unsigned scale_bits = 12;  // frequencies of a context sum to 4096
inline constexpr unsigned scale = 1u << scale_bits;
inline constexpr unsigned element_contexts = 32;
inline constexpr unsigned row_context = 32;  // row levels
inline constexpr unsigned contexts = 33;
inline constexpr unsigned max_classes = 8;      // of a sparse coding
inline constexpr unsigned change_context = 8;  // sparse: gaps in 0..7, residuals in 8..15

enum class Coding : uint8_t { residual = 0, value = 1, sparse = 2 };

struct Special {  // a residual so frequent that it has a token of its own
    uint8_t token;
    int64_t value;
};

// Frequencies by context and token. A context whose frequencies are all zero is
// unused; any other sums to `scale` and has a frequency for `escape`.
using Frequencies = std::array<std::array<uint16_t, 256>, contexts>;

// Integer frequencies for counts: proportional, at least 1 for what was counted
// and for `escape`. `counts` is contexts rows of 256.
Frequencies normalised(std::span<const uint32_t> counts);

class Tables {
public:
    // Throws std::invalid_argument when the parts contradict each other.
    Tables(Coding coding, const Frequencies& frequencies, std::vector<Special> specials,
           std::vector<uint8_t> class_starts, uint16_t first_exponent = 0);

    // Throws CorruptPayload. One set of tables has one serialised form.
    static std::shared_ptr<const Tables> parse(std::span<const uint8_t> bytes);
    std::vector<uint8_t> serialised() const;

    Coding coding() const { return coding_; }
    const Frequencies& frequencies() const { return frequencies_; }
    const std::vector<Special>& specials() const { return specials_; }
    // Sparse: class k holds the contexts from start k up to the next; below the first, none.
    const std::vector<uint8_t>& class_starts() const { return class_starts_; }

    // (frequency - 1) << 20 | (slot - start) << 8 | token, by context << 12 | slot.
    const uint32_t* decode_entries() const { return decode_.get(); }
    // start << 16 | frequency, by context << 8 | token; frequency 0: use `escape`.
    std::vector<uint32_t> encode_entries() const;
    // Of a value coding: the exponent field that token 0 stands for.
    unsigned first_exponent() const { return first_exponent_; }
    // The lowest special token, 256 when there is none.
    unsigned first_special() const { return specials_.empty() ? 256u : specials_[0].token; }
    unsigned last_special() const { return specials_.empty() ? 0u : specials_.back().token; }
    // By token; nonsense for tokens that are not special.
    const std::array<int64_t, 256>& special_values() const { return special_values_; }
    bool is_special(unsigned token) const { return is_special_[token]; }

private:
    void check() const;
    void build_decode_entries();

    Coding coding_;
    Frequencies frequencies_;
    std::vector<Special> specials_;
    std::vector<uint8_t> class_starts_;
    uint16_t first_exponent_;
    std::array<int64_t, 256> special_values_{};
    std::array<bool, 256> is_special_{};
    std::unique_ptr<uint32_t[]> decode_;
};

}  // namespace sapwood
