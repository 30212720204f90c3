// A user's own cell: an LSTM whose gates see the memory cell, checked numerically and trained on the adding problem.
//
// The adding problem (Hochreiter and Schmidhuber 1997): T pairs of a number and a mark; two numbers are marked, and the
// answer is their sum. Always answering 1 has a mean squared error of 1/6.
#include <unroll/unroll.h>

using namespace unroll;

//  i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c')
struct MyPeepholeLstm {
  struct State { Tensor h, c; };

  Param wx, wh, b, pi, pf, po;

  MyPeepholeLstm(Scope p, Index in, Index hidden)
      : wx(p("wx", {in, 4 * hidden}, glorot)), wh(p("wh", {hidden, 4 * hidden}, orthogonal)),
        b(p("b", {4 * hidden}, parts({0, 1, 0, 0}))),
        pi(p("pi", {hidden}, zero)), pf(p("pf", {hidden}, zero)), po(p("po", {hidden}, zero)) {}

  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0)), wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }

  State step(const Tensor& z, const State& s) const {
    auto [i, f, g, o] = split<4>(z + matmul(s.h, wh));
    Tensor c = sigmoid(f + pf * s.c) * s.c + sigmoid(i + pi * s.c) * tanh(g);
    return {sigmoid(o + po * c) * tanh(c), c};
  }
};

struct Sums { Tensor xs, answers; };  // [T, B, 2], [B, 1]

Sums adding_problem(Index steps, Index batch, Random& random) {
  xt::xarray<float> xs = xt::zeros<float>({steps, batch, Index{2}}), answers = xt::zeros<float>({batch, Index{1}});
  for (Index b = 0; b < batch; ++b) {
    for (Index t = 0; t < steps; ++t) xs(t, b, 0) = static_cast<float>(random.uniform());
    for (Index t : {random.below(steps / 2), steps / 2 + random.below(steps / 2)}) {
      xs(t, b, 1) = 1;
      answers(b, 0) += xs(t, b, 0);
    }
  }
  return {xs, answers};
}

int main() {
  {  // the gradient of every parameter, against central differences
    Params params(1, f64);
    MyPeepholeLstm cell(params / "cell", 2, 3);
    const Tensor xs = uniform(1)({5, 2, 2}, params.random());
    const GradcheckReport report = check_model(params, [&] { return scan(cell, xs).outputs; });
    fmt::print("{}\n", report.str());
    if (!report.passed()) return 1;
  }

  Params params(1);
  MyPeepholeLstm cell(params / "cell", 2, 64);
  Linear head(params / "head", 64, 1);
  Adam adam({.rate = 1e-2});
  double average = 1;
  for (int step = 1; step <= 1500 && average > 0.001; ++step) {
    const auto [xs, answers] = adding_problem(50, 64, params.random());
    Tape tape;
    const Tensor error = head(scan(cell, xs).last.h) - answers;
    const Tensor loss = mean(error * error);
    adam.step(params, clip(tape.backward(loss), 1.0));
    average += (loss.item() - average) / std::min(step, 50);
    if (step % 250 == 0 || average <= 0.001) fmt::print("step {:4}  mean squared error {:.5f}  (answering 1: {:.5f})\n", step, average, 1.0 / 6);
  }
}
