#pragma once

// Golden vectors G1-G7: one small run of every cell, with the norms of its gradients.
// Made by make_golden_vectors.py (complex-step derivatives); do not edit.
//
//   Two inputs, three units, T = 4 steps, batch 1, zero start.
//   Input:       x_t[i] = cos(2t + i), t = 0 ... 3.
//   Parameters:  block number m, flat and row-major, element k: 0.5 sin(10m + k + 1).
//   Weights are [3, 5] and act on the column [a_prev, x] (three then two). Blocks, in order:
//     RNN   Wa(0) ba(1)
//     GRU   Wc(0) bc(1) Wu(2) bu(3) Wr(4) br(5); the simplified one ends at bu
//     LSTM  Wc(0) bc(1) Wu(2) bu(3) Wf(4) bf(5) Wo(6) bo(7), peepholes pu(8) pf(9) po(10)
//   Loss:        L = sum over t and i of (i + 1) a_t[i], i from 0.
//
//   G1  a = tanh(Wa [a, x] + ba)
//   G2  c = u * tanh(Wc [c, x] + bc) + (1 - u) * c,         u = sigmoid(Wu [c, x] + bu), a = c
//   G3  c = u * tanh(Wc [r * c, x] + bc) + (1 - u) * c,     r = sigmoid(Wr [c, x] + br)
//   G4  c = u * tanh(Wcx x + bc + r * (Wcc c)) + (1 - u) * c, Wc = [Wcc, Wcx]; no bias inside the reset product
//   G5  c = u * tanh(Wc [a, x] + bc) + f * c, a = o * c;    u, f, o = sigmoid(W [a, x] + b)
//   G6  as G5 with a = o * tanh(c)
//   G7  as G6 with pu * c in u, pf * c in f (the old c) and po * c in o (the new c)

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace unroll::golden {

struct Vector {
  std::string_view id, cell;
  double loss;                             // L
  std::array<double, 3> a;                 // a_T
  std::optional<std::array<double, 3>> c;  // c_T, of the LSTMs
  std::size_t blocks;                      // how many parameter blocks there are
  std::array<double, 11> norms;            // of dL/d(block), in block order; zero from `blocks` on
};

inline constexpr std::array<Vector, 7> vectors{{
    {"G1",
     "RNN, tanh",
     2.68820363329153,
     {-0.895217145529505, -0.250948972141362, 0.822474080266683},
     std::nullopt,
     2,
     {{7.99779030740141, 13.82312229791}}},
    {"G2",
     "GRU, simplified",
     1.60129854399358,
     {-0.455494182209141, -0.209553175852726, 0.552550196708726},
     std::nullopt,
     4,
     {{4.17681790328858, 11.6395092799455, 2.53166390903081, 0.885497791178454}}},
    {"G3",
     "GRU, reset before",
     0.790058132040853,
     {-0.447414529093863, -0.252811744501906, 0.506481240549402},
     std::nullopt,
     6,
     {{2.58136263375384, 10.7448634427958, 2.4370506625284, 0.840374167945331, 0.282375795335369, 0.288596837420307}}},
    {"G4",
     "GRU, reset after",
     0.858670307367184,
     {-0.448447594087597, -0.253096060963362, 0.498020173775655},
     std::nullopt,
     6,
     {{2.79136847869505, 11.0428923024086, 2.39553566463928, 0.805623024245089, 0.291475042882651, 0.332415103276455}}},
    {"G5",
     "LSTM, a = o * c",
     -0.233324064521632,
     {-0.363329355134211, -0.136083191056883, 0.142184101024743},
     {{-0.455901027830235, -0.226825629419662, 0.557651753913102}},
     8,
     {{1.3555392950318, 5.78991386467733, 0.890752752755538, 0.761705361130761, 0.308488531673915, 0.450577993583254,
       0.652630429075538, 1.07826719803825}}},
    {"G6",
     "LSTM, a = o * tanh(c)",
     -0.271928804465419,
     {-0.340027954898943, -0.134808184890374, 0.129049822899418},
     {{-0.456090025207162, -0.228649445159461, 0.556333364952833}},
     8,
     {{1.32224669791319, 5.40809550655828, 0.780192850176302, 0.671877049463561, 0.295828242474002, 0.418178831213577,
       0.589221581146581, 1.00997835248118}}},
    {"G7",
     "LSTM with peepholes",
     -0.207371703131074,
     {-0.342665497630638, -0.131767532675672, 0.146491572167536},
     {{-0.473043178112574, -0.234782717956391, 0.554262899178183}},
     11,
     {{1.46802835775659, 5.48454352304508, 0.796411371363507, 0.663979520761203, 0.328348039137872, 0.438347230485905,
       0.67049603498336, 1.01010737245781, 0.0573402097842485, 0.161065601513261, 0.39647576441756}}},
}};

}  // namespace unroll::golden
