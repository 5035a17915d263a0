// Python's view of the kernel: checks sizes, drops the GIL, translates errors.
// The only place that knows Python.h. Mirrored by src/sapwood/_kernel.pyi.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "sapwood/blend.hpp"
#include "sapwood/codec.hpp"
#include "sapwood/match.hpp"
#include "sapwood/measure.hpp"
#include "sapwood/tables.hpp"

namespace nb = nanobind;
using namespace sapwood;
using namespace nb::literals;

namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using MutableBytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using LevelArray = nb::ndarray<const int16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using FactorArray = nb::ndarray<const int32_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Counts =
    nb::ndarray<const uint32_t, nb::shape<contexts, 256>, nb::c_contig, nb::device::cpu>;
using SpecialList = std::vector<std::tuple<int, int64_t>>;  // token, value
using TablesPtr = std::shared_ptr<const Tables>;
using Edges = std::optional<Bytes>;  // a byte an element

std::span<const uint8_t> span(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

uint64_t element_size(Type type) {
    return with_element(type, [](auto element) { return sizeof(typename decltype(element)::uint); });
}

Type type_of(int code) {
    if (code < 0 || code > static_cast<int>(Type::bytes)) throw nb::value_error("unknown type code");
    return static_cast<Type>(code);
}

// Elements in `size` bytes; the buffers must agree.
uint64_t elements_of(Type type, size_t size, size_t other) {
    if (size != other || size % element_size(type) != 0)
        throw nb::value_error("buffers of different or fractional length");
    return size / element_size(type);
}

void check_rows(uint64_t elements, uint64_t row_length, Context context, size_t levels) {
    if (row_length == 0) throw nb::value_error("rows of no elements");
    const uint64_t expected = context == Context::none  ? 0
                              : context == Context::one ? 1
                                                        : row_count(elements, row_length);
    if (levels != expected) throw nb::value_error("a level is missing or too many");
}

Path path_of(int code) {
    if (code < 0) return best_path();
    const Path path = static_cast<Path>(code);
    if (code > 2 || !supported(path)) throw nb::value_error("this processor lacks that path");
    return path;
}

std::vector<Special> to_specials(const SpecialList& specials) {
    if (specials.size() > still_row) throw nb::value_error("more special values than tokens");
    std::vector<Special> out;
    for (const auto& [token, value] : specials) {
        if (token < 0 || token > 255) throw nb::value_error("a token past 255");
        out.push_back({static_cast<uint8_t>(token), value});
    }
    return out;
}

// Elements of one chunk; sparse codings count in 32 bits.
constexpr uint64_t max_elements = UINT32_MAX;

uint64_t chunk_elements(Type type, size_t size, size_t other) {
    const uint64_t elements = elements_of(type, size, other);
    if (elements > max_elements) throw nb::value_error("a chunk of 2^32 elements or more");
    return elements;
}

// Null where there are none.
const uint8_t* edge_data(const Edges& edges, uint64_t elements) {
    if (!edges) return nullptr;
    if (edges->size() != elements) throw nb::value_error("edges: not one byte an element");
    // An empty array may have no address.
    static const uint8_t nothing = 0;
    return elements == 0 ? &nothing : edges->data();
}

// An encoder would write what every decoder refuses.
void check_levels(const LevelArray& levels) {
    for (size_t i = 0; i < levels.size(); ++i) {
        const int level = levels.data()[i];
        if (level != still_level && (level > max_level || level < -max_level))
            throw nb::value_error("a level out of range");
    }
}

void check_coding(const Tables& tables, Coding coding) {
    if (tables.coding() != coding) throw nb::value_error("tables of another coding");
}

void check_specials(Type type, const Tables& tables) {
    const unsigned bins = with_element(
        type, [](auto element) { return ResidualBins<decltype(element)::width>::tokens; });
    if (tables.first_special() < bins)
        throw nb::value_error("a special value in place of a bin of this type");
}

// A vector takes None for a null pointer.
void check_shared(const std::vector<TablesPtr>& shared) {
    for (const TablesPtr& tables : shared)
        if (tables == nullptr) throw nb::value_error("None in place of tables");
}

template <class From, class To>
bool overlap(const From& from, const To& to) {
    const auto a = reinterpret_cast<uintptr_t>(from.data());
    const auto b = reinterpret_cast<uintptr_t>(to.data());
    return a < b + to.size() && b < a + from.size();
}

// Decoding reads the base as it writes: in step is fine, out of step is not.
void check_overlap(const Bytes& base, const MutableBytes& out) {
    if (base.data() != out.data() && overlap(base, out))
        throw nb::value_error("out overlaps base but does not start where it does");
}

void check_apart(const Edges& edges, const MutableBytes& out) {
    if (!edges) return;
    const auto from = reinterpret_cast<uintptr_t>(edges->data());
    const auto to = reinterpret_cast<uintptr_t>(out.data());
    if (from < to + out.size() && to < from + edges->size())
        throw nb::value_error("out overlaps edges");
}

// Arrays come as they are: a silent copy would cost memory, and one of `out` the result.
auto in(const char* name) { return nb::arg(name).noconvert(); }

nb::bytes to_bytes(const std::vector<uint8_t>& data) {
    return nb::bytes(data.data(), data.size());
}

template <class T, class... Shape>
auto to_array(std::vector<T> values, Shape... shape) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::ndarray<nb::numpy, T>(kept->data(), {static_cast<size_t>(shape)...}, owner);
}

// `Given`: Edges, for the coding that takes them, or nothing.
template <Coding Kind, auto Encode, class... Given>
nb::bytes encode(int code, Bytes base, Bytes target, uint64_t row_length, int context,
                 LevelArray levels, const TablesPtr& tables, int table, int path,
                 const Given&... edges) {
    const Path chosen = path_of(path);
    const Type type = type_of(code);
    const uint64_t elements = chunk_elements(type, target.size(), base.size());
    if (context < 0 || context > 3) throw nb::value_error("unknown context");
    if ((context == static_cast<int>(Context::edge)) != (edges.has_value() || ... || false))
        throw nb::value_error("context 3 takes edges, and nothing else does");
    check_rows(elements, row_length, static_cast<Context>(context), levels.size());
    check_levels(levels);
    check_coding(*tables, Kind);
    check_specials(type, *tables);
    const Levels given{static_cast<Context>(context), {levels.data(), levels.size()},
                       edge_data(edges, elements)...};
    std::vector<uint8_t> out;
    {
        nb::gil_scoped_release release;
        out = Encode(type, base.data(), target.data(), elements, row_length, given, *tables, table,
                     chosen);
    }
    return to_bytes(out);
}

template <auto Decode, class... Given>
void decode(int code, Bytes payload, Bytes base, MutableBytes out, uint64_t row_length,
            const std::vector<TablesPtr>& shared, int path, const Given&... edges) {
    const Type type = type_of(code);
    const uint64_t elements = chunk_elements(type, out.size(), base.size());
    if (row_length == 0) throw nb::value_error("rows of no elements");
    check_overlap(base, out);
    check_shared(shared);
    (check_apart(edges, out), ...);
    const Path chosen = path_of(path);
    nb::gil_scoped_release release;
    Decode(type, span(payload), base.data(), out.data(), elements, row_length, shared, chosen,
           edge_data(edges, elements)...);
}

Factors* make_factors(void* at, const FactorArray& left, const FactorArray& right, int exponent) {
    if (left.shape(0) != right.shape(0) || left.shape(2) != right.shape(1))
        throw nb::value_error("factors of different matrices or ranks");
    const uint64_t matrices = left.shape(0), rows = left.shape(1), rank = left.shape(2);
    nb::gil_scoped_release release;
    return new (at) Factors(left.data(), right.data(), matrices, rows, rank, right.shape(2), exponent);
}

void check_blend(Type type, const Blend& blend, uint64_t first, uint64_t elements) {
    if (!can_blend(type)) throw nb::value_error("predictions are of bf16, f16 or f32");
    if (blend.terms.size() != blend.coefficients.size())
        throw nb::value_error("a coefficient is missing or too many");
    for (const double value : blend.coefficients)
        if (!is_coefficient(type, value))
            throw nb::value_error("a coefficient is not finite or needs more bits");
    if (blend.terms.empty() && blend.factors == nullptr)
        throw nb::value_error("neither terms nor factors");
    if (blend.factors == nullptr) return;
    const uint64_t all = blend.factors->elements();
    if (first > all || elements > all - first)
        throw nb::value_error("elements past the factors' tensor");
}

void predict_into(int code, const std::vector<Bytes>& terms, const std::vector<double>& coefficients,
                  const Factors* factors, uint64_t first, bool each, MutableBytes out,
                  const std::optional<MutableBytes>& edges, int path) {
    const Path chosen = path_of(path);
    const Type type = type_of(code);
    const uint64_t elements = elements_of(type, out.size(), out.size());
    std::vector<const uint8_t*> starts;
    for (const Bytes& term : terms) {
        elements_of(type, out.size(), term.size());
        check_overlap(term, out);
        starts.push_back(term.data());
        if (edges && overlap(term, *edges)) throw nb::value_error("edges overlap a term");
    }
    if (edges && edges->size() != elements) throw nb::value_error("edges of another length");
    if (edges && overlap(out, *edges)) throw nb::value_error("edges overlap out");
    const Blend blend{starts, coefficients, each, factors};
    check_blend(type, blend, first, elements);
    uint8_t* marks = edges ? edges->data() : nullptr;
    nb::gil_scoped_release release;
    predict(type, blend, first, elements, out.data(), marks, chosen);
}

}  // namespace

NB_MODULE(_kernel, m) {
    static nb::exception<CorruptPayload> corrupt(m, "CorruptPayload", PyExc_ValueError);

    nb::class_<Tables>(m, "Tables")
        .def_static(
            "build",
            [](int coding, Counts counts, const SpecialList& specials,
               const std::vector<uint8_t>& class_starts, uint16_t first_exponent) {
                if (coding < 0 || coding > 2) throw nb::value_error("unknown coding");
                return std::make_shared<const Tables>(
                    static_cast<Coding>(coding), normalised({counts.data(), counts.size()}),
                    to_specials(specials), class_starts, first_exponent);
            },
            "coding"_a, in("counts"), "specials"_a, "class_starts"_a, "first_exponent"_a)
        .def_static("parse", [](Bytes bytes) { return Tables::parse(span(bytes)); }, in("data"))
        .def("serialised", [](const Tables& tables) { return to_bytes(tables.serialised()); })
        .def_prop_ro("coding",
                     [](const Tables& tables) { return static_cast<int>(tables.coding()); })
        .def_prop_ro("frequencies", [](const Tables& tables) {
            std::vector<uint16_t> flat;
            for (const auto& context : tables.frequencies())
                flat.insert(flat.end(), context.begin(), context.end());
            return to_array(std::move(flat), contexts, 256);
        }, nb::rv_policy::move);

    m.def("encode_residual", &encode<Coding::residual, encode_residual, Edges>, "code"_a,
          in("base"), in("target"), "row_length"_a, "context"_a, in("levels"), "tables"_a,
          "table"_a, "path"_a = -1, in("edges") = nb::none());
    m.def("encode_sparse", &encode<Coding::sparse, encode_sparse>, "code"_a, in("base"), in("target"),
          "row_length"_a, "context"_a, in("levels"), "tables"_a, "table"_a, "path"_a = -1);
    m.def("decode_residual", &decode<decode_residual, Edges>, "code"_a, in("payload"), in("base"),
          in("out"), "row_length"_a, "shared"_a, "path"_a, in("edges") = nb::none());
    m.def("decode_sparse", &decode<decode_sparse>, "code"_a, in("payload"), in("base"), in("out"),
          "row_length"_a, "shared"_a, "path"_a);
    m.def("encode_value", [](int code, Bytes target, const TablesPtr& tables, int table, int path) {
        const Path chosen = path_of(path);
        const Type type = type_of(code);
        const uint64_t elements = chunk_elements(type, target.size(), target.size());
        check_coding(*tables, Coding::value);
        std::vector<uint8_t> out;
        {
            nb::gil_scoped_release release;
            out = encode_value(type, target.data(), elements, *tables, table, chosen);
        }
        return to_bytes(out);
    }, "code"_a, in("target"), "tables"_a, "table"_a, "path"_a = -1);
    m.def("decode_value", [](int code, Bytes payload, MutableBytes out,
                             const std::vector<TablesPtr>& shared) {
        const Type type = type_of(code);
        const uint64_t elements = chunk_elements(type, out.size(), out.size());
        check_shared(shared);
        nb::gil_scoped_release release;
        decode_value(type, span(payload), out.data(), elements, shared);
    }, "code"_a, in("payload"), in("out"), "shared"_a);

    m.def("row_levels", [](int code, Bytes base, Bytes target, uint64_t row_length, int slack) {
        const Type type = type_of(code);
        const uint64_t elements = elements_of(type, target.size(), base.size());
        if (row_length == 0) throw nb::value_error("rows of no elements");
        std::vector<int16_t> out;
        {
            nb::gil_scoped_release release;
            out = row_levels(type, base.data(), target.data(), elements, row_length, slack);
        }
        const size_t rows = out.size();
        return to_array(std::move(out), rows);
    }, "code"_a, in("base"), in("target"), "row_length"_a, "slack"_a = 0);
    m.def("residual_counts",
          [](int code, Bytes base, Bytes target, uint64_t row_length, LevelArray levels,
             const SpecialList& specials, int path, const Edges& edges) {
              const Path chosen = path_of(path);
              const Type type = type_of(code);
              const uint64_t elements = elements_of(type, target.size(), base.size());
              check_rows(elements, row_length,
                         levels.size() == 1 ? Context::one : Context::row, levels.size());
              const std::vector<Special> values = to_specials(specials);
              const uint8_t* const hints = edge_data(edges, elements);
              std::vector<uint32_t> out;
              {
                  nb::gil_scoped_release release;
                  out = residual_counts(type, base.data(), target.data(), elements, row_length,
                                        {levels.data(), levels.size()}, values, chosen, hints);
              }
              return to_array(std::move(out), measured_contexts, 256);
          },
          "code"_a, in("base"), in("target"), "row_length"_a, in("levels"), "specials"_a,
          "path"_a = -1, in("edges") = nb::none());
    m.def("exponent_counts", [](int code, Bytes target) {
        const Type type = type_of(code);
        const uint64_t elements = elements_of(type, target.size(), target.size());
        std::vector<uint32_t> out;
        {
            nb::gil_scoped_release release;
            out = exponent_counts(type, target.data(), elements);
        }
        const size_t fields = out.size();
        return to_array(std::move(out), fields);
    }, "code"_a, in("target"));
    m.def("residuals", [](int code, Bytes base, Bytes target) {
        const Type type = type_of(code);
        const uint64_t elements = elements_of(type, target.size(), base.size());
        std::vector<int64_t> out;
        {
            nb::gil_scoped_release release;
            out = residuals(type, base.data(), target.data(), elements);
        }
        return to_array(std::move(out), elements);
    }, "code"_a, in("base"), in("target"));

    nb::class_<MatchIndex>(m, "MatchIndex")
        .def("__init__",
             [](MatchIndex* self, Bytes base, uint32_t block, size_t max_bytes) {
                 nb::gil_scoped_release release;
                 new (self) MatchIndex(span(base), block, max_bytes);
             },
             in("base"), "block"_a, "max_bytes"_a, nb::keep_alive<1, 2>())
        .def("find",
             [](const MatchIndex& index, Bytes target, uint64_t begin, uint64_t end) {
                 if (begin > end || end > target.size()) throw nb::value_error("range past target");
                 std::vector<Copy> found;
                 {
                     nb::gil_scoped_release release;
                     index.find(span(target), begin, end, found);
                 }
                 std::vector<uint64_t> flat;
                 flat.reserve(found.size() * 3);
                 for (const Copy& copy : found)
                     flat.insert(flat.end(), {copy.target_offset, copy.base_offset, copy.length});
                 const size_t rows = found.size();
                 return to_array(std::move(flat), rows, 3);
             },
             in("target"), "begin"_a, "end"_a)
        .def_prop_ro("memory", &MatchIndex::memory);

    nb::class_<Factors>(m, "Factors")
        .def("__init__",
             [](Factors* self, FactorArray left, FactorArray right, int exponent) {
                 make_factors(self, left, right, exponent);
             },
             in("left"), in("right"), "exponent"_a)
        .def_prop_ro("matrices", &Factors::matrices)
        .def_prop_ro("rows", &Factors::rows)
        .def_prop_ro("columns", &Factors::columns)
        .def_prop_ro("rank", &Factors::rank)
        .def_prop_ro("memory", &Factors::memory);
    m.def("predict", &predict_into, "code"_a, in("terms"), "coefficients"_a, "factors"_a.none(),
          "first"_a, "each"_a, in("out"), in("edges").none() = nb::none(), "path"_a = -1);

    // 0 scalar, 1 AVX2, 2 AVX-512.
    m.def("paths", [] {
        std::vector<int> out;
        for (int path = 0; path <= 2; ++path)
            if (supported(static_cast<Path>(path))) out.push_back(path);
        return out;
    });
}
