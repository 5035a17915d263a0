#include "sapwood/tables.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "sapwood/bins.hpp"
#include "sapwood/bitstream.hpp"
#include "sapwood/element.hpp"

namespace sapwood {
namespace {

// Elias gamma: as many zeros as there are bits below the highest, then the number.
void put_gamma(BitWriter& bits, uint32_t value) {
    const unsigned low = 31u - static_cast<unsigned>(std::countl_zero(value));
    bits.put(uint64_t{1} << low, low + 1);
    bits.put(value & ((1u << low) - 1), low);
}

uint32_t get_gamma(BitReader& bits) {
    unsigned low = 0;
    while (bits.get(1) == 0) {
        if (++low > 12 || bits.overrun) throw CorruptPayload("tables: a number is too long");
    }
    return (1u << low) | static_cast<uint32_t>(bits.get(low));
}

std::array<uint16_t, 256> normalised_context(std::span<const uint32_t> counts) {
    std::array<uint16_t, 256> out{};
    uint64_t total = 0;
    for (uint32_t count : counts) total += count;
    if (total == 0) return out;
    total += counts[escape] == 0;
    uint32_t sum = 0;
    for (unsigned token = 0; token < 256; ++token) {
        const uint64_t count = token == escape ? std::max(counts[token], 1u) : counts[token];
        if (count == 0) continue;
        const uint64_t share = (count * scale + total / 2) / total;
        out[token] = static_cast<uint16_t>(std::clamp<uint64_t>(share, 1, scale - 1));
        sum += out[token];
    }
    // What rounding left over or took too much goes to the most frequent tokens,
    // where one step costs least.
    while (sum != scale) {
        const auto top = std::max_element(out.begin(), out.end());
        if (sum < scale) {
            *top = static_cast<uint16_t>(*top + (scale - sum));
            sum = scale;
        } else {
            const uint32_t cut = std::min(sum - scale, std::max(1u, *top / 8u));
            *top = static_cast<uint16_t>(*top - cut);
            sum -= cut;
        }
    }
    return out;
}

std::array<uint16_t, 256> parse_context(BitReader& bits) {
    std::array<uint16_t, 256> out{};
    if (bits.get(1) == 0) return out;
    uint32_t sum = 0;
    unsigned token = 0;
    while (sum < scale) {
        token += get_gamma(bits) - 1;
        const uint32_t frequency = get_gamma(bits);
        if (bits.overrun || token > escape || frequency > scale - sum)
            throw CorruptPayload("tables: frequencies do not sum to 4096");
        out[token++] = static_cast<uint16_t>(frequency);
        sum += frequency;
    }
    if (out[escape] == 0) throw CorruptPayload("tables: a context without an escape");
    return out;
}

void write_context(BitWriter& bits, const std::array<uint16_t, 256>& frequencies) {
    const bool used = frequencies[escape] != 0;
    bits.put(used, 1);
    if (!used) return;
    unsigned absent = 0;
    for (uint16_t frequency : frequencies) {
        if (frequency == 0) {
            ++absent;
            continue;
        }
        put_gamma(bits, absent + 1);
        put_gamma(bits, frequency);
        absent = 0;
    }
}

}  // namespace

Frequencies normalised(std::span<const uint32_t> counts) {
    Frequencies out{};
    for (unsigned context = 0; context < contexts; ++context)
        out[context] = normalised_context(counts.subspan(size_t{context} * 256, 256));
    return out;
}

Tables::Tables(Coding coding, const Frequencies& frequencies, std::vector<Special> specials,
               std::vector<uint8_t> class_starts, uint16_t first_exponent)
    : coding_(coding),
      frequencies_(frequencies),
      specials_(std::move(specials)),
      class_starts_(std::move(class_starts)),
      first_exponent_(first_exponent) {
    check();
    for (const Special& special : specials_) {
        special_values_[special.token] = special.value;
        is_special_[special.token] = true;
    }
    build_decode_entries();
}

void Tables::check() const {
    for (const auto& context : frequencies_) {
        const uint32_t sum = std::accumulate(context.begin(), context.end(), 0u);
        if (sum != 0 && (sum != scale || context[escape] == 0))
            throw std::invalid_argument("tables: frequencies do not sum to 4096");
    }
    if (!specials_.empty() && coding_ != Coding::residual)
        throw std::invalid_argument("tables: special values outside a residual coding");
    for (size_t i = 0; i < specials_.size(); ++i) {
        if (specials_[i].token >= still_row || (i > 0 && specials_[i].token != specials_[i - 1].token + 1))
            throw std::invalid_argument("tables: special tokens do not follow each other");
    }
    if (first_exponent_ != 0 && coding_ != Coding::value)
        throw std::invalid_argument("tables: a first exponent outside a value coding");
    if ((coding_ == Coding::sparse) != !class_starts_.empty() || class_starts_.size() > max_classes)
        throw std::invalid_argument("tables: wrong number of classes");
    for (size_t i = 0; i < class_starts_.size(); ++i) {
        if (class_starts_[i] >= element_contexts || (i > 0 && class_starts_[i] <= class_starts_[i - 1]))
            throw std::invalid_argument("tables: class starts do not ascend");
    }
}

void Tables::build_decode_entries() {
    // Uninitialised on purpose: the loop below writes each entry once.
    decode_.reset(new uint32_t[size_t{contexts} << scale_bits]);
    for (unsigned context = 0; context < contexts; ++context) {
        uint32_t* entry = decode_.get() + (size_t{context} << scale_bits);
        const auto& frequencies = frequencies_[context];
        if (frequencies[escape] == 0) {  // unused: a lone escape, which takes no bits
            for (uint32_t slot = 0; slot < scale; ++slot)
                *entry++ = (scale - 1) << 20 | slot << 8 | escape;
            continue;
        }
        for (uint32_t token = 0; token < 256; ++token) {
            const uint32_t frequency = frequencies[token];
            for (uint32_t bias = 0; bias < frequency; ++bias)
                *entry++ = (frequency - 1) << 20 | bias << 8 | token;
        }
    }
}

std::vector<uint32_t> Tables::encode_entries() const {
    std::vector<uint32_t> out(size_t{contexts} * 256);
    for (size_t context = 0; context < contexts; ++context) {
        const auto& frequencies = frequencies_[context];
        if (frequencies[escape] == 0) {
            out[context * 256 + escape] = scale;
            continue;
        }
        uint32_t start = 0;
        for (size_t token = 0; token < 256; ++token) {
            if (frequencies[token] == 0) continue;
            out[context * 256 + token] = start << 16 | frequencies[token];
            start += frequencies[token];
        }
    }
    return out;
}

std::vector<uint8_t> Tables::serialised() const {
    std::vector<uint8_t> out{static_cast<uint8_t>(coding_), static_cast<uint8_t>(specials_.size())};
    for (const Special& special : specials_) {
        out.push_back(special.token);
        for (unsigned shift = 0; shift < 64; shift += 8)
            out.push_back(static_cast<uint8_t>(static_cast<uint64_t>(special.value) >> shift));
    }
    out.push_back(static_cast<uint8_t>(first_exponent_));
    out.push_back(static_cast<uint8_t>(first_exponent_ >> 8));
    out.push_back(static_cast<uint8_t>(class_starts_.size()));
    out.insert(out.end(), class_starts_.begin(), class_starts_.end());
    BitWriter bits;
    for (const auto& context : frequencies_) write_context(bits, context);
    const std::vector<uint8_t> packed = bits.take();
    out.insert(out.end(), packed.begin(), packed.end());
    return out;
}

std::shared_ptr<const Tables> Tables::parse(std::span<const uint8_t> bytes) {
    size_t at = 0;
    const auto need = [&](size_t count) {
        if (bytes.size() - at < count) throw CorruptPayload("tables: cut off");
    };
    need(2);
    if (bytes[0] > 2) throw CorruptPayload("tables: unknown coding");
    const Coding coding = static_cast<Coding>(bytes[0]);
    std::vector<Special> specials(bytes[1]);
    at = 2;
    need(specials.size() * 9 + 3);
    for (Special& special : specials) {
        special.token = bytes[at++];
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 8) value |= uint64_t{bytes[at++]} << shift;
        special.value = static_cast<int64_t>(value);
    }
    const auto first_exponent = static_cast<uint16_t>(bytes[at] | bytes[at + 1] << 8);
    at += 2;
    const size_t classes = bytes[at++];
    need(classes);
    std::vector<uint8_t> starts(bytes.begin() + static_cast<ptrdiff_t>(at),
                                bytes.begin() + static_cast<ptrdiff_t>(at + classes));
    at += classes;
    std::vector<uint8_t> padded(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.end());
    const uint64_t end = uint64_t{padded.size()} * 8;
    padded.resize(padded.size() + 16);
    BitReader bits{padded.data(), end};
    Frequencies frequencies;
    for (auto& context : frequencies) context = parse_context(bits);
    if (!bits.finished()) throw CorruptPayload("tables: bytes left over");
    try {
        return std::make_shared<const Tables>(coding, frequencies, std::move(specials),
                                              std::move(starts), first_exponent);
    } catch (const std::invalid_argument& error) {
        throw CorruptPayload(error.what());
    }
}

}  // namespace sapwood
