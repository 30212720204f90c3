#include <cstring>

#include <unroll/core/dest.h>

namespace unroll {

void write(const Dest& dest, const Array& x) {
  if (!dest.add && dest.into.same_place(x)) return;
  dispatch(x.dtype(), [&]<class T>(T) {
    const Index rows = x.rows(), cols = x.cols();
    for (Index r = 0; r < rows; ++r) {
      T* to = dest.into.raw<T>() + r * dest.into.stride();
      const T* from = x.raw<T>() + r * x.stride();
      if (dest.add) {
        for (Index c = 0; c < cols; ++c) to[c] += from[c];
      } else {
        std::memcpy(to, from, cols * sizeof(T));
      }
    }
  });
}

void write_row_sum(const Dest& dest, const Array& x) {
  dispatch(x.dtype(), [&]<class T>(T) {
    T* to = dest.into.raw<T>();
    const Index cols = x.cols();
    Index left = x.rows();
    if (left == 0) return dest.add ? void() : zero_fill(dest.into);
    if (!dest.add) std::memcpy(to, x.raw<T>() + --left * x.stride(), cols * sizeof(T));
    while (left-- > 0) {
      const T* from = x.raw<T>() + left * x.stride();
      for (Index c = 0; c < cols; ++c) to[c] += from[c];
    }
  });
}

void zero_fill(const Array& a) {
  dispatch(a.dtype(), [&]<class T>(T) {
    for (Index r = 0, rows = a.rows(); r < rows; ++r) std::fill_n(a.raw<T>() + r * a.stride(), a.cols(), T{0});
  });
}

}  // namespace unroll
