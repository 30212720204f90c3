#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <unroll/core/threads.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace unroll {
namespace {

using namespace std::chrono_literals;

unsigned control_word() {
#if defined(__SSE__)
  return _mm_getcsr();
#else
  return 0;
#endif
}
void set_control_word([[maybe_unused]] unsigned word) {
#if defined(__SSE__)
  _mm_setcsr(word);
#endif
}
void relax() {
#if defined(__SSE__)
  _mm_pause();
#endif
}

using Clock = std::chrono::steady_clock;

/// One job at a time. Workers spin for some 20 µs after the last one, then sleep (spinning for good costs a factor of
/// nine when another process wants the core; sleeping at once costs 20–50 µs a job). The caller never waits for a
/// worker that has not begun: it takes the tiles itself, closes the job, and waits for those inside. A worker that lost
/// its core inside a tile keeps the caller waiting for milliseconds: after that the caller works alone for a while.
class Workers {
 public:
  ~Workers() { end_all(); }

  /// Ends all workers; the next job starts `count` − 1 others.
  void resize(Index count) {
    while (busy_.exchange(true)) std::this_thread::yield();  // until the job of another thread is done
    const Idle idle_at_the_end{busy_};
    end_all();
    count_ = count;
  }

  void end_all() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
    stop_ = false;
  }

  void run(Index tiles, void (*tile)(void*, Index), void* context, bool large) {
    if (busy_.exchange(true)) {  // called from inside a tile, or by a second thread of the user's
      for (Index i = 0; i < tiles; ++i) tile(context, i);
      return;
    }
    const Idle idle_at_the_end{busy_};
    const Clock::time_point begin = Clock::now();
    const bool asleep = workers_.empty() || sleeping_.load() == workers_.size();
    if (begin < alone_until_ || (asleep && !large)) {
      for (Index i = 0; i < tiles; ++i) tile(context, i);
      return;
    }
    try {
      while (workers_.size() + 1 < count_) workers_.emplace_back([this] { work(); });
    } catch (const std::exception&) {}  // the system gives no more threads or memory: with fewer of them, then
    tile_ = tile;
    context_ = context;
    tiles_ = tiles;
    control_word_ = control_word();
    next_.store(0, std::memory_order_relaxed);
    state_.fetch_add(one_job | open);
    if (sleeping_.load() > 0) {
      const std::lock_guard lock(mutex_);
      wake_.notify_all();
    }
    const Index taken = take();
    state_.fetch_and(~open);
    if ((state_.load(std::memory_order_acquire) & inside) != 0) {
      const Clock::time_point done = Clock::now();
      while ((state_.load(std::memory_order_acquire) & inside) != 0) relax();
      const Clock::duration waited = Clock::now() - done;
      if (taken > 0 && waited > 200us + 3 * (done - begin) / taken) work_alone(done + waited);
    }
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  struct Idle {
    std::atomic<bool>& busy;
    ~Idle() { busy.store(false); }
  };

  static constexpr std::uint64_t inside = 0xffff, open = 0x10000, one_job = std::uint64_t{1} << 32;

  /// Returns how many tiles it took. What the first tile throws that does is kept for the caller of `run`.
  Index take() {
    Index taken = 0;
    for (Index i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tiles_; ++taken) {
      try {
        tile_(context_, i);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (error_ == nullptr) error_ = std::current_exception();
      }
    }
    return taken;
  }

  /// Each time the first trial after a pause stalls again, the next pause is twice as long.
  void work_alone(Clock::time_point now) {
    pause_ = now - alone_until_ < 20ms ? std::min<Clock::duration>(2 * pause_, 500ms) : 20ms;
    alone_until_ = now + pause_;
  }

  /// True when this worker is now inside an open job it has not seen.
  bool enter(std::uint64_t& seen) {
    std::uint64_t now = state_.load(std::memory_order_acquire);
    while ((now & open) != 0 && now / one_job != seen) {
      if (state_.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) {
        seen = now / one_job;
        return true;
      }
    }
    return false;
  }

  void work() {
    std::uint64_t seen = 0;
    for (;;) {
      const auto until = Clock::now() + 20us;
      bool entered = false;
      while (!(entered = enter(seen)) && Clock::now() < until) relax();
      if (entered) {
        set_control_word(control_word_);
        take();
        state_.fetch_sub(1, std::memory_order_release);
        continue;
      }
      // Woken by a job that is over before it can be entered, a worker spins again: the next one is likely near.
      std::unique_lock lock(mutex_);
      const std::uint64_t last = state_.load() / one_job;
      if ((state_.load() & open) != 0) continue;
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return stop_ || state_.load() / one_job != last; });
      sleeping_.fetch_sub(1);
      if (stop_) return;
    }
  }

  std::vector<std::thread> workers_;
  Index count_ = 1;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> state_{0};
  std::atomic<Index> next_{0}, sleeping_{0};
  std::atomic<bool> busy_{false};
  Clock::time_point alone_until_{};  // these two belong to whoever has made busy_ true
  Clock::duration pause_{};
  bool stop_ = false;
  Index tiles_ = 0;
  void (*tile_)(void*, Index) = nullptr;
  void* context_ = nullptr;
  unsigned control_word_ = 0;
  std::exception_ptr error_;  // what a tile threw; the caller reads it when nobody is inside
};

Workers& workers() {
  static Workers instance;
  return instance;
}
std::atomic<Index> thread_count{1};

}  // namespace

void set_threads(Index count) {
  require<UsageError>(count > 0, "set_threads: at least one thread is needed, got {}", count);
  if (count == thread_count) return;
  workers().resize(count);
  thread_count = count;
}

Index threads() { return thread_count.load(std::memory_order_relaxed); }

void detail::run_tiles(Index tiles, void (*tile)(void*, Index), void* context, bool large) {
  workers().run(tiles, tile, context, large);
}

FlushDenormals::FlushDenormals() : before_(control_word()) {
#if defined(__SSE__)
  set_control_word(before_ | 0x8040u);  // flush to zero, denormals are zero
#endif
}
FlushDenormals::~FlushDenormals() { set_control_word(before_); }

}  // namespace unroll
