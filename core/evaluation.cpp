#include <unroll/core/evaluation.h>

namespace unroll {

constinit thread_local bool Evaluation::active_ = false;

}  // namespace unroll
