#include <algorithm>

#include <unroll/core/glob.h>
#include <unroll/core/substitute.h>
#include <unroll/core/tape.h>

namespace unroll {

Param::operator Tensor() const {
  if (const Tensor* other = Substitute::find(data())) return *other;
  Tape* tape = Tape::current();
  return tape == nullptr ? Tensor(value()) : tape->parameter(*this);
}

void Param::set(Array value) const {
  require(value.shape() == shape() && value.dtype() == dtype(), "parameter '{}' is {} {} and cannot become {} {}",
          name(), unroll::name(dtype()), shape(), unroll::name(value.dtype()), value.shape());
  data().value = std::move(value);
}

Scope Scope::operator/(std::string_view name) const {
  require<UsageError>(!name.empty() && name.find_first_of("./ \n") == name.npos,
                      "'{}' is no name for a scope or a parameter; a name is one word without dots and slashes", name);
  return Scope(params_, path_.empty() ? std::string(name) : path_ + "." + std::string(name));
}

Param Scope::operator()(std::string_view name, const Shape& shape, const Init& init) const {
  return params_->create((*this / name).path_, shape, init);
}

Random& Scope::random() const { return params_->random(); }

Params::Params(std::uint64_t seed, Dtype dtype) : random_(seed), dtype_(dtype) {}

Param Params::create(std::string name, const Shape& shape, const Init& init) {
  require<UsageError>(!contains(name), "parameter '{}' is declared twice; give each layer a scope of its own", name);
  auto data = std::make_shared<ParamData>();
  data->value = init(shape, random_).to(dtype_);
  require(data->value.shape() == shape, "the initialiser of '{}' made {} instead of {}", name, data->value.shape(),
          shape);
  data->name = std::move(name);
  data->order = all_.size();
  return all_.emplace_back(std::move(data));
}

Index Params::count() const {
  Index n = 0;
  for (const auto& param : all_) n += param.value().size();
  return n;
}

bool Params::contains(std::string_view name) const {
  return std::any_of(all_.begin(), all_.end(), [&](const Param& param) { return param.name() == name; });
}

const Param& Params::operator[](std::string_view name) const {
  std::string known;
  for (const auto& param : all_) {
    if (param.name() == name) return param;
    known += (known.empty() ? "" : ", ") + param.name();
  }
  throw UsageError(fmt::format("there is no parameter '{}'; there are: {}", name, known));
}

void Params::to(Dtype dtype) {
  std::vector<Array> converted;
  for (const auto& param : all_) converted.push_back(param.value().to(dtype));
  dtype_ = dtype;
  for (Index i = 0; i < all_.size(); ++i) all_[i].data().value = std::move(converted[i]);
}

void Params::fill(const Init& init) {
  std::vector<Array> values;
  for (const auto& param : all_) {
    values.push_back(init(param.shape(), random_).to(dtype_));
    require(values.back().shape() == param.shape(), "fill: '{}' is {}, and its initial value {}", param.name(),
            param.shape(), values.back().shape());
  }
  for (Index i = 0; i < all_.size(); ++i) all_[i].data().value = std::move(values[i]);
}

void Params::freeze(std::string_view names, bool frozen) {
  const bool glob = names.find_first_of("*?") != names.npos;
  bool any = false;
  for (const auto& param : all_) {
    if (glob ? !matches_glob(names, param.name()) : !param.name().starts_with(names)) continue;
    param.freeze(frozen);
    any = true;
  }
  require<UsageError>(any, "freeze: no parameter's name {} '{}'", glob ? "matches" : "begins with", names);
}

std::string Params::summary() const {
  Index width = 9;
  for (const auto& param : all_) width = std::max(width, param.name().size());
  std::string text = fmt::format("{:<{}}  {:>16}  {:>12}\n", "parameter", width, "shape", "count");
  for (const auto& param : all_) {
    text += fmt::format("{:<{}}  {:>16}  {:>12}{}\n", param.name(), width, param.shape().str(), param.value().size(),
                        param.frozen() ? "  frozen" : "");
  }
  return text + fmt::format("{:<{}}  {:>16}  {:>12}\n", "total", width, name(dtype_), count());
}

}  // namespace unroll
