#include <array>
#include <atomic>
#include <concepts>
#include <memory>
#include <mutex>

#include <unroll/core/packed_copies.h>
#include <unroll/core/threads.h>

namespace unroll {

/// Packed copies of one matrix for h W and dz Wᵀ, in its own type and in bf16.
struct Packs {
  struct Copy {
    std::atomic<int> uses{0};
    std::atomic<Buffer*> panels{nullptr};
  };
  const void* data;
  Shape shape;
  Index stride;
  std::array<Copy, 4> copies = {};
};

void drop_packs(Buffer* buffer) {
  Packs* packs = std::exchange(buffer->packs, nullptr);
  for (auto& copy : packs->copies) {
    if (Buffer* panels = copy.panels.load()) panels->release();
  }
  std::destroy_at(packs);
  auto* holder = reinterpret_cast<Buffer*>(packs) - 1;  // made by Buffer::make below
  holder->release();
}

namespace packed {
namespace {

std::mutex packs_mutex;

Packs* packs_of(const Array& w) {
  Buffer* buffer = w.buffer();
  Packs* packs = __atomic_load_n(&buffer->packs, __ATOMIC_ACQUIRE);
  if (packs == nullptr) {
    const std::lock_guard lock(packs_mutex);
    packs = buffer->packs;
    if (packs == nullptr) {
      packs = new (Buffer::make(sizeof(Packs))->data()) Packs{w.raw<void>(), w.shape(), w.stride()};
      __atomic_store_n(&buffer->packs, packs, __ATOMIC_RELEASE);
    }
  }
  const bool same = packs->data == w.raw<void>() && packs->shape == w.shape() && packs->stride == w.stride();
  return same ? packs : nullptr;
}

}  // namespace

template <class F>
Buffer* pack_all(Operand<typename Tile<F>::Out> w, Index k, Index n) {
  using K = Tile<F>;
  const Index all = units<F>(k);
  Buffer* buffer = Buffer::make(packed_size<F>(all, n) * sizeof(typename K::Unit));
  auto* out = static_cast<typename K::Unit*>(buffer->data());
  const Index panels = (n + K::panel - 1) / K::panel;
  parallel_for(
      panels,
      [&](Index p) {
        const Index n0 = p * K::panel;
        for (Index u0 = 0; u0 < all; u0 += depth) {
          const Index count = std::min(depth, all - u0), k0 = u0 * K::per_unit;
          pack_block<F>(w.data, w.row, w.col, k0, std::min(count * K::per_unit, k - k0), n0, n,
                        out + block_offset<F>(u0, count, n0, n));
        }
      },
      k * n >= Index{1} << 18);
  return buffer;
}

template <class F>
const typename Tile<F>::Unit* panels_of(const Array& w, bool transposed, bool at_once) {
  using T = typename Tile<F>::Out;
  Packs* packs = packs_of(w);
  if (packs == nullptr) return nullptr;
  Packs::Copy& copy = packs->copies[(std::same_as<F, Bf16> ? 2 : 0) + (transposed ? 1 : 0)];
  Buffer* panels = copy.panels.load(std::memory_order_acquire);
  if (panels == nullptr) {
    if (copy.uses.fetch_add(1, std::memory_order_relaxed) == 0 && !at_once) return nullptr;
    const Index rows = w.rows(), cols = w.cols();
    Buffer* made = transposed ? pack_all<F>({w.raw<T>(), 1, w.stride()}, cols, rows)
                              : pack_all<F>({w.raw<T>(), w.stride(), 1}, rows, cols);
    if (copy.panels.compare_exchange_strong(panels, made)) {
      panels = made;
    } else {
      made->release();
    }
  }
  return static_cast<const typename Tile<F>::Unit*>(panels->data());
}

template Buffer* pack_all<float>(Operand<float>, Index, Index);
template Buffer* pack_all<double>(Operand<double>, Index, Index);
template const float* panels_of<float>(const Array&, bool, bool);
template const double* panels_of<double>(const Array&, bool, bool);
#if defined(UNROLL_HAS_BF16)
template Buffer* pack_all<Bf16>(Operand<float>, Index, Index);
template const Pair* panels_of<Bf16>(const Array&, bool, bool);
#endif

}  // namespace packed
}  // namespace unroll
