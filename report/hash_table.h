// A hash table for millions of small counts.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// From keys that are already good 64-bit hashes, and not 0, to values; open addressing with linear probing in one
/// array, a third of std::unordered_map's memory. Nothing is ever removed.
template <class Value>
class HashTable {
 public:
  Index size() const { return size_; }

  /// The value of a key, or nullptr.
  const Value* find(std::uint64_t key) const {
    const Slot& slot = slots_[position(key)];
    return slot.key == key ? &slot.value : nullptr;
  }

  /// The value of a key, made as `Value{}` if it was not there. The reference is good until the next call.
  Value& operator[](std::uint64_t key) {
    Index i = position(key);
    if (slots_[i].key == key) return slots_[i].value;
    if (4 * (size_ + 1) > 3 * slots_.size()) {
      grow();
      i = position(key);
    }
    ++size_;
    slots_[i].key = key;
    return slots_[i].value;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Value value{};
  };

  /// Where the key is, or the empty slot where it belongs.
  Index position(std::uint64_t key) const {
    Index i = key & (slots_.size() - 1);
    while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != 0) slots_[position(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);  // always a power of two
  Index size_ = 0;
};

}  // namespace unroll
