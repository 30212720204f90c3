#include <unroll/layers/encoder_decoder.h>

namespace unroll {

EncoderDecoder::EncoderDecoder(const Scope& p, Index source_vocabulary, Index target_vocabulary, AnyLayer encoder,
                               const MakeCell& decoder, const EncoderDecoderOptions& options)
    : source_(p / "source", source_vocabulary, options.embed),
      target_(p / "target", target_vocabulary, options.embed),
      encoder_(std::move(encoder)),
      decoder_(decoder(p / "decoder", options.embed + encoder_.size()), encoder_.size()),
      dropout_(p, options.dropout),
      head_(p / "head", decoder_.size(), target_vocabulary) {
  if (options.attention) {
    decoder_.attention.emplace(p / "attention", *options.attention, decoder_.cell.size(), encoder_.size());
  }
  each_field(decoder_.cell.zero_state(1), [&](const Tensor& x) {
    bridge_.emplace_back(p / fmt::format("bridge{}", bridge_.size()), encoder_.size(), x.dim(-1));
  });
}

EncoderDecoder::State EncoderDecoder::start(const Ids& source, const std::vector<Index>& lengths) const {
  require(source.ndim() == 2, "EncoderDecoder: the source has {} axes; it must be [S, B]: time, batch", source.ndim());
  const auto scanned = scan(encoder_, dropout_(source_(source)), {.lengths = lengths});
  const Tensor summary = encoder_.output(scanned.last);
  Index field = 0;
  AnyLayer::State inner = map_fields(decoder_.cell.zero_state(source.dim(1)),
                                     [&](const Tensor&) { return tanh(bridge_[field++](summary)); });
  if (!decoder_.attention) return {std::move(inner), summary, {}};
  return decoder_.start(std::move(inner), decoder_.attention->memory(scanned.outputs, lengths));
}

Tensor EncoderDecoder::operator()(const State& start, const Ids& inputs) const {
  require(inputs.ndim() == 2, "EncoderDecoder: the inputs have {} axes; they must be [T, B]: time, batch",
          inputs.ndim());
  const auto weights = substitutes(decoder_);
  std::vector<Tensor> outputs;
  State state = start;
  for (const Tensor& x : unstack(dropout_(target_(inputs)))) {
    state = decoder_.step(x, state);
    outputs.push_back(decoder_.output(state));
  }
  return head_(dropout_(stack(outputs)));
}

EncoderDecoder::Step EncoderDecoder::step(const Ids& ids, const State& state) const {
  State next = decoder_.step(target_(ids), state);
  return {head_(decoder_.output(next)), std::move(next)};
}

std::vector<std::vector<Hypothesis>> EncoderDecoder::decode(const Ids& source, const std::vector<Index>& lengths,
                                                            Id first, Id stop, const BeamOptions& options) const {
  const Evaluation no_dropout;
  return beam_search([&](const Ids& ids, const State& state) { return step(ids, state); },
                     detach(start(source, lengths)), source.dim(1), first, stop, options);
}

Array EncoderDecoder::attention_weights(const Ids& source, const std::vector<Id>& target, Id first) const {
  require<UsageError>(decoder_.attention.has_value(), "EncoderDecoder: this model has no attention to show");
  require<UsageError>(source.ndim() == 2 && source.dim(1) == 1,
                      "EncoderDecoder: attention is shown of one source, [S, 1]");
  const Evaluation no_dropout;
  State state = detach(start(source));
  std::vector<Tensor> rows;
  Id token = first;
  for (Index t = 0; t <= target.size(); ++t) {
    state = decoder_.step(target_({token}), state);
    rows.push_back((*decoder_.attention)(decoder_.cell.output(state.inner), state.memory).weights);
    if (t < target.size()) token = target[t];
  }
  return concat(rows, 0).value();
}

}  // namespace unroll
