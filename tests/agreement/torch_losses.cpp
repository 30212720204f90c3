// Losses and softmax.
#include "case.h"

namespace unroll::agreement {

void add_torch_losses(Tasks&) {}

}  // namespace unroll::agreement
