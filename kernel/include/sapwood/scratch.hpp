// Memory that an encoder needs for a moment, kept by its thread: fresh pages would
// cost as much as encoding. It grows to what the largest chunk took, a few times
// the chunk's size, and goes with the thread.
#pragma once

#include <cstddef>
#include <memory>

namespace sapwood {

// Room for `count` values of T, uninitialised. The next call for the same T and
// Purpose on this thread takes it back.
template <class T, class Purpose>
T* scratch(size_t count) {
    thread_local std::unique_ptr<T[]> memory;
    thread_local size_t size = 0;
    if (count > size) {
        memory.reset();
        size = 0;
        memory = std::make_unique_for_overwrite<T[]>(count);
        size = count;
    }
    return memory.get();
}

}  // namespace sapwood
