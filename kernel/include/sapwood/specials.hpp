// Finds the token of a special value: at most 254 of them, by hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sapwood/tables.hpp"

namespace sapwood {

class SpecialLookup {
public:
    explicit SpecialLookup(const std::vector<Special>& specials) : any_(!specials.empty()) {
        for (const Special& special : specials) {
            size_t slot = hash(special.value);
            while (slots_[slot].used) slot = (slot + 1) % size;
            slots_[slot] = {special.value, special.token, true};
        }
    }
    // The token, or -1.
    int find(int64_t value) const {
        if (!any_) return -1;
        for (size_t slot = hash(value); slots_[slot].used; slot = (slot + 1) % size)
            if (slots_[slot].value == value) return slots_[slot].token;
        return -1;
    }

private:
    static constexpr size_t size = 1024;
    static size_t hash(int64_t value) {
        return (static_cast<uint64_t>(value) * 0x9E3779B97F4A7C15u) >> 54;
    }
    struct Slot {
        int64_t value;
        uint8_t token;
        bool used;
    };
    bool any_;
    Slot slots_[size] = {};
};

}  // namespace sapwood
