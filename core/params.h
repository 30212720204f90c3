// Parameters: named arrays in the order of their creation, shared by the model that uses them and the optimizer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/init.h>
#include <unroll/core/random.h>
#include <unroll/core/tensor.h>

namespace unroll {

struct ParamData {
  std::string name;
  Array value;
  Index order = 0;
  bool frozen = false;
};

/// A handle to one parameter. Used in an op it becomes a tensor: a leaf of the tape in scope, one per tape, or what a
/// `Substitute` has put in its place.
class Param {
 public:
  Param() = default;
  explicit Param(std::shared_ptr<ParamData> data) : data_(std::move(data)) {}

  operator Tensor() const;
  const std::string& name() const { return data().name; }
  const Array& value() const { return data().value; }
  /// Replaces the value. Errors: another shape or dtype.
  void set(Array value) const;
  const Shape& shape() const { return value().shape(); }
  Index dim(int axis) const { return value().dim(axis); }
  Dtype dtype() const { return value().dtype(); }
  bool frozen() const { return data().frozen; }
  /// A frozen parameter is a constant: it gets no gradient, and no optimizer touches it.
  void freeze(bool frozen = true) const { data().frozen = frozen; }
  /// Zeros [rows, cols] in this parameter's dtype: the start of a state.
  Tensor zeros(Index rows, Index cols) const { return Array::zeros({rows, cols}, dtype()); }
  ParamData& data() const {
    require<UsageError>(data_ != nullptr, "a parameter was used before it was created");
    return *data_;
  }

 private:
  std::shared_ptr<ParamData> data_;
};

class Params;

/// A place in the tree of names. `scope / "cell"` goes down; `scope("wx", {in, out}, glorot)` creates a parameter
/// there.
class Scope {
 public:
  Scope operator/(std::string_view name) const;
  /// Errors: the name exists already, is empty, or holds a '/' or '.'.
  Param operator()(std::string_view name, const Shape& shape, const Init& init) const;
  const std::string& path() const { return path_; }
  /// The random numbers of the parameters this scope belongs to.
  Random& random() const;

 private:
  friend class Params;
  Scope(Params* params, std::string path) : params_(params), path_(std::move(path)) {}
  Params* params_;
  std::string path_;
};

/// All parameters of a model. They live as long as this object or any handle to them.
class Params {
 public:
  explicit Params(std::uint64_t seed = 0, Dtype dtype = f32);
  Params(const Params&) = delete;
  Params& operator=(const Params&) = delete;

  operator Scope() { return Scope(this, ""); }
  Scope operator/(std::string_view name) { return Scope(*this) / name; }

  /// In the order of creation.
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  Index size() const { return all_.size(); }
  /// Numbers in all parameters together.
  Index count() const;
  /// Errors: no parameter has that name (the names that exist are listed).
  const Param& operator[](std::string_view name) const;
  bool contains(std::string_view name) const;
  Dtype dtype() const { return dtype_; }
  /// Converts every parameter, and those created later.
  void to(Dtype dtype);
  /// Draws every parameter anew, in order: for recipes that start all of them alike.
  void fill(const Init& init);
  /// Freezes all parameters whose name begins with `names`; where that holds a `*` or `?`, all whose name it describes
  /// (see core/glob.h): `params.freeze("lm.embedding")`, `params.freeze("*.b", false)`. Errors: there is none.
  void freeze(std::string_view names, bool frozen = true);
  /// A table: name, shape, count; frozen ones marked; the total.
  std::string summary() const;
  Random& random() { return random_; }

 private:
  friend class Scope;
  Param create(std::string name, const Shape& shape, const Init& init);

  std::vector<Param> all_;
  Random random_;
  Dtype dtype_;
};

}  // namespace unroll
