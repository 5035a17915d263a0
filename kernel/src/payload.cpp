#include "sapwood/payload.hpp"

#include <algorithm>
#include <bit>

#include "sapwood/element.hpp"

namespace sapwood {
namespace {

static_assert(std::endian::native == std::endian::little,
              "payloads are little-endian and read in place; a big-endian port swaps on load");

using RowBins = ResidualBins<32>;

// The step that stands for a still row where the tables lack its token.
constexpr uint32_t still_step = 0x80000000u;

constexpr unsigned inline_flag = 4;
constexpr unsigned lane_shift = 3;
constexpr unsigned lane_choices[] = {1, 4, 16, 64};
constexpr size_t stream_padding = 512;  // bytes; more than one round of all lanes can read

// Each lane takes 4 bytes, of which about 2 are lost: few bytes pay for few lanes.
// 16 lanes or more decode in vectors.
unsigned lanes_for(std::span<const uint16_t> symbols, const uint32_t* entries) {
    if (symbols.size() < 16384) return symbols.size() < 1024 ? 1 : 4;
    // A state grows by the factor scale / frequency with each symbol.
    uint64_t quarters = 0;  // of a bit
    constexpr size_t stride = 16;
    for (size_t i = 0; i < symbols.size(); i += stride) {
        if (symbols[i] == no_symbol) continue;
        const uint32_t frequency = entries[symbols[i]] & 0xFFFF;
        const uint32_t squared = frequency * frequency;
        const uint64_t fourth = uint64_t{squared} * squared;  // frequency^4, below 2^48
        quarters += (4 * scale_bits - 63u + static_cast<unsigned>(std::countl_zero(fourth)));
    }
    return quarters * stride / 32 < 16384 ? 16 : 64;
}

// Memory of the last writer on this thread, for the next one: see scratch.hpp.
thread_local std::vector<uint16_t> spare_symbols;

void put_varint(std::vector<uint8_t>& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
    out.push_back(static_cast<uint8_t>(value));
}

class Fields {
public:
    explicit Fields(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    uint8_t byte() {
        if (at_ == bytes_.size()) throw CorruptPayload("payload: cut off");
        return bytes_[at_++];
    }
    // LEB128, shortest form only, so that a number has one encoding.
    uint64_t varint() {
        uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const uint8_t next = byte();
            if (shift == 63 && next > 1) throw CorruptPayload("payload: a number is too long");
            value |= uint64_t{next & 0x7Fu} << shift;
            if (next < 0x80) {
                if (next == 0 && shift != 0) throw CorruptPayload("payload: a padded number");
                return value;
            }
        }
    }
    std::span<const uint8_t> take(uint64_t count) {
        if (count > bytes_.size() - at_) throw CorruptPayload("payload: cut off");
        at_ += count;
        return bytes_.subspan(at_ - count, count);
    }
    size_t left() const { return bytes_.size() - at_; }

private:
    std::span<const uint8_t> bytes_;
    size_t at_ = 0;
};

}  // namespace

PayloadWriter::~PayloadWriter() { symbols_.swap(spare_symbols); }

PayloadWriter::PayloadWriter(const Tables& tables, int table, Context context,
                             std::span<const int16_t> levels, uint64_t symbols_expected)
    : tables_(tables),
      entries_(tables.encode_entries()),
      table_(table),
      context_(context) {
    symbols_.swap(spare_symbols);
    symbols_.clear();
    symbols_.reserve(symbols_expected + levels.size() + max_lanes);
    if (context_ == Context::one) level_ = levels[0];
    if (!has_rows(context_)) return;
    // The first level that is not still is the reference of the first row.
    for (int16_t level : levels) {
        if (level == still_level) continue;
        level_ = level;
        break;
    }
    int previous = level_;
    for (int16_t level : levels) {
        if (level == still_level) {
            put(row_context, {still_row, 0, 0}, still_step, RowBins::width);
            continue;
        }
        const int step = level - previous;
        put(row_context, RowBins::token(step), static_cast<uint32_t>(step), RowBins::width);
        previous = level;
    }
    elements_from_ = symbols_.size();
}

std::vector<uint8_t> PayloadWriter::finish(std::span<const uint64_t> counts, Path path) {
    const unsigned lanes = lanes_for(symbols_, entries_.data());
    // Elements start at lane 0.
    const size_t padding = (lanes - elements_from_ % lanes) % lanes;
    symbols_.insert(symbols_.begin() + static_cast<ptrdiff_t>(elements_from_), padding, no_symbol);
    uint32_t states[max_lanes];
    const std::vector<uint16_t> words =
        rans_encode(symbols_, elements_from_ + padding, entries_.data(), lanes, states, path);
    const std::vector<uint8_t> bits = bits_.take();

    unsigned flags = static_cast<unsigned>(context_);
    if (table_ < 0) flags |= inline_flag;
    for (unsigned choice = 0; choice < 4; ++choice)
        if (lane_choices[choice] == lanes) flags |= choice << lane_shift;
    std::vector<uint8_t> out{static_cast<uint8_t>(flags)};
    if (context_ != Context::none) {
        out.push_back(static_cast<uint8_t>(level_));
        out.push_back(static_cast<uint8_t>(level_ >> 8));
    }
    if (table_ < 0) {
        const std::vector<uint8_t> own = tables_.serialised();
        put_varint(out, own.size());
        out.insert(out.end(), own.begin(), own.end());
    } else {
        put_varint(out, static_cast<uint64_t>(table_));
    }
    for (uint64_t count : counts) put_varint(out, count);
    put_varint(out, words.size());
    put_varint(out, bits.size());
    const auto append = [&](const void* data, size_t size) {
        const auto* bytes = static_cast<const uint8_t*>(data);
        out.insert(out.end(), bytes, bytes + size);
    };
    append(states, lanes * sizeof(uint32_t));
    append(words.data(), words.size() * sizeof(uint16_t));
    append(bits.data(), bits.size());
    return out;
}

PayloadReader::PayloadReader(std::span<const uint8_t> payload, Coding coding, uint64_t elements,
                             uint64_t row_length,
                             std::span<const std::shared_ptr<const Tables>> shared) {
    Fields fields(payload);
    const unsigned flags = fields.byte();
    const unsigned choice = flags >> lane_shift;
    if (choice > 3) throw CorruptPayload("payload: unknown flags");
    context = static_cast<Context>(flags & 3);
    if (context == Context::edge && coding != Coding::residual)
        throw CorruptPayload("payload: a context of another coding");
    lanes = lane_choices[choice];
    if (context != Context::none) {
        const unsigned low = fields.byte();
        level = static_cast<int16_t>(low | static_cast<unsigned>(fields.byte()) << 8);
        const bool still = level == still_level && context == Context::one;
        if (!still && (level > max_level || level < -max_level))
            throw CorruptPayload("payload: a level out of range");
    }
    if ((flags & inline_flag) != 0) {
        inline_tables_ = Tables::parse(fields.take(fields.varint()));
        tables = inline_tables_.get();
    } else {
        const uint64_t id = fields.varint();
        if (id >= shared.size()) throw CorruptPayload("payload: no such table");
        tables = shared[id].get();
    }
    if (tables->coding() != coding) throw CorruptPayload("payload: tables of another coding");
    uint64_t changes = 0;
    for (size_t i = 0; i < tables->class_starts().size(); ++i) {
        counts.push_back(fields.varint());
        if (counts.back() > elements - changes) throw CorruptPayload("payload: too many changes");
        changes += counts.back();
    }
    const uint64_t words = fields.varint();
    const uint64_t bit_bytes = fields.varint();
    const std::span<const uint8_t> states = fields.take(lanes * sizeof(uint32_t));
    if (words > fields.left() / 2 || fields.left() - 2 * words != bit_bytes)
        throw CorruptPayload("payload: lengths do not add up");
    std::memcpy(rans.states, states.data(), states.size());
    if (std::any_of(rans.states, rans.states + lanes, [](uint32_t x) { return x < rans_low; }))
        throw CorruptPayload("payload: a state out of range");

    // The streams are copied once, each with padding that a round may read into.
    const std::span<const uint8_t> streams = fields.take(fields.left());
    streams_.resize(streams.size() + 2 * stream_padding);
    const size_t word_bytes = 2 * words;
    std::memcpy(streams_.data(), streams.data(), word_bytes);
    uint8_t* bit_data = streams_.data() + word_bytes + stream_padding;
    if (bit_bytes > 0) std::memcpy(bit_data, streams.data() + word_bytes, bit_bytes);
    rans.words = streams_.data();
    rans.words_end = streams_.data() + word_bytes;
    rans.entries = tables->decode_entries();
    bits.data = bit_data;
    bits.end = bit_bytes * 8;
    if (has_rows(context)) read_levels(row_count(elements, row_length));
}

void PayloadReader::read_levels(uint64_t rows) {
    levels.resize(rows);
    int previous = level;
    for (int16_t& row : levels) {
        const unsigned token = next_token(row_context);
        if (token == still_row) {
            row = still_level;
            continue;
        }
        if (token != escape && token >= RowBins::tokens)
            throw CorruptPayload("payload: unknown token of a row");
        const int64_t step = RowBins::value(token, bits.get(RowBins::bits(token)));
        if (step == static_cast<int32_t>(still_step)) {
            row = still_level;
            continue;
        }
        const int64_t next = previous + step;
        if (next > max_level || next < -max_level)
            throw CorruptPayload("payload: a level out of range");
        previous = static_cast<int>(next);
        row = static_cast<int16_t>(next);
    }
    position = (position + lanes - 1) / lanes * lanes;
}

void PayloadReader::check_finished() {
    if (!rans.finished(lanes) || !bits.finished())
        throw CorruptPayload("payload: the streams do not end where they should");
}

}  // namespace sapwood
