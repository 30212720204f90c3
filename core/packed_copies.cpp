#include <atomic>
#include <memory>
#include <mutex>

#include <unroll/core/packed_copies.h>
#include <unroll/core/threads.h>

namespace unroll {

/// Packed copies of one matrix for h W and dz Wᵀ.
struct Packs {
  struct Copy {
    std::atomic<int> uses{0};
    std::atomic<Buffer*> panels{nullptr};
  };
  const void* data;
  Shape shape;
  Index stride;
  Copy plain, transposed;
};

void drop_packs(Buffer* buffer) {
  Packs* packs = std::exchange(buffer->packs, nullptr);
  for (auto* copy : {&packs->plain, &packs->transposed}) {
    if (Buffer* panels = copy->panels.load()) panels->release();
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
      packs = new (Buffer::make(sizeof(Packs))->data()) Packs{w.raw<void>(), w.shape(), w.stride(), {}, {}};
      __atomic_store_n(&buffer->packs, packs, __ATOMIC_RELEASE);
    }
  }
  const bool same = packs->data == w.raw<void>() && packs->shape == w.shape() && packs->stride == w.stride();
  return same ? packs : nullptr;
}

}  // namespace

template <class T>
Buffer* pack_all(Operand<T> w, Index k, Index n) {
  Buffer* buffer = Buffer::make(packed_size<T>(k, n) * sizeof(T));
  auto* out = static_cast<T*>(buffer->data());
  const Index panels = (n + Tile<T>::panel - 1) / Tile<T>::panel;
  parallel_for(
      panels,
      [&](Index p) {
        const Index n0 = p * Tile<T>::panel;
        for (Index k0 = 0; k0 < k; k0 += depth) {
          const Index kc = std::min(depth, k - k0);
          pack_block(w.data, w.row, w.col, k0, kc, n0, n, out + block_offset<T>(k0, kc, n0, n));
        }
      },
      k * n >= Index{1} << 18);
  return buffer;
}

template <class T>
const T* panels_of(const Array& w, bool transposed, bool at_once) {
  Packs* packs = packs_of(w);
  if (packs == nullptr) return nullptr;
  Packs::Copy& copy = transposed ? packs->transposed : packs->plain;
  Buffer* panels = copy.panels.load(std::memory_order_acquire);
  if (panels == nullptr) {
    if (copy.uses.fetch_add(1, std::memory_order_relaxed) == 0 && !at_once) return nullptr;
    const Index rows = w.rows(), cols = w.cols();
    Buffer* made = transposed ? pack_all<T>({w.raw<T>(), 1, w.stride()}, cols, rows)
                              : pack_all<T>({w.raw<T>(), w.stride(), 1}, rows, cols);
    if (copy.panels.compare_exchange_strong(panels, made)) {
      panels = made;
    } else {
      made->release();
    }
  }
  return static_cast<const T*>(panels->data());
}

template Buffer* pack_all(Operand<float>, Index, Index);
template Buffer* pack_all(Operand<double>, Index, Index);
template const float* panels_of(const Array&, bool, bool);
template const double* panels_of(const Array&, bool, bool);

}  // namespace packed
}  // namespace unroll
