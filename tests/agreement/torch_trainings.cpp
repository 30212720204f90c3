// Whole trainings: the loss and the gradients' norm at each of 30 steps, and the parameters after them.
#include <unroll/optim/clip.h>

#include "optimizers.h"
#include "torch_recurrent.h"

namespace unroll::agreement {
namespace {

/// The model's parameters beside the recurrent layers, in PyTorch's layout.
struct Head {
  Param emb, w, b;

  Head(const Case& c, const Scope& p)
      : emb(p("emb", c.shape("param/emb"), zero)),
        w(p("out_w", c.shape("param/out.W"), zero)),
        b(p("out_b", c.shape("param/out.b"), zero)) {}
  Tensor operator()(const Tensor& h) const { return affine(h, transpose(w), b); }
};

/// Element `step` of ids [steps, …].
Ids batch(const Case& c, const std::string& tensor, Index step) {
  const std::vector<int> all = c.integers(tensor);
  const auto& extents = c.place(tensor).shape;
  const Index size = all.size() / extents[0];
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(step * size);
  const std::vector<Id> part(first, first + static_cast<std::ptrdiff_t>(size));
  return extents.size() == 3 ? Ids(part, extents[1], extents[2]) : Ids(part);
}

Ids steps_of(const Ids& ids, Index from, Index to) {
  const Index width = ids.dim(1);
  const auto at = [&](Index t) { return ids.begin() + static_cast<std::ptrdiff_t>(t * width); };
  return {std::vector<Id>(at(from), at(to)), to - from, width};
}

/// The output at t predicts the id at t + 1.
Tensor language_model_loss(const Head& head, const Stack& network, const Ids& ids) {
  const Index steps = ids.dim(0);
  const Tensor h = scan(network, rows(head.emb, steps_of(ids, 0, steps - 1))).outputs;
  return cross_entropy(head(h), steps_of(ids, 1, steps), Reduce::per_token);
}

/// From the last states, with label smoothing 0.1.
Tensor classifier_loss(const Head& head, const Stack& network, const Ids& ids, const Ids& lengths, const Ids& labels) {
  const ScanOptions options{.lengths = {lengths.begin(), lengths.end()}};
  const auto last = scan(network, rows(head.emb, ids), options).last;
  const Tensor p = log_softmax(head(output(network, last)));
  return -(0.9 * mean(pick(p, labels)) + 0.1 * mean(p));
}

void run_training(Check& check) {
  const Case& c = check.c;
  Params params(0, f64);
  const Head head(c, params);
  const TorchLayers network = torch_layers(c, params, head.emb.dim(1), Biases::two);
  const ForeignModules modules{{"emb", head.emb}, {"rnn", network.stack}, {"out.W", head.w}, {"out.b", head.b}};
  load_torch(weights_of(c), modules);
  const auto optimizer = torch_optimizer(c.attrs["optimizer"], c.attrs["defaults"]);

  Array losses = Array::zeros({c.number("steps")}, f64), norms = losses.copy();
  for (Index k = 0; k < c.number("steps"); ++k) {
    Tape tape;
    const Ids ids = batch(c, "input/ids", k);
    const Tensor loss =
        c.attrs["task"] == "lm"
            ? language_model_loss(head, network.stack, ids)
            : classifier_loss(head, network.stack, ids, batch(c, "input/lengths", k), batch(c, "input/labels", k));
    Grads grads = tape.backward(loss);
    losses.set_flat(k, loss.item());
    const double limit = c.attrs["clip_norm"];
    if (limit > 0) {  // else the reference did not ask for the norm, and has 0
      norms.set_flat(k, grads.norm());
      grads = clip(std::move(grads), limit);
    }
    optimizer->step(params, grads);
  }
  check.compare("step/loss", losses);
  check.compare("step/grad_norm", norms);
  for (const auto& [name, array] : to_torch(modules)) check.compare("output/" + name, array);
}

}  // namespace

void add_torch_trainings(Tasks& tasks) { tasks["torch/e2e/training"] = run_training; }

}  // namespace unroll::agreement
