#include <cmath>
#include <tuple>

#include <unroll/optim/rmsprop.h>

namespace unroll {

RmsProp::RmsProp(const RmsPropOptions& options)
    : Optimizer("RmsProp",
                [&] {
                  std::vector<Moment> moments{{"mean_square"}};
                  if (options.centred) moments.push_back({"mean"});
                  if (options.momentum != 0) moments.push_back({"momentum"});
                  return moments;
                }(),
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      alpha_(options.alpha),
      epsilon_outside_(options.epsilon_place == Epsilon::outside_root ? options.epsilon : 0),
      epsilon_inside_(options.epsilon_place == Epsilon::inside_root ? options.epsilon : 0),
      momentum_(options.momentum),
      centred_(options.centred) {
  require_option("alpha", alpha_, 1);
  require_option("epsilon", options.epsilon);
  require_option("momentum", momentum_);
}

template <bool centred, bool heavy>
void RmsProp::update_as(const Update& update) const {
  each_element<1 + centred + heavy>(update, [&]<class T>(T) {
    const auto [rate, decay, alpha, rest, outside, inside, momentum] =
        factors<T>(update.rate, update.decay, alpha_, 1 - alpha_, epsilon_outside_, epsilon_inside_, momentum_);
    return [=](T& w, T g, T& s, auto&... more) {
      const auto moments = std::tie(more...);
      g += decay * w;
      s = alpha * s + rest * g * g;
      T square = s;
      if constexpr (centred) {
        T& c = std::get<0>(moments);
        c = alpha * c + rest * g;
        square = std::max(s - c * c, T(0));  // rounding may leave less than 0
      }
      T change = g / (std::sqrt(square + inside) + outside);
      if constexpr (heavy) {
        T& v = std::get<centred>(moments);
        change = v = momentum * v + change;
      }
      w -= rate * change;
    };
  });
}

void RmsProp::update(const Update& update) const {
  if (centred_) return momentum_ != 0 ? update_as<true, true>(update) : update_as<true, false>(update);
  momentum_ != 0 ? update_as<false, true>(update) : update_as<false, false>(update);
}

}  // namespace unroll
