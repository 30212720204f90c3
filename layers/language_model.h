#pragma once

#include <algorithm>
#include <optional>

#include <unroll/layers/cells.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/sampling.h>
#include <unroll/layers/stack.h>

namespace unroll {

/// The input before the first token: a zero vector in place of an embedding, as in the notes (x<1> = 0).
inline constexpr Id before_first = -1;

struct LanguageModelOptions {
  Index embed = 64;
  Index hidden = 256;
  double dropout = 0;  ///< of the outputs, before the last product
  bool tied = false;   ///< the output layer's weights are the embedding's (Press and Wolf 2017); needs embed = hidden
};

/// Predicts each next token: p(x<t> | x<1>, …, x<t-1>) = softmax(h<t> w + b). C is any cell or layer, a Stack included.
template <class C>
class LanguageModel {
 public:
  using State = typename C::State;
  struct Output {
    Tensor logits;  // [T, B, V]
    State last;
  };

  LanguageModel(const Scope& p, Index vocabulary, const LanguageModelOptions& options)
      : LanguageModel(p, vocabulary, options, C(p / "cell", options.embed, options.hidden)) {}
  /// With a cell made by the caller, over [T, B, options.embed].
  LanguageModel(const Scope& p, Index vocabulary, const LanguageModelOptions& options, C cell)
      : embedding_(p / "embedding", vocabulary, options.embed), cell_(std::move(cell)), dropout_(p, options.dropout) {
    if (options.tied) {
      require<UsageError>(output_size(cell_) == options.embed,
                          "LanguageModel: tied weights need embed ({}) equal to hidden ({})", options.embed,
                          output_size(cell_));
      bias_ = (p / "head")("b", {vocabulary}, zero);
    } else {
      head_.emplace(p / "head", output_size(cell_), vocabulary);
    }
  }

  Index vocabulary() const { return embedding_.table.dim(0); }
  State zero_state(Index batch) const { return cell_.zero_state(batch); }
  /// The layers it is made of. Errors: there is no head of its own when the weights are tied.
  const Embedding& embedding() const { return embedding_; }
  const C& cell() const { return cell_; }
  const Linear& head() const {
    require<UsageError>(head_.has_value(), "LanguageModel: with tied weights it has no head but the embedding");
    return *head_;
  }

  /// The logits of the tokens after each of ids [T, B], and the state to go on from. Ids may be `before_first`.
  Output operator()(const Ids& ids, const State& state) const {
    auto scanned = scan(cell_, embed(ids), state);
    return {logits(dropout_(scanned.outputs)), std::move(scanned.last)};
  }

  /// Σ ln p of all tokens of one sequence, from the zero vector and the zero state.
  double log_probability(const std::vector<Id>& tokens) const;

  struct EvaluationOptions {
    Index lanes = 32;     ///< the text is read in at most so many parts side by side …
    Index warm_up = 200;  ///< … each of which starts from the zero state so many tokens earlier, at the start of
                          ///< `before` at the earliest
    Index steps = 64;     ///< tokens read at once; changes nothing but the memory needed
  };
  /// Mean nats per token of a text; `before` is what precedes it (the end of the training text, say). Without it the
  /// text starts from the zero vector and the zero state. Errors: no token.
  double evaluate(const std::vector<Id>& tokens, const std::vector<Id>& before = {}) const {
    return evaluate(tokens, before, EvaluationOptions{});
  }
  double evaluate(const std::vector<Id>& tokens, const std::vector<Id>& before, const EvaluationOptions& options) const;

  /// Reads a prefix and writes up to `length` tokens more, stopping after `stop`. Returns what it has written.
  std::vector<Id> generate(const std::vector<Id>& prefix, Index length, const SamplingOptions& options, Random& random,
                           std::optional<Id> stop = {}) const;

 private:
  Tensor embed(const Ids& ids) const {
    const auto first = [](Id id) { return id == before_first; };
    if (std::none_of(ids.begin(), ids.end(), first)) return embedding_(ids);
    Ids shifted = ids;  // the zero vector is one more row of the table
    for (Index i = 0; i < ids.size(); ++i) {
      if (first(ids[i])) shifted[i] = static_cast<Id>(vocabulary());
    }
    const Tensor zero_row = embedding_.table.zeros(1, embedding_.table.dim(1));
    return rows(concat({embedding_.table, zero_row}, 0), shifted);
  }
  Tensor logits(const Tensor& h) const { return head_ ? (*head_)(h) : affine(h, transpose(embedding_.table), bias_); }
  Embedding embedding_;
  C cell_;
  Dropout dropout_;
  std::optional<Linear> head_;
  Param bias_;  // of tied weights
};

template <class C>
double LanguageModel<C>::log_probability(const std::vector<Id>& tokens) const {
  if (tokens.empty()) return 0;
  return -evaluate(tokens, {}, {.lanes = 1, .warm_up = 0}) * static_cast<double>(tokens.size());
}

/// Lane k scores the tokens k·each … (k+1)·each − 1; its time 0 lies `warm_up` tokens before the first of them.
template <class C>
double LanguageModel<C>::evaluate(const std::vector<Id>& tokens, const std::vector<Id>& before,
                                  const EvaluationOptions& options) const {
  require<UsageError>(!tokens.empty(), "LanguageModel: there is no token to evaluate");
  require<UsageError>(options.lanes > 0 && options.steps > 0, "LanguageModel: evaluation in {} lanes of {} steps",
                      options.lanes, options.steps);
  const Evaluation no_dropout;
  const Index lanes = std::clamp<Index>(tokens.size() / std::max<Index>(1, options.warm_up), 1, options.lanes);
  const Index warm_up = lanes > 1 ? options.warm_up : std::min(options.warm_up, before.size());
  const Index each = (tokens.size() + lanes - 1) / lanes, length = warm_up + each;
  const Index start = warm_up - std::min(warm_up, before.size());  // when the first lane has something to read
  // The token at a time of a lane; before all text there is the zero vector.
  const auto token = [&](Index lane, Index time) {
    const Index place = before.size() + lane * each + time;
    if (place < warm_up) return before_first;
    return place - warm_up < before.size() ? before[place - warm_up] : tokens[place - warm_up - before.size()];
  };
  State state = zero_state(lanes);
  double nats = 0;
  for (Index begin = 0, n = 0; begin < length; begin += n) {
    n = std::min(options.steps, length - begin);
    for (const Index edge : {start, warm_up}) {
      if (begin < edge) n = std::min(n, edge - begin);
    }
    if (begin == start) {  // whatever the first lane has read so far was before all text
      state = map_fields(state, [&](const Tensor& x) {
        Shape shape = x.shape();
        for (Index axis = 1; axis < shape.ndim(); ++axis) shape.set(axis, 1);
        Array keep = Array::full(shape, x.dtype(), 1);
        keep.set_flat(0, 0);
        return x * Tensor(keep);
      });
    }
    Ids inputs = Ids::filled(n, lanes, before_first), targets = Ids::filled(n, lanes, 0);
    std::vector<Index> lengths(lanes, 0);  // the last lanes may have fewer tokens
    for (Index lane = 0; lane < lanes; ++lane) {
      for (Index t = 0; t < n && lane * each + begin + t < warm_up + tokens.size(); ++t, ++lengths[lane]) {
        if (begin + t > 0) inputs(t, lane) = token(lane, begin + t - 1);
        targets(t, lane) = token(lane, begin + t);
      }
    }
    auto scanned = scan(cell_, embed(inputs), state);
    state = detach(scanned.last);
    if (begin >= warm_up) nats += cross_entropy(logits(scanned.outputs), targets, Reduce::sum, lengths).item();
  }
  return nats / static_cast<double>(tokens.size());
}

template <class C>
std::vector<Id> LanguageModel<C>::generate(const std::vector<Id>& prefix, Index length, const SamplingOptions& options,
                                           Random& random, std::optional<Id> stop) const {
  const Evaluation no_dropout;
  std::vector<Id> inputs{before_first};
  inputs.insert(inputs.end(), prefix.begin(), prefix.end());
  auto out = (*this)(Ids(inputs, inputs.size(), 1), zero_state(1));
  std::vector<Id> written;
  std::vector<double> last(vocabulary());
  while (written.size() < length) {
    const Array& all = out.logits.value();
    for (Index i = 0; i < last.size(); ++i) last[i] = all.flat(all.size() - last.size() + i);
    const Id id = sample(last, options, random, written);
    written.push_back(id);
    if (stop && id == *stop) break;
    out = (*this)(Ids({id}, 1, 1), detach(out.last));
  }
  return written;
}

}  // namespace unroll
