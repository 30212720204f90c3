// A reference case of another framework: what it asks for, its numbers, and how ours are held against them.
// README.md says what the files hold.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include <unroll/core/ops.h>

namespace unroll::agreement {

using nlohmann::json;

/// All numbers of a file, and where a case's tensors lie in them.
struct Place {
  char type = 'd';  // d: f64, f: f32, i: 32-bit integer, B: bool
  std::vector<Index> shape;
  Index offset = 0;  // in bytes
  Index size() const;
};

/// One case. Its tensors are called <role>/<name>: input/x, param/weight_ih_l0, seed/out, output/out, grad/x, step/p0.
struct Case {
  std::string origin, group, name, op;
  json attrs;
  double rtol = 0, atol = 0;
  std::map<std::string, Place> tensors;
  std::shared_ptr<const std::string> numbers;

  /// torch/unary/tanh_random, say.
  std::string path() const { return origin + "/" + group + "/" + name; }
  /// What it runs: torch/unary/tanh, say.
  std::string task() const { return origin + "/" + group + "/" + op; }
  bool has(const std::string& tensor) const { return tensors.contains(tensor); }
  const Place& place(const std::string& tensor) const;
  Shape shape(const std::string& tensor) const;
  /// The names of a role's tensors, without the role.
  std::vector<std::string> names(const std::string& role) const;
  std::vector<double> values(const std::string& tensor) const;
  /// In f64, whatever it was stored in.
  Array array(const std::string& tensor) const;
  double scalar(const std::string& tensor) const { return values(tensor).at(0); }
  std::vector<int> integers(const std::string& tensor) const;
  Ids ids(const std::string& tensor) const;
  std::vector<Index> lengths(const std::string& tensor) const;

  bool flag(const char* attr) const { return attrs.value(attr, false); }
  Index number(const char* attr, Index otherwise = 0) const { return attrs.value(attr, otherwise); }
};

/// The cases of tests/agreement/<origin>.json. Errors: a file is missing or does not hold what it must.
std::vector<Case> read_cases(const std::string& origin);

/// A case on its way: what was compared, and what disagreed.
struct Check {
  const Case& c;
  std::set<std::string> compared = {};
  std::vector<std::string> problems = {};

  /// Within the case's tolerances, infinities and NaN in the same places. Where the reference is NaN and `limit` is
  /// not, the limit is right too.
  void compare(const std::string& tensor, const Array& got, const Array& limit = {});
  /// The same within other tolerances.
  void compare_within(double rtol, double atol, const std::string& tensor, const Array& got, const Array& limit = {});
  /// Names the outputs, gradients and steps of the case that nobody compared.
  void require_all_compared();
};

/// Lets denormal numbers be, which a tape treats as zero for speed. Some cases hold them, to see what the ops make of
/// them.
class KeepDenormals {
 public:
  KeepDenormals();
  ~KeepDenormals();
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;

 private:
  unsigned before_;
};

using Tensors = std::map<std::string, Tensor>;
using Function = std::function<Tensors(const Tensors& inputs)>;

/// Watches every input that the case has a gradient of; the others stay constants.
Tensors watched_inputs(const Case& c, Tape& tape);
/// Σ ⟨seed, output⟩ over the outputs that have a seed; where none has one, the output itself.
Tensor seeded(const Case& c, const Tensors& outputs);
/// The gradient of a watched tensor; zero where nothing depends on it.
Array gradient(const Tensor& loss, const Grads& grads, const Tensor& watched);
/// Compares all outputs of f at the case's inputs, and the gradients of `seeded`. `limits` holds, under a tensor's
/// name, what is right where the reference is NaN.
void differentiate(Check& check, const Function& f, const std::map<std::string, Array>& limits = {});

/// Ids as the numbers they are compared as.
Array numbers(const Ids& ids);

/// What runs a case of each task.
using Tasks = std::map<std::string, std::function<void(Check&)>>;

// One per file.
void add_torch_recurrent(Tasks& tasks);
void add_torch_elementwise(Tasks& tasks);
void add_torch_reductions(Tasks& tasks);
void add_torch_shape(Tasks& tasks);
void add_torch_losses(Tasks& tasks);
void add_torch_optimizers(Tasks& tasks);
void add_torch_schedules(Tasks& tasks);
void add_torch_trainings(Tasks& tasks);
void add_keras_recurrent(Tasks& tasks);
void add_keras_training(Tasks& tasks);
void add_onnx_nodes(Tasks& tasks);
void add_onnx_optimizers(Tasks& tasks);
void add_onnx_recurrent(Tasks& tasks);

}  // namespace unroll::agreement
