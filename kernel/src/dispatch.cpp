#include "sapwood/paths.hpp"

#if SAPWOOD_X86
#include <cpuid.h>
#endif

namespace sapwood {

#if SAPWOOD_X86

// Not every clang knows the name in __builtin_cpu_supports.
static bool converts_halves() {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool supported(Path path) {
    __builtin_cpu_init();
    switch (path) {
        case Path::scalar: return true;
        case Path::avx2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                   __builtin_cpu_supports("fma") && converts_halves();
        case Path::avx512:
            return supported(Path::avx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
    }
    return false;
}

static const PathFunctions* functions(Path path) {
    if (path == Path::avx512) return &avx512_path();
    if (path == Path::avx2) return &avx2_path();
    return nullptr;
}

#else

bool supported(Path path) { return path == Path::scalar; }

static const PathFunctions* functions(Path) { return nullptr; }

#endif

Path best_path() {
    static const Path best = supported(Path::avx512) ? Path::avx512
                             : supported(Path::avx2) ? Path::avx2
                                                     : Path::scalar;
    return best;
}

DenseFunction dense_function(Path path, Type type, unsigned lanes) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->dense(type, lanes);
}

SparseFunction sparse_function(Path path, Type type) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->sparse(type);
}

SymbolFunction symbol_function(Path path, Type type) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->symbols(type);
}

RansFunction rans_function(Path path) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->rans;
}

BlendFunction blend_function(Path path, Type type) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->blend(type);
}

ProductFunction product_function(Path path, Type type, bool narrow) {
    const PathFunctions* path_functions = functions(path);
    return path_functions == nullptr ? nullptr : path_functions->product(type, narrow);
}

}  // namespace sapwood
