// Which gate each block of a parameter's columns is: what a cell says about itself so that weights of other frameworks
// can go into it and come out of it (layers/foreign.h). A cell of a user's own can say it too, with a member
//     CellGates gates() const;
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include <unroll/core/params.h>

namespace unroll {

/// What a cell computes. The equations decide, not the type: a cell written in another way has the same kind.
enum class CellKind {
  rnn,               ///< a' = g(x Wx + a Wh + b); no file says which g
  lstm,              ///< i, f, g, o with h' = o∘tanh(c'); it may have a recurrent projection or peepholes
  gru,               ///< resets before the product
  gru_reset_after,   ///< resets after the product
  without_likeness,  ///< known here only
};

enum class Gate { input, forget, candidate, output, update, reset };

/// What a parameter is multiplied with or added to.
enum class Role {
  input,           ///< x [B, I]:  [I, gates · H]
  recurrent,       ///< the last output [B, H], or [B, P] with a projection:  [H, gates · H] or [P, gates · H]
  bias,            ///< [gates · H]
  recurrent_bias,  ///< a second bias, beside the recurrent product; the reset gate multiplies the candidate's
  projection,      ///< from the memory's H units to P outputs:  [H, P]
  peephole,        ///< the memory, element by element:  [gates · H]
};

/// The columns of `param` belong to `gates` from left to right, the same number to each; a projection has none.
/// The update gate mixes as here, c' = u∘c̃ + (1−u)∘c.
struct GateColumns {
  Param param;
  Role role;
  std::vector<Gate> gates = {};
};

struct CellGates {
  CellKind kind;
  std::vector<GateColumns> columns;
};

/// Of layers on top of each other, each with one cell or with those of two directions, the forward one first.
using LayerGates = std::vector<std::vector<CellGates>>;

/// What a cell or a layer says about itself; nothing where it says nothing.
template <class L>
std::optional<LayerGates> gates_of(const L& layer) {
  if constexpr (requires {
                  { layer.gates() } -> std::same_as<CellGates>;
                }) {
    return LayerGates{{layer.gates()}};
  } else if constexpr (requires {
                         { layer.gates() } -> std::same_as<std::optional<LayerGates>>;
                       }) {
    return layer.gates();
  } else {
    return std::nullopt;
  }
}

}  // namespace unroll
