// What a range whose elements are made one by one needs.
#pragma once

#include <cstddef>
#include <iterator>

#include <unroll/core/ids.h>

namespace unroll {

/// Walks over `range[0]`, `range[1]` …, each of them a `Value` that is made when it is asked for.
template <class Range, class Value>
class MadeIterator {
 public:
  using value_type = Value;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::forward_iterator_tag;

  MadeIterator() = default;
  MadeIterator(const Range& range, Index at) : range_(&range), at_(at) {}
  Value operator*() const { return (*range_)[at_]; }
  MadeIterator& operator++() { return ++at_, *this; }
  MadeIterator operator++(int) {
    MadeIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const MadeIterator&) const = default;

 private:
  const Range* range_ = nullptr;
  Index at_ = 0;
};

}  // namespace unroll
