#include <unroll/optim/sgd.h>

namespace unroll {
namespace {

template <class T>
void plain(Index n, T* __restrict w, const T* __restrict g, T rate, T decay) {
  for (Index i = 0; i < n; ++i) w[i] -= rate * (g[i] + decay * w[i]);
}

template <class T>
void heavy_ball(Index n, T* __restrict w, const T* __restrict g, T* __restrict v, T rate, T decay, T momentum) {
  for (Index i = 0; i < n; ++i) {
    v[i] = momentum * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

}  // namespace

Sgd::Sgd(const SgdOptions& options)
    : Optimizer("Sgd", options.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      momentum_(options.momentum) {
  require_option("momentum", momentum_);
}

void Sgd::update(const Update& update) const {
  dispatch(update.value.dtype(), [&]<class T>(T) {
    const T rate = static_cast<T>(update.rate), decay = static_cast<T>(update.decay);
    T* w = update.value.writable<T>();
    const T* g = update.grad.data<T>();
    if (momentum_ == 0) {
      in_pieces(update, [&](Index i, Index j, Index n) { plain(n, w + i, g + j, rate, decay); });
    } else {
      T* v = update.moments[0].writable<T>();
      const T momentum = static_cast<T>(momentum_);
      in_pieces(update, [&](Index i, Index j, Index n) { heavy_ball(n, w + i, g + j, v + i, rate, decay, momentum); });
    }
  });
}

}  // namespace unroll
