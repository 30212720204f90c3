// The least that one training step or one inference of a recurrent layer costs: written by hand, in place and without a
// tape, from the library's own products and functions. What bench/recurrent takes beyond this is the price of the
// abstraction.

#include <unroll/bench/floor_gru.h>
#include <unroll/bench/floor_lstm.h>
#include <unroll/bench/floor_rnn.h>

namespace unroll::bench {
namespace {

template <class Layer>
void run(const Options& o) {
  const FlushDenormals flush;
  Layer layer(o);
  const auto train = [&] {
    const double loss = layer.forward();
    layer.backward();
    return loss;
  };
  if (o.checks() && o.train()) {
    const double loss = train();
    report_check("floor", o, loss, layer.grads());
  } else if (o.checks()) {
    for (int call = 0; call < 2; ++call) layer.infer();  // the second must not see what the first has left
    report_check("floor", o, layer.loss(), {});
  } else if (o.train()) {
    report("floor", o, measure(o, [&] {
             train();
             layer.descend();
           }));
  } else {
    report("floor", o, measure(o, [&] { layer.infer(); }));
  }
}

void run_cell(const Options& o) {
  set_up(o);
  openblas_set_num_threads(static_cast<int>(o.threads));
  if (o.cell == "rnn") run<RnnFloor>(o);
  if (o.cell == "gru") run<GruFloor>(o);
  if (o.cell == "lstm") run<LstmFloor<false>>(o);
  if (o.cell == "custom") run<LstmFloor<true>>(o);
}

}  // namespace
}  // namespace unroll::bench

int main(int count, char** words) {
  using namespace unroll::bench;
  CLI::App app("One training step or one inference of a recurrent layer written by hand, timed or checked.");
  Options options;
  options.form = "own";
  declare(app, options);
  app.add_option("--products", options.form, "what computes the large products: the library or OpenBLAS")
      ->check(CLI::IsMember({"own", "openblas"}));
  CLI11_PARSE(app, count, words);
  try {
    run_cell(options);
  } catch (const unroll::Error& error) {
    fmt::print(stderr, "floor: {}\n", error.what());
    return 1;
  }
}
