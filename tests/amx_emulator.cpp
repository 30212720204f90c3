#include <unroll/tests/amx_emulator.h>

#if defined(UNROLL_HAS_AMX)

#include <atomic>
#include <bit>
#include <csignal>
#include <cstring>

#include <cpuid.h>
#include <ucontext.h>

namespace unroll::testing {
namespace {

using Byte = unsigned char;

/// A thread's tiles, as `ldtilecfg` lays them out.
struct Tiles {
  bool configured = false;
  std::uint16_t row_bytes[8] = {};
  Byte rows[8] = {};
  alignas(64) Byte data[8][16][64] = {};
};
thread_local Tiles tiles;
std::atomic<long> emulated{0};
std::atomic<bool> emulating{false};

float widened(const Byte* half) {
  std::uint16_t bits;
  std::memcpy(&bits, half, 2);
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// The fields of an instruction of the tiles: a three-byte VEX prefix, an opcode and its operands.
class Instruction {
 public:
  Instruction(const Byte* code, const greg_t* registers) : code_(code), registers_(registers) {}

  bool is_one() const { return code_[0] == 0xC4 && (code_[1] & 0x1F) == 2 && (code_[2] & 0x84) == 0; }
  int prefix() const { return code_[2] & 3; }  // 1: 66, 2: F3, 3: F2
  Byte opcode() const { return code_[3]; }
  bool of_registers() const { return mod() == 3; }
  /// With a base and the distance of its rows.
  bool is_tile_in_memory() const { return !of_registers() && rm() == 4 && (mod() != 0 || (code_[5] & 7) != 5); }
  int reg() const { return (modrm() >> 3) & 7; }
  int rm() const { return modrm() & 7; }
  int third() const { return (~code_[2] >> 3) & 7; }  // vvvv

  int length() const {
    const int with_sib = 5 + (!of_registers() && rm() == 4 ? 1 : 0);
    return with_sib + (mod() == 1 ? 1 : mod() == 2 || absolute() ? 4 : 0);
  }
  Byte* address() const {
    std::uint64_t at = absolute() ? static_cast<std::uint64_t>(registers_[REG_RIP] + length()) : value(base());
    std::int32_t offset = 0;
    const Byte* bytes = code_ + 5 + (rm() == 4 ? 1 : 0);
    if (mod() == 1) offset = static_cast<std::int8_t>(*bytes);
    if (mod() == 2 || absolute()) std::memcpy(&offset, bytes, 4);
    at += static_cast<std::uint64_t>(static_cast<std::int64_t>(offset));
    return reinterpret_cast<Byte*>(at);
  }
  /// The index register of the SIB byte is the distance of rows.
  std::uint64_t stride() const {
    const int index = ((code_[5] >> 3) & 7) | ((code_[1] & 0x40) == 0 ? 8 : 0);
    return index == 4 ? 0 : value(index) << (code_[5] >> 6);
  }

 private:
  Byte modrm() const { return code_[4]; }
  int mod() const { return modrm() >> 6; }
  bool absolute() const { return mod() == 0 && rm() == 5; }  // beside the instruction
  int base() const { return ((rm() == 4 ? code_[5] : modrm()) & 7) | ((code_[1] & 0x20) == 0 ? 8 : 0); }
  std::uint64_t value(int number) const {
    static constexpr int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return static_cast<std::uint64_t>(registers_[places[number]]);
  }

  const Byte* code_;
  const greg_t* registers_;
};

/// What the processor takes: palette 1 or 0, nothing in reserved places, at most 16 rows of 64 bytes.
bool configure(const Byte* from) {
  Tiles next;
  for (int i = 2; i < 64; ++i) {
    const bool reserved = i < 16 || (i >= 32 && i < 48) || i >= 56;
    if (reserved && from[i] != 0) return false;
  }
  for (int t = 0; t < 8; ++t) {
    std::memcpy(&next.row_bytes[t], from + 16 + 2 * t, 2);
    next.rows[t] = from[48 + t];
    if (next.row_bytes[t] > 64 || next.rows[t] > 16 || (next.row_bytes[t] == 0) != (next.rows[t] == 0)) return false;
  }
  next.configured = from[0] == 1;
  tiles = next;
  return from[0] <= 1;
}

bool is_there(int tile) { return tiles.rows[tile] > 0; }

void load(int tile, const Byte* from, std::uint64_t stride) {
  std::memset(tiles.data[tile], 0, sizeof(tiles.data[tile]));
  for (int r = 0; r < tiles.rows[tile]; ++r)
    std::memcpy(tiles.data[tile][r], from + static_cast<std::uint64_t>(r) * stride, tiles.row_bytes[tile]);
}

void store(int tile, Byte* to, std::uint64_t stride) {
  for (int r = 0; r < tiles.rows[tile]; ++r)
    std::memcpy(to + static_cast<std::uint64_t>(r) * stride, tiles.data[tile][r], tiles.row_bytes[tile]);
}

/// Whether c += a b may be said of these tiles.
bool fit(int c, int a, int b) {
  return c != a && c != b && a != b && is_there(a) && is_there(b) && is_there(c) && tiles.rows[c] == tiles.rows[a] &&
         tiles.row_bytes[c] == tiles.row_bytes[b] && tiles.row_bytes[a] == 4 * tiles.rows[b] &&
         tiles.row_bytes[b] % 4 == 0;
}

/// c += a b: for each pair in depth the first and the second numbers are added up apart, and together at the end.
void multiply(int c, int a, int b) {
  for (int r = 0; r < tiles.rows[c]; ++r) {
    for (int n = 0; n < tiles.row_bytes[c] / 4; ++n) {
      float first = 0, second = 0, sum;
      for (int k = 0; k < tiles.row_bytes[a] / 4; ++k) {
        const Byte *x = tiles.data[a][r] + 4 * k, *y = tiles.data[b][k] + 4 * n;
        first += widened(x) * widened(y);
        second += widened(x + 2) * widened(y + 2);
      }
      Byte* place = tiles.data[c][r] + 4 * n;
      std::memcpy(&sum, place, 4);
      sum += first + second;
      std::memcpy(place, &sum, 4);
    }
  }
}

bool carry_out(const Instruction& i) {
  constexpr int none = 0, f3 = 2, f2 = 3;
  if (!i.is_one()) return false;
  if (i.opcode() == 0x49 && i.prefix() == none) {
    if (i.of_registers()) {
      tiles = {};
    } else {
      return i.rm() != 4 && configure(i.address());
    }
    return true;
  }
  if (!tiles.configured) return false;
  if (i.opcode() == 0x49 && i.prefix() == f2 && i.of_registers() && is_there(i.reg())) {
    std::memset(tiles.data[i.reg()], 0, sizeof(tiles.data[0]));
  } else if (i.opcode() == 0x4B && i.prefix() == f2 && i.is_tile_in_memory() && is_there(i.reg())) {
    load(i.reg(), i.address(), i.stride());
  } else if (i.opcode() == 0x4B && i.prefix() == f3 && i.is_tile_in_memory() && is_there(i.reg())) {
    store(i.reg(), i.address(), i.stride());
  } else if (i.opcode() == 0x5C && i.prefix() == f3 && i.of_registers() && fit(i.reg(), i.rm(), i.third())) {
    multiply(i.reg(), i.rm(), i.third());
  } else {
    return false;
  }
  return true;
}

struct sigaction before;

void on_illegal_instruction(int, siginfo_t*, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const Instruction instruction(reinterpret_cast<const Byte*>(registers[REG_RIP]), registers);
  if (!carry_out(instruction)) {
    sigaction(SIGILL, &before, nullptr);  // it comes again, and ends the program
    return;
  }
  ++emulated;
  registers[REG_RIP] += instruction.length();
}

}  // namespace

bool can_emulate_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned amx_tile = 1u << 24;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & amx_tile) == 0;
}

EmulatedAmx::EmulatedAmx() {
  struct sigaction action = {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, &before);
  packed::use_amx(true);
  emulating = true;
}
EmulatedAmx::~EmulatedAmx() {
  emulating = false;
  packed::use_amx(false);
  sigaction(SIGILL, &before, nullptr);
}
bool EmulatedAmx::now() { return emulating; }
long EmulatedAmx::instructions() { return emulated; }

}  // namespace unroll::testing

#else

namespace unroll::testing {

bool can_emulate_amx() { return false; }
EmulatedAmx::EmulatedAmx() = default;
EmulatedAmx::~EmulatedAmx() = default;
bool EmulatedAmx::now() { return false; }
long EmulatedAmx::instructions() { return 0; }

}  // namespace unroll::testing

#endif
