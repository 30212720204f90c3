// Attention against its equations written out, its gradients, and what lies beyond a sequence's length.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/attention.h>
#include <unroll/layers/wrappers.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index steps = 5, batch = 3, width = 4, query_width = 4, inner = 6;
const std::vector<Index> ragged{2, 5, 3};
const Score all_scores[] = {Score::dot, Score::general, Score::additive};

/// score(q, k) by its definition.
double score_by_hand(Score score, const Params& params, const std::vector<double>& q, const std::vector<double>& k) {
  double sum = 0;
  if (score == Score::dot) {
    for (Index i = 0; i < width; ++i) sum += q[i] * k[i];
    return sum / std::sqrt(static_cast<double>(width));
  }
  const Array& wk = params["a.wk"].value();
  if (score == Score::general) {
    for (Index i = 0; i < width; ++i) {
      for (Index j = 0; j < query_width; ++j) sum += k[i] * wk.flat(i * query_width + j) * q[j];
    }
    return sum;
  }
  const Array &wq = params["a.wq"].value(), &v = params["a.v"].value();
  for (Index j = 0; j < inner; ++j) {
    double z = 0;
    for (Index i = 0; i < query_width; ++i) z += q[i] * wq.flat(i * inner + j);
    for (Index i = 0; i < width; ++i) z += k[i] * wk.flat(i * inner + j);
    sum += v.flat(j) * std::tanh(z);
  }
  return sum;
}

std::vector<double> row_of(const Array& a, Index row) {
  std::vector<double> out;
  for (Index i = 0; i < a.cols(); ++i) out.push_back(a.flat(row * a.cols() + i));
  return out;
}

}  // namespace

TEST_CASE("attention: weights and context as the equations say, with and without lengths") {
  for (const Score score : all_scores) {
    for (const auto& lengths : {std::vector<Index>(), ragged}) {
      Params params(1, f64);
      const Attention attention(params / "a", score, query_width, width, inner);
      const Array outputs = random_array({steps, batch, width}, 2), queries = random_array({batch, query_width}, 3);
      const auto [context, weights] = attention(queries, attention.memory(outputs, lengths));
      CHECK(context.shape() == Shape{batch, width});
      CHECK(weights.shape() == Shape{batch, steps});
      for (Index b = 0; b < batch; ++b) {
        const Index length = lengths.empty() ? steps : lengths[b];
        std::vector<double> e(steps, 0), expected(width, 0);
        double total = 0;
        for (Index t = 0; t < length; ++t) {
          e[t] = std::exp(score_by_hand(score, params, row_of(queries, b), row_of(outputs, t * batch + b)));
          total += e[t];
        }
        for (Index t = 0; t < steps; ++t) {
          CHECK(weights.value().flat(b * steps + t) == doctest::Approx(e[t] / total).epsilon(1e-12));
          if (t >= length) CHECK(weights.value().flat(b * steps + t) == 0);
          for (Index i = 0; i < width; ++i) expected[i] += e[t] / total * outputs.flat((t * batch + b) * width + i);
        }
        for (Index i = 0; i < width; ++i) {
          CHECK(context.value().flat(b * width + i) == doctest::Approx(expected[i]).epsilon(1e-12));
        }
      }
    }
  }
}

TEST_CASE("attention: gradients by queries, memory and parameters") {
  for (const Score score : all_scores) {
    Params params(1, f64);
    const Attention attention(params / "a", score, query_width, width, inner);
    const auto run = [&](const Tensor& outputs, const Tensor& q) {
      const auto [context, weights] = attention(q, attention.memory(outputs, ragged));
      return concat({context, weights});
    };
    const Array outputs = random_array({steps, batch, width}, 2), queries = random_array({batch, query_width}, 3);
    const GradcheckReport inputs = gradcheck(run, std::vector<Array>{outputs, queries});
    CHECK_MESSAGE(inputs.passed(), inputs.str());
    if (params.size() == 0) continue;
    const GradcheckReport parameters = check_model(params, [&] { return run(outputs, queries); });
    CHECK(parameters.rows.size() == params.size());
    CHECK_MESSAGE(parameters.passed(), parameters.str());
  }
}

TEST_CASE("attention: what lies beyond a sequence's length changes no bit") {
  for (const Score score : all_scores) {
    Params params(1);
    const Attention attention(params / "a", score, query_width, width, inner);
    const Array queries = random_array({batch, query_width}, 3).to(f32);
    Array outputs = random_array({steps, batch, width}, 2).to(f32), other = outputs.copy();
    for (Index b = 0; b < batch; ++b) {
      for (Index t = ragged[b]; t < steps; ++t) {
        for (Index i = 0; i < width; ++i) other.set_flat((t * batch + b) * width + i, 1e30);
      }
    }
    const auto [context, weights] = attention(queries, attention.memory(outputs, ragged));
    const auto [same_context, same_weights] = attention(queries, attention.memory(other, ragged));
    CHECK(same_bits(context, same_context));
    CHECK(same_bits(weights, same_weights));
  }
}

TEST_CASE("attention: a decoder that attends is a cell") {
  Params params(1, f64);
  const AttentionCell<Lstm> cell(Lstm(params / "cell", 2 + width, query_width),
                                 Attention(params / "attention", Score::additive, query_width, width, inner));
  const Tensor memory = random_array({steps, batch, width}, 2), xs = random_array({4, batch, 2}, 3);
  const auto start = cell.start(cell.cell.zero_state(batch), cell.attention->memory(memory, ragged));
  const auto scanned = scan(cell, xs, start);
  auto state = start;
  for (Index t = 0; t < 4; ++t) {
    state = advance(cell, at(xs, t), state);
    CHECK(same_bits(output(cell, state), at(scanned.outputs, t)));
  }
  const GradcheckReport report = check_model(params, [&] {
    return scan(cell, xs, cell.start(cell.cell.zero_state(batch), cell.attention->memory(memory, ragged))).outputs;
  });
  CHECK(report.rows.size() == params.size());
  CHECK_MESSAGE(report.passed(), report.str());
  CHECK(scan(cell, xs).outputs.shape() == Shape{4, batch, query_width + width});  // with nothing to attend to
}

TEST_CASE("attention: errors") {
  Params params(1);
  CHECK(message_of<UsageError>([&] { Attention(params / "a", Score::dot, 3, 4); }) ==
        "Attention: a dot product of queries of 3 with a memory of 4; they must be equally wide (Score::general is not "
        "bound to that)");
  const Attention attention(params / "b", Score::general, 3, 4);
  CHECK(message_of([&] {
          attention.memory(Tensor::zeros({5, 4}));
        }) == "Attention: the memory is [5, 4]; it must be [T, B, 4]: time, batch, features");
  CHECK(message_of([&] {
          attention.memory(Tensor::zeros({5, 2, 4}), {1, 2, 3});
        }) == "Attention: there are 3 lengths for a memory of 2 sequences");
  CHECK(message_of([&] {
          attention.memory(Tensor::zeros({5, 2, 4}), {1, 6});
        }) == "Attention: sequence 1 has length 6; it must be 1 … 5");
  const Memory memory = attention.memory(Tensor::zeros({5, 2, 4}));
  CHECK(message_of([&] {
          attention(Tensor::zeros({2, 4}), memory);
        }) == "Attention: the query is [2, 4] and the memory [2, 5, 4]; the query must be [2, 3]");
}

TEST_CASE("AttentionCell: one mask of dropped weights for a whole scan") {
  Params params(1, f64);
  const AttentionCell<WeightDrop<Lstm>> decoder(WeightDrop(params, Lstm(params / "decoder", 3 + width, inner), 0.5),
                                                Attention(params / "a", Score::general, inner, width));
  const Tensor xs = random_array({steps, batch, 3}, 2);
  const Tape tape;
  const auto before = params.random().state();
  const Array scanned = scan(decoder, xs).outputs.value();
  params.random().restore(before);
  const auto held = substitutes(decoder);
  auto state = decoder.zero_state(batch);
  for (Index t = 0; t < steps; ++t) {
    state = advance(decoder, at(xs, t), state);
    CHECK(same_bits(decoder.output(state), at(scanned, t)));
  }
}
