#include <unroll/optim/sgd.h>

namespace unroll {

Sgd::Sgd(const SgdOptions& options)
    : Optimizer("Sgd", options.momentum == 0 ? std::vector<Moment>{} : std::vector<Moment>{{"momentum"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      momentum_(options.momentum),
      dampening_(options.dampening),
      nesterov_(options.nesterov),
      heavy_(options.momentum != 0) {
  require_option("momentum", momentum_);
  require_option("dampening", dampening_);
  require<UsageError>(dampening_ == 0 || (heavy_ && dampening_ <= 1),
                      "Sgd: dampening is {} and momentum {}; it takes momentum, and is at most 1", dampening_,
                      momentum_);
  require<UsageError>(!nesterov_ || (heavy_ && dampening_ == 0),
                      "Sgd: Nesterov's momentum takes momentum and no dampening; they are {} and {}", momentum_,
                      dampening_);
}

void Sgd::set_momentum(double momentum) {
  require_option("momentum", momentum);
  require<UsageError>(heavy_, "Sgd: it was made without momentum, which cannot become {}", momentum);
  momentum_ = momentum;
}

void Sgd::update(const Update& update) const {
  if (!heavy_) {
    return each_element<0>(update, [&]<class T>(T) {
      const auto [rate, decay] = factors<T>(update.rate, update.decay);
      return [=](T& w, T g) { w -= rate * (g + decay * w); };
    });
  }
  each_element<1>(update, [&]<class T>(T) {
    const auto [rate, decay, momentum, rest] =
        factors<T>(update.rate, update.decay, momentum_, update.number == 1 ? 1 : 1 - dampening_);
    return [=, nesterov = nesterov_](T& w, T g, T& v) {
      g += decay * w;
      v = momentum * v + rest * g;
      w -= rate * (nesterov ? g + momentum * v : v);
    };
  });
}

}  // namespace unroll
