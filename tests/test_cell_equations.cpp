// The newer cells against their equations in plain loops over one sequence.
#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, hidden = 4, steps = 5;
using Vector = std::vector<double>;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// x W, the columns [column, column + n) of it.
Vector times(const Vector& x, const Param& w, Index column, Index n) {
  Vector y(n, 0);
  const Index width = w.dim(1);
  for (Index k = 0; k < x.size(); ++k) {
    for (Index j = 0; j < n; ++j) y[j] += x[k] * w.value().flat(k * width + column + j);
  }
  return y;
}
/// x Wx + h Wh + b, gate `gate` of it.
Vector affine_gate(const Vector& x, const Vector& h, const Param& wx, const Param& wh, const Param& b, Index gate,
                   Index n) {
  Vector z = times(x, wx, gate * n, n);
  const Vector of_h = times(h, wh, gate * n, n);
  for (Index j = 0; j < n; ++j) z[j] += of_h[j] + b.value().flat(gate * n + j);
  return z;
}
Vector affine_gate(const Vector& x, const Param& wx, const Param& b, Index gate, Index n) {
  Vector z = times(x, wx, gate * n, n);
  for (Index j = 0; j < n; ++j) z[j] += b.value().flat(gate * n + j);
  return z;
}

/// Scans random numbers from a random state, and does the same by next(x, states), which changes the states in place
/// and whose first one is the output.
template <class C, class Next>
void check_against(const C& cell, Params& params, Next next) {
  params.fill(uniform(0.9));
  const Tensor xs = random_array({steps, 1, in}, 2);
  const auto start = random_state(cell.zero_state(1), 3);
  const auto scanned = scan(cell, xs, start);
  std::vector<Vector> state;
  each_field(start, [&](const Tensor& x) {
    const auto numbers = x.as<double>();
    state.emplace_back(numbers.begin(), numbers.end());
  });
  for (Index t = 0; t < steps; ++t) {
    Vector x(in);
    for (Index i = 0; i < in; ++i) x[i] = xs.value().flat(t * in + i);
    next(x, state);
    const Array output = at(scanned.outputs, t).value();
    for (Index j = 0; j < cell.size(); ++j) CHECK(std::abs(output.flat(j) - state[0][j]) <= 1e-14);
  }
  const auto last = tensors_of(scanned.last);
  for (Index k = 0; k < last.size(); ++k) {
    for (Index j = 0; j < last[k].size(); ++j) CHECK(std::abs(last[k].value().flat(j) - state[k][j]) <= 1e-14);
  }
}

}  // namespace

// PyTorch's documentation of nn.LSTM: i, f and o are σ(W_i· x + b_i· + W_h· h + b_h·), g its tanh, c' = f∘c + i∘g,
// h' = o∘tanh(c'), and "if proj_size > 0 … h' = W_hr h'".
TEST_CASE("ProjectedLstm: nn.LSTM with proj_size, as PyTorch documents it") {
  constexpr Index projected = 3;
  Params params(1, f64);
  const ProjectedLstm cell(params, in, hidden, projected);
  CHECK(cell.size() == projected);
  CHECK(cell.wh.shape() == Shape{projected, 4 * hidden});
  CHECK(cell.wr.shape() == Shape{hidden, projected});
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    const auto gate = [&](Index k) { return affine_gate(x, s[0], cell.wx, cell.wh, cell.b, k, hidden); };
    const Vector i = gate(0), f = gate(1), g = gate(2), o = gate(3);
    Vector full(hidden);
    for (Index j = 0; j < hidden; ++j) {
      s[1][j] = logistic(f[j]) * s[1][j] + logistic(i[j]) * std::tanh(g[j]);
      full[j] = logistic(o[j]) * std::tanh(s[1][j]);
    }
    s[0] = times(full, cell.wr, 0, projected);
  });
}

TEST_CASE("CoupledLstm: what is forgotten is what is taken in") {
  Params params(1, f64);
  const CoupledLstm cell(params, in, hidden);
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    const auto gate = [&](Index k) { return affine_gate(x, s[0], cell.wx, cell.wh, cell.b, k, hidden); };
    const Vector i = gate(0), g = gate(1), o = gate(2);
    for (Index j = 0; j < hidden; ++j) {
      const double f = 1 - logistic(i[j]);
      s[1][j] = f * s[1][j] + logistic(i[j]) * std::tanh(g[j]);
      s[0][j] = logistic(o[j]) * std::tanh(s[1][j]);
    }
  });
  // At the start it forgets as an Lstm does whose forget bias is 1.
  Params fresh(1, f64);
  const CoupledLstm coupled(fresh / "coupled", in, hidden);
  const Lstm lstm(fresh / "lstm", in, hidden);
  CHECK(1 - logistic(coupled.b.value().flat(0)) == doctest::Approx(logistic(lstm.b.value().flat(hidden))));
}

TEST_CASE("LayerNormLstm: x Wx and h Wh are normalized over all gates together, c before the output sees it") {
  Params params(1, f64);
  const LayerNormLstm cell(params, in, hidden);
  const auto normalized = [](Vector x) {
    const double n = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / n;
    for (const double v : x) variance += (v - mean) * (v - mean) / n;
    for (double& v : x) v = (v - mean) / std::sqrt(variance + 1e-5);
    return x;
  };
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    const Vector of_x = normalized(times(x, cell.wx, 0, 4 * hidden)),
                 of_h = normalized(times(s[0], cell.wh, 0, 4 * hidden));
    const auto gate = [&](Index k, Index j) {
      const Index at = k * hidden + j;
      return of_x[at] * cell.gx.value().flat(at) + of_h[at] * cell.gh.value().flat(at) + cell.b.value().flat(at);
    };
    for (Index j = 0; j < hidden; ++j) {
      s[1][j] = logistic(gate(1, j)) * s[1][j] + logistic(gate(0, j)) * std::tanh(gate(2, j));
    }
    const Vector c = normalized(s[1]);
    for (Index j = 0; j < hidden; ++j) {
      s[0][j] = logistic(gate(3, j)) * std::tanh(c[j] * cell.gc.value().flat(j) + cell.bc.value().flat(j));
    }
  });
}

TEST_CASE("IndRnn: each unit sees itself only") {
  Params params(1, f64);
  const IndRnn cell(params, in, hidden);
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    const Vector z = affine_gate(x, cell.wx, cell.b, 0, hidden);
    for (Index j = 0; j < hidden; ++j) s[0][j] = std::max(0., z[j] + cell.u.value().flat(j) * s[0][j]);
  });
}

TEST_CASE("Mgu: one gate that forgets and resets") {
  Params params(1, f64);
  const Mgu cell(params, in, hidden);
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    Vector f = affine_gate(x, cell.wx, cell.b, 0, hidden), n = affine_gate(x, cell.wx, cell.b, 1, hidden);
    const Vector of_h = times(s[0], cell.wh, 0, hidden);
    Vector kept(hidden);
    for (Index j = 0; j < hidden; ++j) {
      f[j] = logistic(f[j] + of_h[j]);
      kept[j] = f[j] * s[0][j];
    }
    const Vector of_kept = times(kept, cell.wc, 0, hidden);
    for (Index j = 0; j < hidden; ++j) s[0][j] = (1 - f[j]) * s[0][j] + f[j] * std::tanh(n[j] + of_kept[j]);
  });
}

TEST_CASE("MinGru: gate and candidate of the input alone") {
  Params params(1, f64);
  const MinGru cell(params, in, hidden);
  check_against(cell, params, [&](const Vector& x, std::vector<Vector>& s) {
    const Vector z = affine_gate(x, cell.wx, cell.b, 0, hidden), n = affine_gate(x, cell.wx, cell.b, 1, hidden);
    for (Index j = 0; j < hidden; ++j) s[0][j] = (1 - logistic(z[j])) * s[0][j] + logistic(z[j]) * n[j];
  });
}
