// A user's program, linked as users link: an LSTM learns to tell apart two sequences.
#include <unroll/unroll.h>

#include <cstdio>

using namespace unroll;

Index parameters_of_a_cell();  // in the other file

int main() {
  Params params(1);
  const Lstm cell(params / "cell", 3, 8);
  const Linear head(params / "head", 8, 2);
  Adam adam({.rate = 0.05});

  const Tensor xs = uniform(1)({5, 2, 3}, params.random()).to(f32);
  double loss = 0;
  for (int step = 0; step < 100; ++step) {
    Tape tape;
    const Tensor error = cross_entropy(head(scan(cell, xs).last.h), {0, 1}, Reduce::per_sequence);
    adam.step(params, tape.backward(error));
    loss = error.item();
  }
  std::printf("cross-entropy after 100 steps: %.4f\n", loss);
  return loss < 0.05 && parameters_of_a_cell() > 0 ? 0 : 1;
}
