// AMX in software, so that the products in tiles are tested on processors without it: the instructions are illegal
// there, and a signal handler carries them out (Intel's Instruction Set Extensions Programming Reference, chapter 3).
#pragma once

#include <unroll/core/amx.h>

namespace unroll::testing {

/// As long as it lives, products in bf16 go through tiles, and where the processor has none, through emulated ones.
class EmulatedAmx {
 public:
  EmulatedAmx();
  ~EmulatedAmx();
  EmulatedAmx(const EmulatedAmx&) = delete;
  EmulatedAmx& operator=(const EmulatedAmx&) = delete;
  /// Instructions emulated so far; 0 where the processor has its own.
  static long instructions();

 private:
  bool native_;
};

}  // namespace unroll::testing
