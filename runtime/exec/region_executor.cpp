#include "runtime/exec/region_executor.h"

#include "runtime/exec/region_run.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <optional>

namespace vinci {

class RegionExecutor::Impl {
public:
  explicit Impl(uint32_t threads)
      : arena_(int(threads)), regions_(threads, [this] { spawnWorker(); }) {
    // TBB has a thread per processor unless told otherwise; an arena alone cannot ask for more.
    if (threads > defaultThreads())
      moreThreads_.emplace(tbb::global_control::max_allowed_parallelism, threads);
  }

  uint32_t threads() const { return regions_.workers(); }

  void run(std::span<CommandList *const> lists) {
    regions_.begin(lists, threads());
    if (threads() == 1)
      regions_.work(0);
    else
      arena_.execute([this] {
        for (uint32_t i = 1; i < threads(); ++i)
          spawnWorker();
        work();
        // Takes part in what is left or waits for it; outside the tasks themselves nothing blocks.
        group_.wait();
      });
    regions_.end();
  }

private:
  void spawnWorker() {
    group_.run([this] { work(); });
  }
  /// A thread's place in the arena is its own while it is in there, and smaller than the number of
  /// workers.
  void work() { regions_.work(uint32_t(tbb::this_task_arena::current_thread_index())); }

  std::optional<tbb::global_control> moreThreads_;
  tbb::task_arena arena_;
  tbb::task_group group_;
  RegionRun regions_;
};

RegionExecutor::RegionExecutor(uint32_t threads) {
  if (threads == 0 || threads > maxThreads)
    fail("{} threads; legal: 1 to {}", threads, maxThreads);
  impl_ = std::make_unique<Impl>(threads);
}

RegionExecutor::~RegionExecutor() = default;

uint32_t RegionExecutor::defaultThreads() {
  return std::clamp<uint32_t>(uint32_t(tbb::info::default_concurrency()), 1, maxThreads);
}

uint32_t RegionExecutor::threads() const {
  return impl_->threads();
}

void RegionExecutor::run(std::span<CommandList *const> lists) {
  impl_->run(lists);
}

} // namespace vinci
