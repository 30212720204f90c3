// Optimizers and clipping against traces of PyTorch; golden/README.md says how a case is laid out.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include <unroll/io/safetensors.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/sgd.h>

using namespace unroll;
using nlohmann::json;

namespace {

const Safetensors& traces() {
  static const Safetensors file = read_safetensors("tests/golden/torch_training.safetensors");
  return file;
}

/// The cases of one group, each with its description.
std::vector<std::pair<std::string, json>> cases(const std::string& group) {
  std::vector<std::pair<std::string, json>> found;
  for (const auto& [name, text] : traces().metadata) {
    json description = json::parse(text);
    if (description["group"] == group) found.emplace_back(name, std::move(description));
  }
  return found;
}

/// The arrays <prefix>0, <prefix>1, … of a case.
std::vector<Array> numbered(const std::string& prefix) {
  std::vector<Array> all;
  for (auto found = traces().arrays.find(prefix + "0"); found != traces().arrays.end();
       found = traces().arrays.find(prefix + std::to_string(all.size()))) {
    all.push_back(found->second);
  }
  return all;
}

/// Element `step` of a trace's first axis.
Array at_step(const Array& trace, Index step, const Shape& shape) { return trace.part(step * shape.rows(), 0, shape); }

bool close(const Array& got, const Array& want, const json& description) {
  const double rtol = description["rtol"], atol = description["atol"];
  REQUIRE(got.shape() == want.shape());
  for (Index i = 0; i < want.size(); ++i) {
    const double g = got.flat(i), w = want.flat(i);
    const bool same = g == w || (std::isnan(g) && std::isnan(w));
    if (!same && !(std::abs(g - w) <= atol + rtol * std::abs(w))) return false;
  }
  return true;
}

std::unique_ptr<Optimizer> optimizer_for(const json& description) {
  const json& a = description["attrs"]["effective"];
  if (description["op"] == "optim.SGD") {
    return std::make_unique<Sgd>(
        SgdOptions{.rate = a["lr"], .momentum = a["momentum"], .weight_decay = a["weight_decay"]});
  }
  if (description["op"] == "optim.Adam") {
    return std::make_unique<Adam>(AdamOptions{.rate = a["lr"],
                                              .beta1 = a["betas"][0],
                                              .beta2 = a["betas"][1],
                                              .epsilon = a["eps"],
                                              .weight_decay = a["weight_decay"]});
  }
  REQUIRE(description["op"] == "optim.AdamW");
  return std::make_unique<AdamW>(AdamWOptions{.rate = a["lr"],
                                              .beta1 = a["betas"][0],
                                              .beta2 = a["betas"][1],
                                              .epsilon = a["eps"],
                                              .weight_decay = a["weight_decay"]});
}

/// Parameters p0, p1, … of the shapes of some arrays.
std::vector<Param> declare(Params& params, const std::vector<Array>& like) {
  std::vector<Param> all;
  for (const Array& array : like) {
    all.push_back(Scope(params)("p" + std::to_string(all.size()), array.shape(), zero));
  }
  return all;
}

Grads as_grads(const std::vector<Param>& params, const std::vector<Array>& arrays) {
  Grads grads;
  for (Index i = 0; i < params.size(); ++i) grads.insert(params[i], arrays[i]);
  return grads;
}

}  // namespace

TEST_CASE("PyTorch's traces: optimizers") {
  const auto all = cases("optim");
  CHECK(all.size() == 8);
  for (const auto& [name, description] : all) {
    CAPTURE(name);
    const auto start = numbered(name + "/param/p"), gradients = numbered(name + "/input/g"),
               want = numbered(name + "/step/p");
    REQUIRE(start.size() == 2);
    Params params(0, f64);
    const auto p = declare(params, start);
    for (Index i = 0; i < p.size(); ++i) p[i].set(start[i]);
    const auto optimizer = optimizer_for(description);
    for (Index k = 0; k < gradients[0].dim(0); ++k) {
      CAPTURE(k);
      std::vector<Array> now;
      for (Index i = 0; i < p.size(); ++i) now.push_back(at_step(gradients[i], k, p[i].shape()));
      optimizer->step(params, as_grads(p, now));
      for (Index i = 0; i < p.size(); ++i) {
        CHECK(close(p[i].value(), at_step(want[i], k, p[i].shape()), description));
      }
    }
  }
}

TEST_CASE("PyTorch's traces: clipping") {
  const auto all = cases("clip");
  CHECK(all.size() == 9);
  for (const auto& [name, description] : all) {
    CAPTURE(name);
    const auto before = numbered(name + "/input/g"), after = numbered(name + "/output/g");
    Params params(0, f64);
    const auto p = declare(params, before);
    const Grads grads = as_grads(p, before);
    const json& attrs = description["attrs"];
    const bool by_norm = description["op"] == "clip_grad_norm_";
    const Grads clipped = by_norm ? clip(grads, attrs["max_norm"]) : clip_value(grads, attrs["clip_value"]);
    for (Index i = 0; i < p.size(); ++i) CHECK(close(clipped[p[i]], after[i], description));
    if (by_norm) {
      CHECK(close(Array::full({}, f64, grads.norm()), traces().arrays.at(name + "/output/total_norm"), description));
    }
  }
}
