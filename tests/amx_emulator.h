// AMX in software, so that the products in tiles are tested on processors without it: the instructions are illegal
// there, and a signal handler carries them out (Intel's Instruction Set Extensions Programming Reference, chapter 3).
#pragma once

#include <unroll/core/amx.h>

namespace unroll::testing {

/// Whether there is something to emulate: a processor that has AMX without the right to use it is none.
bool can_emulate_amx();

/// As long as it lives, products in bf16 go through emulated AMX.
class EmulatedAmx {
 public:
  EmulatedAmx();
  ~EmulatedAmx();
  EmulatedAmx(const EmulatedAmx&) = delete;
  EmulatedAmx& operator=(const EmulatedAmx&) = delete;
  static bool now();
  /// Instructions emulated so far.
  static long instructions();
};

}  // namespace unroll::testing
