// Where the ranks of an in-process communicator meet. Used by runners, not by users of the device
// layer.
//
// Nobody waits here: a rank that arrives leaves word of which command it is, and the last one to
// arrive does the whole operation, in rank order, and is told whom to wake.
#pragma once

#include "runtime/device/command_list.h"

#include <atomic>
#include <string>
#include <vector>

namespace vinci {

class CommunicatorGroup {
public:
  /// Which command of a runner stands behind an arrival; `owner` is the runner's own.
  struct Arrival {
    void *owner = nullptr;
    uint32_t command = 0;
  };

  /// Throws Error for 0 ranks.
  explicit CommunicatorGroup(uint32_t worldSize);

  uint32_t worldSize() const { return uint32_t(slots_.size()); }

  /// Rank `call.rank` has come to `call`. If it is the last one: performs the operation and returns
  /// true; arrival(r) then names the command of each rank, and each stays valid until that command
  /// is marked as finished. Different ranks may arrive concurrently. Throws Error if the ranks'
  /// calls do not match, and on every call after that.
  bool arrive(const CollectiveCall &call, Arrival arrival);
  Arrival arrival(uint32_t rank) const { return slots_[rank].arrival; }

  /// Gives up an operation that not all ranks came to: no later one will work.
  void abandon() { broken_.store(true, std::memory_order_relaxed); }
  /// True if some but not all ranks have come.
  bool incomplete() const { return arrived_.load(std::memory_order_acquire) != 0; }

private:
  struct alignas(64) Slot {
    CollectiveCall call;
    Arrival arrival;
  };

  void checkMatching();
  void perform();

  std::vector<Slot> slots_;
  std::vector<const void *> inputs_; ///< operands by rank, while an operation is performed
  std::vector<void *> outputs_;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  std::atomic<bool> broken_{false};
};

} // namespace vinci
