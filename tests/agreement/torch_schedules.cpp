// Learning rates over 60 steps.
#include <unroll/optim/schedule.h>

#include "case.h"

namespace unroll::agreement {

void add_torch_schedules(Tasks&) {}

}  // namespace unroll::agreement
