#include "left_out.h"

namespace unroll::agreement {

const std::vector<LeftOut>& left_out() {
  static const std::vector<LeftOut> all{
      {"unroll refuses the mean, the largest element and the logarithm of a sum over no element, where others give NaN "
       "or an infinity",
       {"torch/reduce/mean_empty", "torch/loss/ce_empty_mean", "torch/loss/ce_mean_allignored",
        "onnx/ops/test_reduce_log_sum_exp_empty_set", "onnx/ops/test_reduce_max_empty_set",
        "onnx/ops/test_reduce_max_empty_set_bool", "onnx/ops/test_reduce_min_empty_set"}},
      {"the division of integers: unroll's tensors hold floating-point numbers", {"onnx/ops/test_div_int32_trunc"}},
      {"three of its 841 numbers pass through a denormal number, which holds a few bits only",
       {"torch/binary/div_edge"}},
      {"PyTorch loses ln 2 beside 1e308 and gives each of two equal numbers the whole gradient; unroll gives each its "
       "half, which is right",
       {"torch/loss/logsumexp_big"}},
      {"a shape has at most six axes",
       {"onnx/loss/test_nllloss_NCd1d2d3d4d5_none_no_weight", "onnx/loss/test_sce_NCd1d2d3d4d5_mean_weight",
        "onnx/loss/test_sce_NCd1d2d3d4d5_mean_weight_log_prob",
        "onnx/loss/test_sce_NCd1d2d3d4d5_none_no_weight_log_prob"}},
      {"PyTorch's derivative of hardsigmoid is 1/6 rounded to float32",
       {"torch/unary/hardsigmoid_edge", "torch/unary/hardsigmoid_rand"}},
      {"there is no connectionist temporal classification", {"torch/loss/ctc_mean", "torch/loss/ctc_sum"}},
      {"pooling belongs to convolutional networks", {"onnx/torchconv/test_operator_maxpool"}},
      {"one of its constants is missing in the reference files", {"onnx/torchconv/test_operator_params"}},
  };
  return all;
}

bool matches(const std::string& pattern, const std::string& path) {
  return pattern.ends_with('*') ? path.starts_with(pattern.substr(0, pattern.size() - 1)) : path == pattern;
}

}  // namespace unroll::agreement
