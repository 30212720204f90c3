#pragma once

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
      require<UsageError>(cell_.size() == options.embed,
                          "LanguageModel: tied weights need embed ({}) equal to hidden ({})", options.embed,
                          cell_.size());
      bias_ = (p / "head")("b", {vocabulary}, zero);
    } else {
      head_.emplace(p / "head", cell_.size(), vocabulary);
    }
  }

  Index vocabulary() const { return embedding_.table.dim(0); }
  State zero_state(Index batch) const { return cell_.zero_state(batch); }

  /// The logits of the tokens after each of ids [T, B], and the state to go on from. Ids may be `before_first`.
  Output operator()(const Ids& ids, const State& state) const {
    auto scanned = scan(cell_, embed(ids), state);
    return {logits(dropout_(scanned.outputs)), std::move(scanned.last)};
  }

  /// Σ ln p of all tokens of one sequence, from the zero vector and the zero state.
  double log_probability(const std::vector<Id>& tokens) const {
    State state = zero_state(1);
    return -nats(tokens, state, before_first);
  }

  struct EvaluationOptions {
    Index lanes = 32;     ///< the text is read in so many parts side by side …
    Index warm_up = 200;  ///< … each of which starts from the zero state so many tokens earlier
    Index steps = 128;    ///< tokens read at once; changes nothing but the memory needed
  };
  /// Mean nats per token of a text; `before` is what precedes it (the end of the training text, say).
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
  /// −Σ ln p of tokens after `previous`, advancing the state (of a batch of one).
  double nats(const std::vector<Id>& tokens, State& state, Id previous) const {
    double total = 0;
    for (Index begin = 0; begin < tokens.size(); begin += 256) {
      const Index n = std::min<Index>(256, tokens.size() - begin);
      std::vector<Id> inputs{begin == 0 ? previous : tokens[begin - 1]}, targets(n);
      for (Index i = 0; i < n; ++i) {
        if (i + 1 < n) inputs.push_back(tokens[begin + i]);
        targets[i] = tokens[begin + i];
      }
      auto out = (*this)(Ids(std::move(inputs), n, 1), state);
      total += cross_entropy(out.logits, Ids(std::move(targets), n, 1), Reduce::sum).item();
      state = detach(out.last);
    }
    return total;
  }

  Embedding embedding_;
  C cell_;
  Dropout dropout_;
  std::optional<Linear> head_;
  Param bias_;  // of tied weights
};

template <class C>
double LanguageModel<C>::evaluate(const std::vector<Id>& tokens, const std::vector<Id>& before,
                                  const EvaluationOptions& options) const {
  require<UsageError>(!tokens.empty(), "LanguageModel: there is no token to evaluate");
  const Evaluation no_dropout;
  const Index lanes = std::clamp<Index>(tokens.size() / std::max<Index>(1, options.warm_up), 1, options.lanes);
  const Index each = (tokens.size() + lanes - 1) / lanes, warm_up = options.warm_up;
  // Lane k reads positions [k·each − warm_up, (k+1)·each) of the text, whose beginning is preceded by `before`.
  const auto token = [&](std::ptrdiff_t position) {
    if (position >= 0) return tokens[static_cast<Index>(position)];
    const std::ptrdiff_t in_before = position + static_cast<std::ptrdiff_t>(before.size());
    return in_before >= 0 ? before[static_cast<Index>(in_before)] : before_first;
  };
  State state = zero_state(lanes);
  double total = 0;
  const Index length = warm_up + each;
  for (Index begin = 0; begin < length; begin += options.steps) {
    const Index n = std::min(options.steps, length - begin);
    Ids inputs = Ids::filled(n, lanes, before_first), targets = Ids::filled(n, lanes, 0);
    std::vector<double> weights(n * lanes, 0.0);
    for (Index t = 0; t < n; ++t) {
      for (Index lane = 0; lane < lanes; ++lane) {
        const auto position =
            static_cast<std::ptrdiff_t>(lane * each + begin + t) - static_cast<std::ptrdiff_t>(warm_up);
        if (position >= static_cast<std::ptrdiff_t>(tokens.size())) continue;
        inputs(t, lane) = token(position - 1);
        const bool scored = begin + t >= warm_up;
        if (scored) {
          targets(t, lane) = token(position);
          weights[t * lanes + lane] = 1;
        }
      }
    }
    auto out = (*this)(inputs, state);
    state = detach(out.last);
    if (begin + n <= warm_up) continue;
    const Array chosen = pick(log_softmax(out.logits), targets).value();
    for (Index i = 0; i < weights.size(); ++i) {
      if (weights[i] != 0) total -= chosen.flat(i);
    }
  }
  return total / static_cast<double>(tokens.size());
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
    const Id id = sample(last, options, random);
    written.push_back(id);
    if (stop && id == *stop) break;
    out = (*this)(Ids({id}, 1, 1), detach(out.last));
  }
  return written;
}

}  // namespace unroll
