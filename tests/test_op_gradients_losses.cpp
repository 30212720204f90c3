// Losses against central differences, in f64 to 1e-9: every reduction, shape and option.
#include "check_grad.h"

using namespace unroll;

namespace {

constexpr Reduce reductions[] = {Reduce::sum, Reduce::per_token, Reduce::per_sequence};

Array random_array(const Shape& shape, double low = 0, double high = 1, std::uint64_t seed = 5) {
  Random random(seed);
  return uniform(low, high)(shape, random);
}

/// A loss of two tensors of one shape, differentiable by both.
template <class F>
void check_pair(const std::string& name, F loss, double low = -2) {
  for (const Reduce reduce : reductions) {
    const auto plain = [&](auto x, auto y) { return loss(x, y, reduce, std::vector<Index>{}); };
    const auto ragged = [&](auto x, auto y) { return 3.0 * loss(x, y, reduce, std::vector<Index>{1, 3}); };
    const auto parts = [&](auto x, auto y) {
      return loss(split<2>(x)[1], slice(y, 0, 1, 4), reduce, std::vector<Index>{});
    };
    const auto twice = [&](auto x, auto y) {
      return loss(x, x * y, reduce, std::vector<Index>{}) + loss(y, x, reduce, std::vector<Index>{});
    };
    check_grad_within(low, 2, name + " of the same tensor twice", twice, {{3, 2, 5}, {3, 2, 5}});
    for (const Shape& shape : {Shape{3, 2}, Shape{3, 2, 5}, Shape{2, 33}, Shape{1, 1, 19}}) {
      check_grad_within(low, 2, fmt::format("{} {}", name, shape), plain, {shape, shape});
    }
    check_grad_within(low, 2, name + " with lengths", ragged, {{3, 2, 5}, {3, 2, 5}});
    check_grad_within(low, 2, name + " of parts", parts, {{3, 2, 10}, {5, 2, 5}});
  }
}

}  // namespace

TEST_CASE("loss gradients: cross_entropy with options") {
  const Ids targets({0, 1, 2, -1, 1, 0}, 3, 2);
  const std::vector<double> weights{0.5, 2, 0};
  for (const Reduce reduce : reductions) {
    for (const CrossEntropyOptions& options :
         {CrossEntropyOptions{.ignore = -1}, CrossEntropyOptions{.ignore = -1, .smoothing = 0.1},
          CrossEntropyOptions{.ignore = -1, .weights = weights},
          CrossEntropyOptions{.ignore = -1, .smoothing = 0.3, .weights = weights},
          CrossEntropyOptions{.ignore = -1, .smoothing = 1}, CrossEntropyOptions{.ignore = 0, .lengths = {3, 1}},
          CrossEntropyOptions{.ignore = -1, .smoothing = 0.2, .weights = weights, .lengths = {1, 2}}}) {
      check_grad("cross_entropy", [&](auto z) { return 2.0 * cross_entropy(z, targets, reduce, options); }, {3, 2, 3});
    }
    const CrossEntropyOptions smooth{.ignore = 3, .smoothing = 0.4, .weights = std::vector<double>(65, 0.7)};
    check_grad("cross_entropy of 65 classes",
               [&](auto z) {
                 return cross_entropy(z, {64, 3, 0}, reduce, smooth);
               },
               {3, 65});
    check_grad("of a part",
               [&](auto z) {
                 return cross_entropy(split<2>(z)[1], {64, 3, 0}, reduce, smooth);
               },
               {3, 130});
  }
}

TEST_CASE("loss gradients: cross_entropy of probabilities, by logits and probabilities") {
  for (const Reduce reduce : reductions) {
    for (const CrossEntropyOptions& options :
         {CrossEntropyOptions{}, CrossEntropyOptions{.smoothing = 0.1},
          CrossEntropyOptions{.weights = {0.5, 2, 1, 0, 3}},
          CrossEntropyOptions{.smoothing = 0.3, .weights = {0.5, 2, 1, 0, 3}, .lengths = {1, 3}}}) {
      const bool ragged = !options.lengths.empty();
      check_grad("soft cross_entropy", [&](auto z, auto q) { return cross_entropy(z, q, reduce, options); }, {3, 2, 5},
                 {3, 2, 5});
      if (ragged) continue;
      check_grad("soft cross_entropy", [&](auto z, auto q) { return cross_entropy(z, q, reduce, options); }, {3, 5},
                 {3, 5});
      check_grad("of parts",
                 [&](auto z, auto q) { return 2.0 * cross_entropy(split<2>(z)[0], split<2>(q)[1], reduce, options); },
                 {3, 10}, {3, 10});
    }
    check_grad("of 65 classes", [&](auto z, auto q) { return cross_entropy(z, q, reduce); }, {2, 65}, {2, 65});
  }
}

TEST_CASE("loss gradients: nll_loss") {
  const Ids targets({0, 1, 2, -1, 1, 0}, 3, 2);
  for (const Reduce reduce : reductions) {
    for (const NllOptions& options :
         {NllOptions{.ignore = -1}, NllOptions{.ignore = -1, .weights = {0.5, 2, 0}},
          NllOptions{.weights = {0.5, 2, 1}, .lengths = {3, 1}}, NllOptions{.ignore = 1, .lengths = {1, 1}}}) {
      check_grad("nll_loss", [&](auto p) { return 2.0 * nll_loss(p, targets, reduce, options); }, {3, 2, 3});
    }
    check_grad("nll_loss [N, V]", [&](auto p) { return nll_loss(p, {2, 0, 0}, reduce); }, {3, 4});
    check_grad("of a part", [&](auto p) { return nll_loss(split<2>(p)[1], {2, 0}, reduce); }, {2, 6});
  }
}

TEST_CASE("loss gradients: bce_with_logits with weights") {
  const Array y = random_array({3, 2, 4}), w = random_array({3, 2, 4}, 0, 2, 6), row = random_array({2, 1}, 0, 2, 7);
  for (const Reduce reduce : reductions) {
    for (const BceOptions& options :
         {BceOptions{.weights = w}, BceOptions{.weights = row}, BceOptions{.positive_weight = {3}},
          BceOptions{.positive_weight = {3, 0.5, 1, 0}}, BceOptions{.lengths = {1, 3}},
          BceOptions{.weights = w, .positive_weight = {3, 0.5, 1, 0}, .lengths = {2, 0}}}) {
      const auto bce = [&](const Tensor& z) {
        BceOptions like = options;
        if (like.weights.defined()) like.weights = like.weights.to(z.dtype());
        return bce_with_logits(z, y.to(z.dtype()), reduce, like);
      };
      check_grad("bce", [&](auto z) { return 2.0 * bce(z); }, {3, 2, 4});
      check_grad("bce of a part", [&](auto z) { return bce(split<2>(z)[1]); }, {3, 2, 8});
    }
    check_grad(
        "bce [N]",
        [&](auto z) { return bce_with_logits(z, random_array({19}).to(z.dtype()), reduce, {.positive_weight = {2}}); },
        {19});
  }
}

TEST_CASE("loss gradients: losses of a difference, by both") {
  check_pair("mse_loss", [](auto x, auto y, Reduce r, const auto& lengths) { return mse_loss(x, y, r, lengths); });
  check_pair("l1_loss", [](auto x, auto y, Reduce r, const auto& lengths) { return l1_loss(x, y, r, lengths); });
  for (const double delta : {0.5, 1.0, 3.0}) {
    check_pair("huber_loss", [=](auto x, auto y, Reduce r, const auto& lengths) {
      return huber_loss(x, y, r, {.delta = delta, .lengths = lengths});
    });
    check_pair("smooth_l1_loss", [=](auto x, auto y, Reduce r, const auto& lengths) {
      return smooth_l1_loss(x, y, r, {.beta = delta, .lengths = lengths});
    });
  }
  check_pair("smooth_l1_loss, beta 0", [](auto x, auto y, Reduce r, const auto& lengths) {
    return smooth_l1_loss(x, y, r, {.beta = 0, .lengths = lengths});
  });
  for (const double tau : {0.1, 0.5, 0.95}) {
    check_pair("quantile_loss",
               [=](auto x, auto y, Reduce r, const auto& lengths) { return quantile_loss(x, y, tau, r, lengths); });
  }
  for (const Reduce reduce : reductions) {
    check_grad("mse_loss [N]", [=](auto x, auto y) { return mse_loss(x, y, reduce); }, {19}, {19});
    check_grad("mse_loss of four axes", [=](auto x, auto y) { return mse_loss(x, y, reduce); }, {2, 1, 2, 3},
               {2, 1, 2, 3});
    check_grad(
        "mse_loss of numbers", [=](auto x, auto y) { return mse_loss(x, y, reduce); }, Shape{}, Shape{});
  }
}

TEST_CASE("loss gradients: kl_divergence, by both") {
  check_pair(
      "kl_divergence",
      [](auto l, auto q, Reduce r, const auto& lengths) { return kl_divergence(l, q, r, {.lengths = lengths}); }, 0.5);
  check_pair("kl_divergence of logarithms", [](auto l, auto q, Reduce r, const auto& lengths) {
    return kl_divergence(l, q, r, {.log_target = true, .lengths = lengths});
  });
}
