// Tables of wrong calls and what they say.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include <unroll/core/tensor.h>

namespace unroll::testing {

struct WrongCall {
  std::function<void()> call;
  std::string message;
};

template <class E>
void check_messages(const std::vector<WrongCall>& calls) {
  for (const auto& [call, message] : calls) CHECK_THROWS_WITH_AS(call(), message.c_str(), E);
}

inline Tensor zeros(const Shape& shape, Dtype dtype = f32) { return Tensor::zeros(shape, dtype); }

}  // namespace unroll::testing
