// A second file with all headers: what they define must not be defined twice when both are linked.
#include <unroll/unroll.h>

unroll::Index parameters_of_a_cell() {
  unroll::Params params(1);
  const unroll::Gru cell(params / "cell", 3, 8);
  return params.count();
}
