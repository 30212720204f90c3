#pragma once

// Reference values from textbook formulas, each correctly rounded to the nearest double.
// Made by make_hand_values.py (rationals and 60-digit decimals); do not edit.
// A constant such as 0.9 is the double nearest to it.

#include <array>

// clang-format off
namespace unroll::golden {

// ln 2, ln 10000 (the loss of a uniform guess among 10,000 words)
inline constexpr double ln_2 = 0.6931471805599453;
inline constexpr double ln_10000 = 9.210340371976184;

// 0.9^100 and 1.1^100: a gradient after a hundred steps of a linear recurrence
inline constexpr double pow_0_9_100 = 2.6561398887587544e-05;
inline constexpr double pow_1_1_100 = 13780.61233982238;

// logsumexp(z) = ln(sum e^z_k); softmax_k = e^(z_k - logsumexp); the cross-entropy of target k is logsumexp - z_k.
// Its gradient is softmax - one_hot(k).
struct Logits {
  std::array<double, 4> z;
  double logsumexp;
  std::array<double, 4> softmax;
  std::array<double, 4> cross_entropy;  // element k: the loss when the target is k
};

inline constexpr std::array<Logits, 7> logits{{
    {{0.5, -1.0, 2.0, 0.0},
     2.342349582389822,
     {0.15844470951497971, 0.03535379340874887, 0.7100999228861742, 0.09610157419009721},
     {1.8423495823898222, 3.342349582389822, 0.3423495823898221, 2.342349582389822}},
    {{10000.0, 10000.0, 10000.0, 10000.0},
     10001.38629436112,
     {0.25, 0.25, 0.25, 0.25},
     {1.3862943611198906, 1.3862943611198906, 1.3862943611198906, 1.3862943611198906}},
    {{-10000.0, -10000.0, -10000.0, -10000.0},
     -9998.61370563888,
     {0.25, 0.25, 0.25, 0.25},
     {1.3862943611198906, 1.3862943611198906, 1.3862943611198906, 1.3862943611198906}},
    {{10000.0, -10000.0, 10000.0, -10000.0},
     10000.69314718056,
     {0.5, 0.0, 0.5, 0.0},
     {0.6931471805599453, 20000.69314718056, 0.6931471805599453, 20000.69314718056}},
    {{-10000.0, -10000.0, 10000.0, 0.0},
     10000.0,
     {0.0, 0.0, 1.0, 0.0},
     {20000.0, 20000.0, 0.0, 10000.0}},
    {{10000.0, 9999.0, 9997.0, -10000.0},
     10000.349012216768,
     {0.7053845126982412, 0.25949646034241913, 0.03511902695933972, 0.0},
     {0.3490122167681864, 1.3490122167681864, 3.349012216768186, 20000.349012216768}},
    {{-10000.0, -9999.0, -9997.0, 10.0},
     10.0,
     {0.0, 0.0, 0.0, 1.0},
     {10010.0, 10009.0, 10007.0, 0.0}},
}};

// Binary cross-entropy from a logit x and a target y: ln(1 + e^x) - x y, with derivative sigmoid(x) - y.
struct BinaryCrossEntropy {
  double logit, target, loss, gradient;
};

inline constexpr std::array<BinaryCrossEntropy, 11> binary_cross_entropy{{
    {0.0, 0.0, 0.6931471805599453, 0.5},
    {0.0, 1.0, 0.6931471805599453, -0.5},
    {0.0, 0.25, 0.6931471805599453, 0.25},
    {50.0, 0.0, 50.0, 1.0},
    {50.0, 1.0, 1.9287498479639178e-22, -1.9287498479639178e-22},
    {-50.0, 0.0, 1.9287498479639178e-22, 1.9287498479639178e-22},
    {-50.0, 1.0, 50.0, -1.0},
    {10000.0, 0.0, 10000.0, 1.0},
    {10000.0, 1.0, 0.0, -0.0},
    {-10000.0, 1.0, 10000.0, -1.0},
    {0.5, 0.75, 0.5990769841801067, -0.12754066879814543},
}};

// Gradient descent on f(w) = a w^2 / 2: w_k = w_0 (1 - rate a)^k.
// One run shrinks, one swings and shrinks, one swings slowly.
struct SgdQuadratic {
  double rate, curvature, start;
  std::array<double, 5> w;  // after sgd_steps
};

inline constexpr std::array<int, 5> sgd_steps{1, 2, 3, 10, 50};
inline constexpr std::array<SgdQuadratic, 3> sgd_quadratic{{
    {0.1, 2.0, 1.5,
     {1.2, 0.96, 0.768, 0.16106127359999997, 2.1408715390589384e-05}},
    {0.1, 12.0, 1.5,
     {-0.3000000000000001, 0.06000000000000004, -0.012000000000000012, 1.536000000000005e-07, 1.688849860263964e-35}},
    {0.1, 19.0, -1.0,
     {0.9000000000000001, -0.8100000000000002, 0.7290000000000002, -0.34867844010000043, -0.005153775207320144}},
}};

// The parameter after each of the first three steps on f(w) = 3 (w - 0.25)^2 / 2 from w = 2, so g = 3 (w - 0.25).
// rate = 0.1; decay is 0.01 where named.

// Momentum (mu = 0.9):  v = mu v + g,  w -= rate v.  With weight decay g is g + decay w.
inline constexpr std::array<double, 3> sgd_momentum{1.4749999999999999, 0.6349999999999999, -0.23650000000000013};
inline constexpr std::array<double, 3> sgd_momentum_decay{1.4729999999999999, 0.630327, -0.24280712700000012};

// RMSprop (alpha = 0.99, eps = 1e-08):  s = alpha s + (1 - alpha) g^2,  w -= rate g / (sqrt(s) + eps).
inline constexpr std::array<double, 3> rmsprop{1.000000019047619, 0.6044061314637584, 0.4197603684733098};
inline constexpr std::array<double, 3> rmsprop_decay{1.0000000189753322, 0.6041951029040055, 0.4193400123746953};

// Adam (b1 = 0.9, b2 = 0.999, eps = 1e-08), at step k from 1:  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
// w -= rate (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps).  With weight decay g is g + decay w.
inline constexpr std::array<double, 3> adam{1.9000000001904762, 1.8001964896152032, 1.7007383999526504};
inline constexpr std::array<double, 3> adam_decay{1.9000000001897532, 1.8001963726545103, 1.7007379501559887};

// AdamW: w -= rate decay w first, then Adam's step with the plain g.
inline constexpr std::array<double, 3> adamw{1.8980000001904762, 1.796303442219503, 1.6950628085727688};

// The equations of the others stand in the headers of optim/. The options that are not the defaults of PyTorch, or of
// the paper, are named.
inline constexpr std::array<double, 3> sgd_dampened{1.4749999999999999, 0.7268749999999999, -0.053734375000000126};  // momentum 0.9, dampening 0.25
inline constexpr std::array<double, 3> sgd_nesterov{1.0025, 0.1483249999999999, -0.3593027500000001};  // momentum 0.9
inline constexpr std::array<double, 5> asgd{1.373, 0.9806982338566019, 0.7300463338942931, 0.5668367411462184, 0.45871959627044934};  // lambda 0.5, t0 1, decay
inline constexpr std::array<double, 5> asgd_average{1.373, 0.9806982338566019, 0.7300463338942931, 0.6484415375202558, 0.585200890436987};
inline constexpr std::array<double, 3> adagrad{1.9000000000019048, 1.8313987131339133, 1.7764606196203256};
inline constexpr std::array<double, 3> adagrad_decays{1.9004470630838775, 1.8548141881666125, 1.8271105796470875};  // rate_decay 0.5, accumulator 0.25, decay
inline constexpr std::array<double, 3> adadelta{1.9968377229134873, 1.9935960761444063, 1.990301933153137};  // rate 1
inline constexpr std::array<double, 3> adadelta_decay{1.502235315409984, 1.002565342902357, 0.5965137496902227};  // rate 1, rho 0.5, epsilon 0.125, decay
inline constexpr std::array<double, 3> rmsprop_centred{1.8000000007619048, 1.5800740798235753, 1.315019826372863};  // alpha 0.5
inline constexpr std::array<double, 3> rmsprop_all{1.817391304347826, 1.528264265837575, 1.1653712800837632};  // and epsilon 0.25, momentum 0.5
inline constexpr std::array<double, 3> rmsprop_inside{1.803532286715505, 1.4910317282043073, 1.0989452217774225};  // the same, inside the root
inline constexpr std::array<double, 3> amsgrad{1.2500000014285715, 0.5386350304001877, -0.006582562603510248};  // rate 0.75, beta2 0.5
inline constexpr std::array<double, 3> adamax{1.9000000001904762, 1.802910429595893, 1.7087758038457908};
inline constexpr std::array<double, 3> adamax_decay{1.9086655112651647, 1.8160969012720285, 1.7226399056811499};  // betas 0.5 and 0.25, epsilon 0.5, decay
inline constexpr std::array<double, 3> nadam{1.89435482236569, 1.8181836662273563, 1.7482242980914273};
inline constexpr std::array<double, 3> nadam_decay{1.8855038801876658, 1.7881099407793164, 1.6935286412156545};  // betas 0.5 and 0.75, psi 1, decay
inline constexpr std::array<double, 3> nadam_decoupled{1.89235482236569, 1.814334941586255, 1.7426386373247211};
inline constexpr std::array<double, 8> radam{1.4749999999999999, 1.0328947368421053, 0.667260633132647, 0.3715468300250104, 0.13914033421148947, 0.11916558466660734, 0.09685186415869519, 0.07439418361965831};  // beta2 0.875
inline constexpr std::array<double, 8> radam_decay{1.4729999999999999, 1.029487894736842, 0.6629633352107205, 0.3668001003800611, 0.1343120882829763, 0.11441170276955842, 0.09222866658534187, 0.06996331849420441};
inline constexpr std::array<double, 8> radam_decoupled{1.4729999999999999, 1.0297375263157895, 0.6636224537729656, 0.36795160007838046, 0.13597456410015463, 0.11593004326889791, 0.09361495102900301, 0.07123251794715024};
inline constexpr std::array<double, 3> lion{1.898, 1.796102, 1.694305898};  // decay
inline constexpr std::array<double, 3> ftrl{1.7799311360593943, 1.71418038629369, 1.6609220542007037};
inline constexpr std::array<double, 3> ftrl_all{1.5934039837617122, 1.537630940786334, 1.4909205517194413};  // beta 0.5, l1 0.25, l2 1

}  // namespace unroll::golden
// clang-format on
