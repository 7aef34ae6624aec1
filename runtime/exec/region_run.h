// The region executor's algorithm, without threads of its own: how any number of workers get
// through command lists together. RegionExecutor runs it on TBB.
//
// A region is one command list (one device, one step). The tiles of a command are divided into
// shares, one per worker, and long shares into a few pieces, each claimed by an atomic of its own.
// Worker w claims the pieces of share w of one command after another, so that it always works on
// the same part of the data, and takes other workers' pieces, the last ones first, when it has
// nothing else: any worker can do everything, one worker suffices, and a slow one holds up nobody.
// A collective is opened by the last of its ranks, and divided among whoever is free.
// Nothing waits while it holds anything: a worker that finds nothing to do spins for a while and
// returns, and a worker that finds work for more than itself asks for others.
#pragma once

#include "runtime/device/command_list.h"
#include "runtime/device/communicator_group.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace vinci {

class RegionRun {
public:
  /// How long an idle worker looks for work before it returns.
  static constexpr std::chrono::microseconds idleTime{50};

  /// `wake` is asked, from any worker, to have work() called by one worker more.
  RegionRun(uint32_t workers, std::function<void()> wake);
  ~RegionRun();

  uint32_t workers() const { return uint32_t(workers_.size()); }

  /// Starts a run of `lists`, with `initialWorkers` calls of work() announced.
  void begin(std::span<CommandList *const> lists, uint32_t initialWorkers);
  /// What worker `worker` < workers() does; no two calls at the same time may have the same number.
  /// Returns when everything has run, or when nothing has been there to do for a while.
  void work(uint32_t worker);
  /// Ends the run, after all calls of work() have returned. Throws the Error that stopped it, or
  /// one that names the collective in which ranks wait in vain.
  void end();

private:
  struct Division;
  struct ListState;
  struct Region;
  struct alignas(64) Worker {
    std::vector<uint32_t> firstOpen; ///< by region: every command before it has finished
  };

  bool advance(Region &region, uint32_t &firstOpen, uint32_t worker, bool help);
  bool takeSlots(Region &region, uint32_t ordinal, uint32_t worker, bool help);
  static void runSlot(const Region &region, const CommandList::Command &command, uint32_t first,
                      uint32_t last);
  void runCollective(Region &region, uint32_t ordinal);
  bool performShares(CommunicatorGroup &group);
  void askForWorker();
  void failUnfinished();

  std::function<void()> wake_;
  std::vector<Worker> workers_;
  std::vector<Region> regions_;
  alignas(64) std::atomic<uint32_t> liveWorkers_{0}; ///< announced or in work()
  alignas(64) std::atomic<bool> failed_{false};
  std::atomic<bool> complete_{false}; ///< some worker saw the end of every region
  std::atomic_flag failureTaken_;
  std::exception_ptr failure_; ///< written by whoever sets failureTaken_, before failed_
};

} // namespace vinci
