#include "sapwood/paths.hpp"

namespace sapwood {

#if SAPWOOD_X86

bool supported(Path path) {
    __builtin_cpu_init();
    switch (path) {
        case Path::scalar: return true;
        case Path::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
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

}  // namespace sapwood
