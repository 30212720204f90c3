// Where another framework keeps the numbers of our parameters. layers/foreign.h has these places for PyTorch and Keras;
// whoever reads a further format describes its places here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <unroll/core/grads.h>
#include <unroll/layers/gates.h>

namespace unroll {

using Arrays = std::map<std::string, Array>;

/// Columns first … first + count − 1 of `param` are `sign` times the numbers of `tensor`:
///   param[i, first + k] = sign · tensor[start + i · per_row + k · per_column]
/// A second link to the same columns adds to them.
struct Link {
  Param param;
  Index first, count;
  std::string tensor;
  Index start, per_row, per_column;
  double sign = 1;
};

/// Our parameters in another framework's tensors.
struct ForeignLayout {
  std::map<std::string, Shape> tensors;  ///< all of theirs
  std::vector<Link> links;
  std::vector<Param> zero;  ///< parameters that the framework does not have and takes for zero

  /// The whole of `param` under its own shape, or a matrix under the transposed one.
  void add(const std::string& tensor, const Param& param, bool transposed = false);
  /// Errors: UsageError for a tensor or a parameter that is in both.
  void add(const ForeignLayout& other);
};

/// The numbers of (gate, input, unit) lie in `tensor` at start + gate · per_gate + input · per_input + unit · per_unit.
struct GatePlaces {
  std::string tensor;
  Index start, per_gate, per_input, per_unit;
};

/// Gates from place 0 on; an empty one belongs to nothing of ours.
using GateOrder = std::vector<std::optional<Gate>>;

/// A cell's weights in another framework, whose gates are in the order `gates`. Its update gate is z = 1 − u, so that
/// what makes z has the other sign.
struct CellPlaces {
  GateOrder gates;
  GatePlaces input, recurrent;
  std::vector<GatePlaces> biases;  ///< none, one, or the input's and the recurrent product's
};

/// The links of all parameters but peepholes and projections. A gate with one bias here and two there has their sum.
/// Without theirs, our biases are zero. Errors: UsageError if the cell lacks a gate that they have.
ForeignLayout cell_layout(const CellGates& cell, const CellPlaces& theirs);

/// The units H of a cell. Errors: UsageError if its columns do not agree about it.
Index hidden_of(const CellGates& cell);

/// Sets the parameters to the numbers of the arrays; f32 becomes f64 exactly, f64 the nearest f32.
/// Errors: FileError that lists each tensor of the layout that is missing or has another shape and each array that the
/// layout does not know, with the nearest name on the other side (of up to 1000); then no parameter was changed.
/// `caller` begins it.
void load_foreign(const char* caller, const Arrays& theirs, const ForeignLayout& layout);

/// The parameters as their tensors. Where several places make one number of ours, the first holds it and the others are
/// zero. Errors: UsageError if a parameter that the framework does not have is not zero.
Arrays to_foreign(const ForeignLayout& layout);

/// The derivatives by their tensors; zero where there is none. Each of two added biases has the derivative of the sum.
Arrays to_foreign(const ForeignLayout& layout, const Grads& grads);

}  // namespace unroll
