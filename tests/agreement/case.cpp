#include "case.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace unroll::agreement {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read; the program runs in the project's folder", path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

template <class T>
std::vector<double> read(const std::string& bytes, const Place& place) {
  require(place.offset + place.size() * sizeof(T) <= bytes.size(), "a tensor lies beyond the end of the numbers");
  std::vector<double> all;
  for (Index i = 0; i < place.size(); ++i) {
    T x;
    std::memcpy(&x, bytes.data() + place.offset + i * sizeof(T), sizeof(T));
    all.push_back(static_cast<double>(x));
  }
  return all;
}

}  // namespace

Index Place::size() const {
  Index n = 1;
  for (const Index extent : shape) n *= extent;
  return n;
}

const Place& Case::place(const std::string& tensor) const {
  const auto found = tensors.find(tensor);
  require(found != tensors.end(), "{} has no {}", path(), tensor);
  return found->second;
}

Shape Case::shape(const std::string& tensor) const {
  const auto& extents = place(tensor).shape;
  return {extents.begin(), extents.end()};
}

std::vector<std::string> Case::names(const std::string& role) const {
  std::vector<std::string> found;
  for (const auto& [tensor, place] : tensors) {
    if (tensor.starts_with(role + "/")) found.push_back(tensor.substr(role.size() + 1));
  }
  return found;
}

std::vector<double> Case::values(const std::string& tensor) const {
  const Place& there = place(tensor);
  switch (there.type) {
    case 'f':
      return read<float>(*numbers, there);
    case 'i':
      return read<std::int32_t>(*numbers, there);
    case 'B':
      return read<std::uint8_t>(*numbers, there);
    default:
      return read<double>(*numbers, there);
  }
}

Array Case::array(const std::string& tensor) const { return Array::of(shape(tensor), values(tensor).data()); }

std::vector<int> Case::integers(const std::string& tensor) const {
  std::vector<int> all;
  for (const double x : values(tensor)) all.push_back(static_cast<int>(x));
  return all;
}

Ids Case::ids(const std::string& tensor) const {
  const std::vector<int> all = integers(tensor);
  return {std::vector<Id>(all.begin(), all.end()), place(tensor).shape};
}

std::vector<Index> Case::lengths(const std::string& tensor) const {
  const std::vector<int> all = integers(tensor);
  return {all.begin(), all.end()};
}

Array numbers(const Ids& ids) {
  const std::vector<double> all(ids.begin(), ids.end());
  return Array::of(Shape::of(ids), all.data());
}

std::vector<Case> read_cases(const std::string& origin) {
  const std::string folder = "tests/agreement/" + origin;
  const auto numbers = std::make_shared<const std::string>(content(folder + ".bin"));
  std::vector<Case> cases;
  for (const json& entry : json::parse(content(folder + ".json"))) {
    Case c{origin, entry["group"], entry["name"], entry["op"], entry["attrs"], entry["rtol"], entry["atol"],
           {},     numbers};
    for (const auto& [name, place] : entry["tensors"].items()) {
      c.tensors[name] = {place[0].get<std::string>()[0], place[1], place[2]};
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

void Check::compare(const std::string& tensor, const Array& got, const Array& limit) {
  compare_within(c.rtol, c.atol, tensor, got, limit);
}

void Check::compare_within(double rtol, double atol, const std::string& tensor, const Array& got, const Array& limit) {
  compared.insert(tensor);
  const Shape shape = c.shape(tensor);
  if (got.shape() != shape) {
    problems.push_back(fmt::format("{}: shape {} instead of {}", tensor, got.shape(), shape));
    return;
  }
  const std::vector<double> want = c.values(tensor);
  Index wrong = 0, first = 0;
  for (Index i = 0; i < want.size(); ++i) {
    const double g = got.flat(i), w = want[i];
    const auto near = [&](double x) {
      const bool tiny = std::abs(g) < std::numeric_limits<double>::min();  // nothing is promised for denormals
      return g == x || (tiny && std::abs(x) < std::numeric_limits<double>::min()) || (std::isnan(g) && std::isnan(x)) ||
             (std::isfinite(g) && std::isfinite(x) && std::abs(g - x) <= atol + rtol * std::abs(x));
    };
    if (near(w) || (std::isnan(w) && limit.defined() && near(limit.flat(i)))) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong > 0) {
    problems.push_back(fmt::format("{}: {} of {} numbers; the first at {}: {} instead of {}", tensor, wrong,
                                   want.size(), first, got.flat(first), want[first]));
  }
}

void Check::require_all_compared() {
  for (const auto& [tensor, place] : c.tensors) {
    const std::string role = tensor.substr(0, tensor.find('/'));
    if ((role == "output" || role == "output64" || role == "grad" || role == "step") && !compared.contains(tensor)) {
      problems.push_back(tensor + ": was not compared");
    }
  }
}

#if defined(__SSE2__)
KeepDenormals::KeepDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ & ~0x8040u); }
KeepDenormals::~KeepDenormals() { _mm_setcsr(before_); }
#else
KeepDenormals::KeepDenormals() : before_(0) {}
KeepDenormals::~KeepDenormals() = default;
#endif

Tensors watched_inputs(const Case& c, Tape& tape) {
  Tensors inputs;
  for (const std::string& name : c.names("input")) {
    const Tensor x = c.array("input/" + name);
    inputs[name] = c.has("grad/" + name) ? tape.watch(x) : x;
  }
  return inputs;
}

Tensor seeded(const Case& c, const Tensors& outputs) {
  Tensor loss;
  for (const auto& [name, y] : outputs) {
    const bool seed = c.has("seed/" + name);
    if (!seed && !(c.names("seed").empty() && y.size() == 1)) continue;
    const Tensor part = seed ? sum(y * Tensor(c.array("seed/" + name))) : sum(y);
    loss = loss.defined() ? loss + part : part;
  }
  return loss;
}

Array gradient(const Tensor& loss, const Grads& grads, const Tensor& watched) {
  return loss.recorded() ? grads[watched] : Array::zeros(watched.shape(), watched.dtype());
}

void differentiate(Check& check, const Function& f, const std::map<std::string, Array>& limits) {
  const auto limit = [&](const std::string& tensor) {
    const auto found = limits.find(tensor);
    return found == limits.end() ? Array() : found->second;
  };
  Tape tape;
  const KeepDenormals keep;
  const Tensors inputs = watched_inputs(check.c, tape), outputs = f(inputs);
  for (const auto& [name, y] : outputs) { check.compare("output/" + name, y.value(), limit("output/" + name)); }
  const std::vector<std::string> wanted = check.c.names("grad");
  if (wanted.empty()) return;
  const Tensor loss = seeded(check.c, outputs);
  const Grads grads = loss.recorded() ? tape.backward(loss) : Grads();
  for (const std::string& name : wanted) {
    check.compare("grad/" + name, gradient(loss, grads, inputs.at(name)), limit("grad/" + name));
  }
}

}  // namespace unroll::agreement
