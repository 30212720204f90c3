// Backpropagation through time with pencil and paper, beside the tape: the notes' RNN with its loss, and an LSTM.
#include <unroll/examples/by_hand.h>

using namespace by_hand;

namespace {

/// Gradients of W [3, 5], seen as its parts for a and x, and of b.
struct GateGradient {
  std::array<double, units * units> wa{};  // row j, column k
  std::array<double, units * inputs> wx{};
  Column b{};

  /// dW += dz [a<t-1>, x<t>]ᵀ     db += dz
  void add(const Column& dz, const Column& a, const Input& x) {
    for (Index j = 0; j < units; ++j) {
      for (Index k = 0; k < units; ++k) wa[j * units + k] += dz[j] * a[k];
      for (Index k = 0; k < inputs; ++k) wx[j * inputs + k] += dz[j] * x[k];
      b[j] += dz[j];
    }
  }
};

/// da<t-1> += Waᵀ dz<t>
void pull_back(const NotesGate& gate, const Column& dz, Column& da) {
  for (Index j = 0; j < units; ++j) {
    for (Index k = 0; k < units; ++k) da[k] += gate.at(j, k) * dz[j];
  }
}

/// `rows` of the library's transposed matrix, from a column on, as the numbers of W row by row.
std::vector<double> transposed(const std::vector<double>& w, Index columns) {
  std::vector<double> out;
  for (Index k = 0; k < columns; ++k) {
    for (Index j = 0; j < units; ++j) out.push_back(w[j * columns + k]);
  }
  return out;
}

/// Compares with columns [column, column + 3) of the library's gradients.
bool same(const std::string& what, const GateGradient& hand, const Array& wx, const Array& wh, const Array& b,
          Index column) {
  const auto part = [&](const Array& g) {
    return g.ndim() == 1 ? g.part(0, column, {units}) : g.part(0, column, {g.rows(), units}).copy();
  };
  bool all = compare("dWa " + what, transposed({hand.wa.begin(), hand.wa.end()}, units), part(wh));
  all &= compare("dWx " + what, transposed({hand.wx.begin(), hand.wx.end()}, inputs), part(wx));
  return compare("db  " + what, {hand.b.begin(), hand.b.end()}, part(b).copy()) && all;
}

// ---- the notes' RNN
//
//   a<t> = tanh(z<t>)    z<t> = Wa [a<t-1>, x<t>] + ba    ŷ<t> = σ(v<t>)    v<t> = Wya a<t> + by
//   L = Σ_t −y<t> ln ŷ<t> − (1 − y<t>) ln(1 − ŷ<t>)       y = 1, 0, 1, 0
//
// From the last step to the first:
//   dv<t> = ŷ<t> − y<t>                                   dWya += dv<t> a<t>ᵀ     dby += dv<t>
//   da<t> = Wyaᵀ dv<t> + Waaᵀ dz<t+1>
//   dz<t> = da<t> * (1 − a<t>²)                           dWa += dz<t> [a<t-1>, x<t>]ᵀ     dba += dz<t>
bool rnn() {
  const NotesGate wa{0, 1};
  const auto wya = [](Index k) { return number(2, k); };
  const double by = number(3, 0);
  std::array<Column, steps + 1> a{};  // a[0] is a<0> = 0
  std::array<double, steps> y_hat, y{1, 0, 1, 0};
  double loss = 0;
  for (Index t = 0; t < steps; ++t) {
    a[t + 1] = by_hand::tanh(wa.z(a[t], x(t)));
    double v = by;
    for (Index k = 0; k < units; ++k) v += wya(k) * a[t + 1][k];
    y_hat[t] = sigma(v);
    loss += -y[t] * std::log(y_hat[t]) - (1 - y[t]) * std::log(1 - y_hat[t]);
  }
  GateGradient hand;
  Column dwya{}, from_later{};
  double dby = 0;
  for (Index t = steps; t-- > 0;) {
    const double dv = y_hat[t] - y[t];
    Column dz;
    for (Index k = 0; k < units; ++k) {
      dwya[k] += dv * a[t + 1][k];
      dz[k] = (wya(k) * dv + from_later[k]) * (1 - a[t + 1][k] * a[t + 1][k]);
    }
    dby += dv;
    hand.add(dz, a[t], x(t));
    from_later = {};
    pull_back(wa, dz, from_later);
  }

  Params params(0, f64);
  const Rnn cell(params / "cell", inputs, units);
  const Linear head(params / "head", units, 1);
  put(wa, cell.wx, cell.wh, cell.b, 0, 0);
  const std::array<double, units> w{wya(0), wya(1), wya(2)};
  head.w.set(Array::of({units, 1}, w.data()));
  head.b.set(Array::of({1}, &by));
  Tape tape;
  const Tensor logits = head(scan(cell, all_inputs()).outputs);
  const Tensor tape_loss = bce_with_logits(logits, Array::of({steps, 1, 1}, y.data()), Reduce::sum);
  const Grads grads = tape.backward(tape_loss);
  bool all = compare("L", {loss}, tape_loss.value());
  all &= same("", hand, grads[cell.wx], grads[cell.wh], grads[cell.b], 0);
  all &= compare("dWya", {dwya.begin(), dwya.end()}, grads[head.w]);
  return compare("dby", {dby}, grads[head.b]) && all;
}

// ---- the LSTM
//
//   c̃ = tanh(Wc [a<t-1>, x<t>] + bc)   Γu, Γf, Γo = σ(…)   c<t> = Γu * c̃ + Γf * c<t-1>   a<t> = Γo * tanh(c<t>)
//   L = Σ_t Σ_i (i + 1) a<t>[i]
//
// From the last step to the first, z being what stands inside tanh or σ:
//   da<t> = (1, 2, 3) + Σ over gates of Waᵀ dz<t+1>
//   dc<t> = da<t> * Γo * (1 − tanh²(c<t>)) + dc<t+1> * Γf<t+1>
//   dzo = da * tanh(c) * Γo (1 − Γo)        dzf = dc * c<t-1> * Γf (1 − Γf)
//   dzu = dc * c̃ * Γu (1 − Γu)              dzc = dc * Γu * (1 − c̃²)
bool lstm() {
  const NotesGate wu{2, 3}, wf{4, 5}, wc{0, 1}, wo{6, 7};
  struct Step {
    Column u, f, g, o;
  };
  std::array<Column, steps + 1> a{}, c{};
  std::array<Step, steps> at;
  double loss = 0;
  for (Index t = 0; t < steps; ++t) {
    at[t] = {sigma(wu.z(a[t], x(t))), sigma(wf.z(a[t], x(t))), by_hand::tanh(wc.z(a[t], x(t))),
             sigma(wo.z(a[t], x(t)))};
    for (Index j = 0; j < units; ++j) {
      c[t + 1][j] = at[t].u[j] * at[t].g[j] + at[t].f[j] * c[t][j];
      a[t + 1][j] = at[t].o[j] * std::tanh(c[t + 1][j]);
      loss += static_cast<double>(j + 1) * a[t + 1][j];
    }
  }
  std::array<GateGradient, 4> hand;  // u, f, c̃, o: the order of the library's columns
  Column da_later{}, dc_later{};
  for (Index t = steps; t-- > 0;) {
    const auto& [u, f, g, o] = at[t];
    std::array<Column, 4> dz;
    for (Index j = 0; j < units; ++j) {
      const double da = static_cast<double>(j + 1) + da_later[j], squashed = std::tanh(c[t + 1][j]);
      const double dc = da * o[j] * (1 - squashed * squashed) + dc_later[j];
      dz[0][j] = dc * g[j] * u[j] * (1 - u[j]);
      dz[1][j] = dc * c[t][j] * f[j] * (1 - f[j]);
      dz[2][j] = dc * u[j] * (1 - g[j] * g[j]);
      dz[3][j] = da * squashed * o[j] * (1 - o[j]);
      dc_later[j] = dc * f[j];
    }
    da_later = {};
    Index k = 0;
    for (const NotesGate& gate : {wu, wf, wc, wo}) {
      hand[k].add(dz[k], a[t], x(t));
      pull_back(gate, dz[k++], da_later);
    }
  }

  Params params(0, f64);
  const Lstm cell(params, inputs, units);
  Index column = 0;
  for (const NotesGate& gate : {wu, wf, wc, wo}) {
    put(gate, cell.wx, cell.wh, cell.b, column, column);
    column += units;
  }
  const std::array<double, units> weights{1, 2, 3};
  Tape tape;
  const Tensor tape_loss = sum(scan(cell, all_inputs()).outputs * Tensor(Array::of({units}, weights.data())));
  const Grads grads = tape.backward(tape_loss);
  bool all = compare("L", {loss}, tape_loss.value());
  for (Index k = 0; const char* name : {"u", "f", "c", "o"}) {
    all &= same(name, hand[k], grads[cell.wx], grads[cell.wh], grads[cell.b], k * units);
    ++k;
  }
  return all;
}

}  // namespace

int main() {
  fmt::print("{}\n", bold("RNN"));
  bool all = rnn();
  fmt::print("\n{}\n", bold("LSTM"));
  all &= lstm();
  fmt::print("\n{}\n", all ? "The tape's gradients are those derived by hand." : "The tape disagrees!");
  return all ? 0 : 1;
}
