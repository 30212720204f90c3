// The notes' equations of forward propagation, computed with plain loops beside the library's cells: RNN, GRU, LSTM.
#include <unroll/examples/by_hand.h>

using namespace by_hand;

namespace {

/// a<t> = tanh(Wa [a<t-1>, x<t>] + ba)
Column rnn() {
  const NotesGate wa{0, 1};
  Column a{};
  for (Index t = 0; t < steps; ++t) a = tanh(wa.z(a, x(t)));
  return a;
}

/// c̃<t> = tanh(Wc [c<t-1>, x<t>] + bc)     Γu = σ(Wu [c<t-1>, x<t>] + bu)     c<t> = Γu * c̃<t> + (1 − Γu) * c<t-1>
Column simplified_gru() {
  const NotesGate wc{0, 1}, wu{2, 3};
  Column c{};
  for (Index t = 0; t < steps; ++t) {
    const Column candidate = tanh(wc.z(c, x(t))), u = sigma(wu.z(c, x(t)));
    for (Index j = 0; j < units; ++j) c[j] = u[j] * candidate[j] + (1 - u[j]) * c[j];
  }
  return c;
}

/// The same with Γr = σ(Wr [c<t-1>, x<t>] + br) and c̃<t> = tanh(Wc [Γr * c<t-1>, x<t>] + bc)
Column full_gru() {
  const NotesGate wc{0, 1}, wu{2, 3}, wr{4, 5};
  Column c{};
  for (Index t = 0; t < steps; ++t) {
    const Column r = sigma(wr.z(c, x(t))), u = sigma(wu.z(c, x(t)));
    Column kept;
    for (Index j = 0; j < units; ++j) kept[j] = r[j] * c[j];
    const Column candidate = tanh(wc.z(kept, x(t)));
    for (Index j = 0; j < units; ++j) c[j] = u[j] * candidate[j] + (1 - u[j]) * c[j];
  }
  return c;
}

/// c̃<t> = tanh(Wc [a<t-1>, x<t>] + bc)     Γu, Γf, Γo = σ(W [a<t-1>, x<t>] + b)
/// c<t> = Γu * c̃<t> + Γf * c<t-1>          a<t> = Γo * c<t> in the notes, Γo * tanh(c<t>) everywhere else
Column lstm(LstmOutput form) {
  const NotesGate wc{0, 1}, wu{2, 3}, wf{4, 5}, wo{6, 7};
  Column a{}, c{};
  for (Index t = 0; t < steps; ++t) {
    const Column candidate = tanh(wc.z(a, x(t)));
    const Column u = sigma(wu.z(a, x(t))), f = sigma(wf.z(a, x(t))), o = sigma(wo.z(a, x(t)));
    for (Index j = 0; j < units; ++j) c[j] = u[j] * candidate[j] + f[j] * c[j];
    for (Index j = 0; j < units; ++j) a[j] = o[j] * (form == LstmOutput::c ? c[j] : std::tanh(c[j]));
  }
  return a;
}

bool same(const std::string& what, const Column& hand, const Tensor& library) {
  return compare(what, {hand.begin(), hand.end()}, library.value());
}

}  // namespace

int main() {
  const Tensor xs = all_inputs();
  bool all = true;
  fmt::print("a<4> after four steps from a<0> = 0\n\n");
  {
    Params params(0, f64);
    const Rnn cell(params, inputs, units);
    put({0, 1}, cell.wx, cell.wh, cell.b, 0, 0);
    all &= same("RNN", rnn(), scan(cell, xs).last.a);
  }
  {
    Params params(0, f64);
    const SimpleGru cell(params, inputs, units);  // columns: Γu, c̃
    put({2, 3}, cell.wx, cell.wh, cell.b, 0, 0);
    put({0, 1}, cell.wx, cell.wh, cell.b, units, units);
    all &= same("simple GRU", simplified_gru(), scan(cell, xs).last.c);
  }
  {
    Params params(0, f64);
    const Gru cell(params, inputs, units, Reset::before);  // columns: Γu, Γr, c̃
    put({2, 3}, cell.wx, cell.wh, cell.b, 0, 0);
    put({4, 5}, cell.wx, cell.wh, cell.b, units, units);
    put({0, 1}, cell.wx, cell.wc, cell.b, 2 * units, 0);
    all &= same("GRU", full_gru(), scan(cell, xs).last.c);
  }
  for (const LstmOutput form : {LstmOutput::c, LstmOutput::tanh_c}) {
    Params params(0, f64);
    const Lstm cell(params, inputs, units, {.output = form});  // columns: Γu, Γf, c̃, Γo
    Index column = 0;
    for (const NotesGate gate : {NotesGate{2, 3}, NotesGate{4, 5}, NotesGate{0, 1}, NotesGate{6, 7}}) {
      put(gate, cell.wx, cell.wh, cell.b, column, column);
      column += units;
    }
    all &= same(form == LstmOutput::c ? "LSTM, notes" : "LSTM, tanh", lstm(form), scan(cell, xs).last.h);
  }
  fmt::print("\n{}\n", all ? "The library computes the notes' equations." : "The library computes something else!");
  return all ? 0 : 1;
}
