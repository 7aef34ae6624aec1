// Where the ranks of a communicator meet. Used by runners, not by users of the device layer.
//
// Nobody waits here: a rank that arrives leaves word of which command it is, and the last one to
// arrive does the whole operation, in rank order, and is told whom to wake. Or it opens the
// operation, and whoever has nothing else to do takes shares of it.
//
// Where some of the ranks are in other processes, those of this one arrive as ever, and then
// complete() fetches what the operation needs of the others: the same operation, in the same order,
// is then performed on copies of their buffers, so that all processes have the same bits.
#pragma once

#include "runtime/device/command_list.h"
#include "runtime/device/process_group.h"

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

  /// All ranks are in this process. Throws Error for 0 ranks.
  explicit CommunicatorGroup(uint32_t worldSize);
  /// Rank r is in process `processOf[r]` of `processes`, which must outlive the group. `number` is
  /// the same in all processes, and tells groups apart that are completed together.
  CommunicatorGroup(uint32_t number, std::vector<uint32_t> processOf, ProcessGroup &processes);

  uint32_t worldSize() const { return uint32_t(slots_.size()); }
  /// Some ranks are in other processes: arrive() never performs anything, complete() does.
  bool isRemote() const { return here_ < worldSize(); }

  /// Rank `call.rank` has come to `call`. If it is the last one: performs the operation and returns
  /// true; arrival(r) then names the command of each rank, and each stays valid until that command
  /// is marked as finished. Different ranks may arrive concurrently. Throws Error if the ranks'
  /// calls do not match, and on every call after that.
  bool arrive(const CollectiveCall &call, Arrival arrival);
  /// The same, but the last one opens the operation in at most `shares` shares instead of
  /// performing it, and is to take shares until none is left.
  bool open(const CollectiveCall &call, Arrival arrival, uint32_t shares);
  /// Performs one of the shares of an open operation that nobody has taken; any number of callers
  /// may. `Closed`: it was the last to be done, and the commands of all arrivals are to be marked
  /// as finished.
  enum class Share : uint8_t { None, Done, Closed };
  Share performShare();

  /// Performs the operations that all ranks of this process have come to, with those of the others.
  /// Sorts the groups. Throws Error if a rank of this process has not come, or if messages fail.
  static void complete(std::span<CommunicatorGroup *> groups);
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

  bool isLast(const CollectiveCall &call, Arrival arrival);
  void requireMatching();
  template <typename Visit> void forEachPiece(const CollectiveCall &call, const Visit &visit) const;
  void addMessages(std::vector<ProcessGroup::Outgoing> &outgoing,
                   std::vector<ProcessGroup::Incoming> &incoming);
  bool isHere(uint32_t rank) const { return !processes_ || processOf_[rank] == processes_->rank(); }

  std::vector<Slot> slots_;
  std::vector<uint32_t> processOf_;
  ProcessGroup *processes_ = nullptr;
  uint32_t number_ = 0;
  uint32_t here_ = 0;                          ///< ranks in this process
  std::vector<std::vector<std::byte>> copies_; ///< by rank in another process, of its `send`
  std::vector<const CollectiveCall *> calls_;  ///< those of slots_
  alignas(64) std::atomic<uint32_t> arrived_{0};
  std::atomic<bool> broken_{false};
  /// The shares of the open operation that are taken (low 16 bits), how many there are (next 16),
  /// and which operation it is: nobody takes a share of one with the word of another.
  alignas(64) std::atomic<uint64_t> shares_{0};
  alignas(64) std::atomic<uint32_t> sharesDone_{0};
};

} // namespace vinci
