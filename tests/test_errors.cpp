// Wrong calls and what they say: the op, both shapes or dtypes by name, and the rule.
#include <unroll/core/gradcheck.h>

#include "wrong_calls.h"

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("errors: shapes that do not fit") {
  const std::string rule = "; each axis, from the last, must agree or be 1";
  check_messages<ShapeError>({
      {[] {
         zeros({3, 4}) + zeros({3});
       },
       "add: shapes [3, 4] and [3] do not broadcast" + rule},
      {[] {
         zeros({3, 4}) - zeros({2, 4});
       },
       "subtract: shapes [3, 4] and [2, 4] do not broadcast" + rule},
      {[] {
         zeros({3, 4}) * zeros({5});
       },
       "multiply: shapes [3, 4] and [5] do not broadcast" + rule},
      {[] {
         zeros({2, 1, 4}) / zeros({3, 3});
       },
       "divide: shapes [2, 1, 4] and [3, 3] do not broadcast" + rule},
      {[] { max(zeros({2}), zeros({3})); }, "max: shapes [2] and [3] do not broadcast" + rule},
      {[] { min(zeros({2}), zeros({3})); }, "min: shapes [2] and [3] do not broadcast" + rule},
      {[] {
         pointwise([](auto a, auto b, auto c) { return a + b + c; }, zeros({2, 3}), zeros({3}), zeros({2}));
       },
       "pointwise: shapes [2, 3] and [2] do not broadcast" + rule},
      {[] {
         matmul(zeros({3, 4}), zeros({5, 2}));
       },
       "matmul: a is [3, 4] and b is [5, 2]; the columns of a must equal the rows of b"},
      {[] {
         matmul(zeros({}), zeros({1, 2}));
       },
       "matmul: a is [] and b is [1, 2]; the columns of a must equal the rows of b"},
      {[] {
         affine(zeros({2, 3}), zeros({4, 5}), zeros({5}));
       },
       "affine: x is [2, 3], w is [4, 5] and b is [5]; the columns of x must equal the rows of w, and b have one "
       "number for each column of w, or the result's shape"},
      {[] {
         affine(zeros({2, 3}), zeros({3, 5}), zeros({4}));
       },
       "affine: x is [2, 3], w is [3, 5] and b is [4]; the columns of x must equal the rows of w, and b have one "
       "number for each column of w, or the result's shape"},
      {[] {
         affine(zeros({2, 3}), zeros({3, 5}), zeros({1, 5}));
       },
       "affine: x is [2, 3], w is [3, 5] and b is [1, 5]; the columns of x must equal the rows of w, and b have one "
       "number for each column of w, or the result's shape"},
      {[] {
         reshape(zeros({3, 4}), {5, 2});
       },
       "reshape: [3, 4] has 12 elements and [5, 2] has 10"},
      {[] {
         transpose(zeros({3, 4}), {0});
       },
       "transpose: 1 axes are named for a tensor of shape [3, 4]"},
      {[] {
         transpose(zeros({3, 4}), {1, -1});
       },
       "transpose: axis -1 is named twice"},
      {[] {
         transpose(zeros({3, 4}), {0, 2});
       },
       "transpose: axis 2 of a tensor of shape [3, 4]"},
      {[] {
         slice(zeros({3, 4}), 1, 3, 5);
       },
       "slice: [3, 5) of axis 1 of a tensor of shape [3, 4]"},
      {[] {
         slice(zeros({3, 4}), 0, 2, 1);
       },
       "slice: [2, 1) of axis 0 of a tensor of shape [3, 4]"},
      {[] {
         slice(zeros({3, 4}), 2, 0, 1);
       },
       "slice: axis 2 of a tensor of shape [3, 4]"},
      {[] {
         at(zeros({3, 4}), 3);
       },
       "at: element 3 of a tensor of shape [3, 4]"},
      {[] { at(zeros({}), 0); }, "at: element 0 of a tensor of shape []"},
      {[] { unstack(zeros({3})); }, "unstack: the tensor of shape [3] needs at least two axes"},
      {[] {
         split<4>(zeros({3, 6}));
       },
       "split: the last axis of [3, 6] does not divide into 4 parts"},
      {[] {
         split(zeros({3, 6}), std::vector<Index>{2, 3});
       },
       "split: parts of 2, 3 do not add up to axis -1 of [3, 6]"},
      {[] {
         split(zeros({2, 3, 4}), std::vector<Index>{1, 2}, 1);
       },
       "split: axis 1 of [2, 3, 4] is neither the first nor the last"},
      {[] { concat(std::vector<Tensor>{}); }, "concat: there is nothing to join"},
      {[] {
         concat({zeros({3, 4}), zeros({2, 4})});
       },
       "concat: [3, 4] and [2, 4] differ in another axis than -1"},
      {[] {
         concat({zeros({3, 4}), zeros({4})}, 0);
       },
       "concat: [3, 4] and [4] differ in another axis than 0"},
      {[] {
         concat({zeros({3}), zeros({4})}, 1);
       },
       "concat: axis 1 of a tensor of shape [3]"},
      {[] { stack(std::vector<Tensor>{}); }, "stack: there is nothing to join"},
      {[] {
         stack(std::vector{zeros({3}), zeros({4})});
       },
       "stack: [3] and [4] are not of one shape"},
      {[] { flip(zeros({3}), 1); }, "flip: axis 1 of a tensor of shape [3]"},
      {[] {
         flip(zeros({3, 2}), std::vector<Index>{1});
       },
       "flip: x is [3, 2] but there are 1 lengths; one for each of axis 1"},
      {[] {
         flip(zeros({3, 2}), std::vector<Index>{1, 4});
       },
       "flip: a length of 4 in a batch of 3 steps"},
      {[] {
         sum(zeros({3, 4}), {2});
       },
       "sum: axis 2 of a tensor of shape [3, 4]"},
      {[] {
         sum(zeros({3, 4}), {0, -2});
       },
       "sum: axis -2 is named twice"},
      {[] {
         mean(zeros({3, 4}), {-3});
       },
       "mean: axis -3 of a tensor of shape [3, 4]"},
      {[] {
         mean(zeros({0, 4}));
       },
       "mean: the mean over no element of a tensor of shape [0, 4]"},
      {[] {
         max(zeros({0, 4}));
       },
       "max: the maximum over no element of a tensor of shape [0, 4]"},
      {[] {
         logsumexp(zeros({3, 0}), {1});
       },
       "logsumexp: the maximum over no element of a tensor of shape [3, 0]"},
      {[] {
         softmax(zeros({3, 0}));
       },
       "softmax: the tensor of shape [3, 0] has no last axis to normalise"},
      {[] { log_softmax(zeros({})); }, "log_softmax: the tensor of shape [] has no last axis to normalise"},
      {[] { rows(zeros({3}), {0}); }, "rows: the table is [3]; it must have two axes"},
      {[] {
         pick(zeros({3, 4}), {0, 1});
       },
       "pick: x is [3, 4] but there are 2 ids; one for each row"},
      {[] {
         cross_entropy(zeros({3, 4}), {0, 1}, Reduce::sum);
       },
       "cross_entropy: logits are [3, 4] and targets [2]; one target for each row of [N, V], or of [T, B, V]"},
      {[] {
         cross_entropy(zeros({3, 2, 4}), Ids::filled(2, 3, 0), Reduce::sum);
       },
       "cross_entropy: logits are [3, 2, 4] and targets [2, 3]; one target for each row of [N, V], or of [T, B, V]"},
      {[] {
         cross_entropy(zeros({3, 2, 4}), Ids::filled(3, 2, 0), Reduce::sum, {1});
       },
       "cross_entropy: there are 1 lengths for a batch of 2"},
      {[] {
         cross_entropy(zeros({3, 2, 4}), Ids::filled(3, 2, 0), Reduce::sum, {1, 4});
       },
       "cross_entropy: a length of 4 in a batch of 3 steps"},
      {[] {
         cross_entropy(zeros({3, 2, 4}), Ids::filled(3, 2, 0), Reduce::per_token, {0, 0});
       },
       "cross_entropy: a mean over no token"},
      {[] {
         cross_entropy(zeros({0, 4}), Ids(), Reduce::per_sequence);
       },
       "cross_entropy: a mean over no sequence"},
      {[] { bce_with_logits(zeros({3}), Array::zeros({4}, f32), Reduce::sum); },
       "bce_with_logits: logits are [3] and targets [4]; they must have one shape"},
      {[] { bce_with_logits(zeros({3}), Array::zeros({3}, f32), Reduce::sum, {1}); },
       "bce_with_logits: lengths need a batch [T, B, ...], not [3]"},
  });
}

TEST_CASE("errors: dtypes do not mix") {
  const auto mixed = [](const char* op) {
    return fmt::format("{}: dtypes f32 and f64 do not mix; convert one with to(…)", op);
  };
  const Tensor a = zeros({2, 2}), b = zeros({2, 2}, f64);
  check_messages<ShapeError>({
      {[=] { a + b; }, mixed("add")},
      {[=] { a - b; }, mixed("subtract")},
      {[=] { a* b; }, mixed("multiply")},
      {[=] { a / b; }, mixed("divide")},
      {[=] { max(a, b); }, mixed("max")},
      {[=] { pointwise([](auto x, auto y) { return x * y; }, a, b); }, mixed("pointwise")},
      {[=] { matmul(a, b); }, mixed("matmul")},
      {[=] { affine(a, b, zeros({2}, f64)); }, mixed("affine")},
      {[=] { affine(a, a, zeros({2}, f64)); }, mixed("affine")},
      {[=] {
         concat({a, b});
       },
       mixed("concat")},
      {[=] {
         stack(std::vector{a, b});
       },
       mixed("stack")},
      {[=] { bce_with_logits(a, b.value(), Reduce::sum); }, mixed("bce_with_logits")},
      {[=] {
         Tape tape;
         const Tensor x = tape.watch(a);
         tape.backward(x, b.value());
       },
       "backward: the cotangent is f64 [2, 2] and the tensor f32 [2, 2]"},
  });
  CHECK((a * 2.0).dtype() == f32);  // a C++ number takes its partner's dtype
  CHECK((1.0 - b).dtype() == f64);
}

TEST_CASE("errors: ids and rates out of range") {
  Random random(1);
  const std::string rate = "; it must be at least 0 and below 1";
  check_messages<UsageError>({
      {[] {
         rows(zeros({3, 2}), {0, 3});
       },
       "rows: id 3 at position 1 is outside 0 … 2"},
      {[] {
         rows(zeros({3, 2}), {-1});
       },
       "rows: id -1 at position 0 is outside 0 … 2"},
      {[] {
         pick(zeros({2, 3}), {0, 7});
       },
       "pick: id 7 at position 1 is outside 0 … 2"},
      {[] {
         cross_entropy(zeros({2, 3}), {0, 3}, Reduce::sum);
       },
       "cross_entropy: target 3 of sequence 1 is outside 0 … 2"},
      {[] {
         cross_entropy(zeros({2, 2, 3}), Ids({0, 1, 2, -5}, 2, 2), Reduce::sum);
       },
       "cross_entropy: target -5 of step 1, sequence 1 is outside 0 … 2"},
      {[&] { dropout(zeros({2}), 1, random); }, "dropout: a rate of 1" + rate},
      {[&] { dropout(zeros({2}), -0.5, random); }, "dropout: a rate of -0.5" + rate},
      {[&] { dropout(zeros({2}), std::nan(""), random); }, "dropout: a rate of nan" + rate},
  });
  CHECK_THROWS_WITH_AS(Ids({0, 1, 2}, 2, 2), "Ids: 3 values do not fill [2, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(Ids({0, 1, 2}).dim(1), "Ids: axis 1 of ids with 1 axes", ShapeError);
}

TEST_CASE("errors: tensors without a value") {
  const Tensor none;
  for (const auto& [op, call] : std::vector<std::pair<const char*, std::function<void()>>>{
           {"add", [=] { none + zeros({2}); }},
           {"subtract", [=] { zeros({2}) - none; }},
           {"multiply", [=] { none* zeros({2}); }},
           {"multiply", [=] { none * 2.0; }},
           {"divide", [=] { none / zeros({}); }},
           {"max", [=] { max(none, none); }},
           {"tanh", [=] { tanh(none); }},
           {"pointwise", [=] { pointwise([](auto x) { return x; }, none); }},
           {"stack", [=] { stack(std::vector{none}); }},
           {"reshape", [=] { reshape(none, {1}); }},
           {"sum", [=] { sum(none); }},
           {"mean", [=] { mean(none); }},
           {"max", [=] { max(none); }},
           {"logsumexp", [=] { logsumexp(none); }},
           {"bce_with_logits", [=] { bce_with_logits(none, Array(), Reduce::sum); }}}) {
    CHECK_THROWS_WITH_AS(call(), fmt::format("{}: an input has no value", op).c_str(), UsageError);
  }
  CHECK_THROWS_AS(matmul(none, zeros({2, 2})), ShapeError);
  CHECK_THROWS_AS(concat({none}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(none, {0}, Reduce::sum), ShapeError);
}

TEST_CASE("errors: tapes") {
  Tensor ended;
  {
    Tape tape;
    ended = tape.watch(zeros({2, 3})) * 2.0;
  }
  Params params(1);
  const Param p = Scope(params)("w", {2, 3}, zero), frozen = Scope(params)("u", {2, 3}, zero);
  frozen.freeze();
  Tape tape;
  const auto gone = [](const char* op) {
    return fmt::format("{}: a tensor of shape [2, 3] was recorded on a tape that has ended; detach(x) keeps its value",
                       op);
  };
  check_messages<UsageError>({
      {[&] { ended + 1.0; }, gone("add")},
      {[&] { 2.0 * ended; }, gone("multiply")},
      {[&] { tanh(ended); }, gone("tanh")},
      {[&] { pointwise([](auto x) { return x; }, ended); }, gone("pointwise")},
      {[&] {
         matmul(ended, zeros({3, 2}));
       },
       gone("matmul")},
      {[&] { split<3>(ended); }, gone("split")},
      {[&] { at(ended, 0); }, gone("at")},
      {[&] { reshape(ended, {6}); }, gone("reshape")},
      {[&] {
         concat({zeros({2, 3}), ended});
       },
       gone("concat")},
      {[&] { stack(std::vector{ended}); }, gone("stack")},
      {[&] { sum(ended); }, gone("sum")},
      {[&] { softmax(ended); }, gone("softmax")},
      {[&] { rows(ended, {0}); }, gone("rows")},
      {[&] {
         cross_entropy(ended, {0, 1}, Reduce::sum);
       },
       gone("cross_entropy")},
      {[&] { tape.watch(ended); }, gone("watch")},
      {[&] { tape.backward(sum(zeros({2}))); },
       "backward: the loss does not depend on any parameter or watched tensor recorded on this tape"},
      {[&] { tape.backward(sum(frozen)); },
       "backward: the loss does not depend on any parameter or watched tensor recorded on this tape"},
  });
  CHECK_THROWS_WITH_AS(tape.backward(p * 2.0),
                       "backward: the loss has shape [2, 3]; only a scalar has a gradient (reduce it with sum or mean, "
                       "or pass a cotangent)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(p * 2.0, Array::zeros({3, 2}, f32)),
                       "backward: the cotangent is f32 [3, 2] and the tensor f32 [2, 3]", ShapeError);
  CHECK((detach(ended) + 1.0).size() == 6);

  const Grads grads = tape.backward(sum(p * 2.0));  // the refused calls have left the tape whole
  CHECK(grads[p].flat(0) == 2);
  check_messages<UsageError>({
      {[&] { grads[frozen]; }, "there is no gradient for 'u': the loss does not depend on it, or it is frozen"},
      {[&] { grads["x"]; }, "there is no gradient for 'x': no such parameter, or the loss does not depend on it"},
      {[&] {
         grads[zeros({2, 3})];
       },
       "there is no gradient for this tensor of shape [2, 3]: mark it first, x = tape.watch(x), and use the result"},
      {[&] { tape.watch(p); }, "watch: backward has already run on this tape"},
  });
}

TEST_CASE("errors: rules of one's own") {
  const auto backward = [](auto rule) {
    Tape tape;
    const Tensor x = tape.watch(zeros({3, 4}));
    tape.backward(sum(record("mine", x.value(), wrt(x, rule))));
  };
  CHECK_THROWS_WITH_AS(backward([](const Array&) {
                         return Array::zeros({4, 3}, f32);
                       }),
                       "a rule returned a gradient of shape [4, 3] for an input of shape [3, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(backward([](const Array&) { return Array::zeros({4}, f32); }),
                       "a rule returned a gradient of shape [4] for an input of shape [3, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(backward([](const Array&) {
                         return Array::zeros({3, 4}, f64);
                       }),
                       "a rule returned a gradient f64 [3, 4] for an input f32 [3, 4] (the result of 'watched')",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      backward(outer(zeros({3, 2}))),
      "outer: aᵀ dy of f32 [3, 2] and f32 [3, 4] is no gradient of f32 [3, 4] (the result of 'watched')", ShapeError);
  CHECK_NOTHROW(backward([](const Array&) {
    return Array::zeros({2, 3, 4}, f32);
  }));  // summed, as of a broadcast input
}
