#include "runtime/exec/region_run.h"

#include "runtime/device/sequential_runner.h"

#include <algorithm>
#include <chrono>
#include <immintrin.h>

namespace vinci {

namespace {

/// How far behind the first unfinished command a worker looks for one that can start. The commands
/// of an attention layer that do not depend on each other lie within it.
constexpr uint32_t lookAhead = 12;
/// Pauses before a worker takes a slot meant for another one, who has its data in its cache and may
/// be about to come.
constexpr uint32_t courtesy = 4;
/// How many commands a worker's view may advance before it is published for those who come in
/// later.
constexpr uint32_t publishInterval = 16;
/// A worker's share of a command is cut into so many pieces at most, so that a worker whose core is
/// slow for the moment, or has not come yet, can leave some to the others.
constexpr uint32_t maxPieces = 4;
/// A piece has at least so many tiles: each costs a claim.
constexpr uint64_t minPieceTiles = 2;

/// `count` counts up for ever and wraps; true if it has come to `target`.
bool reached(uint32_t count, uint32_t target) {
  return int32_t(count - target) >= 0;
}

} // namespace

/// The tiles of a command: pieces 0 to `pieces` of each of the workers 0 to `shares`.
struct RegionRun::Division {
  uint64_t tiles;
  uint32_t shares, pieces;

  Division(const CommandList::Command &command, uint32_t workers)
      : tiles(command.kernel ? command.tiles.tiles(*command.dims) : 1),
        shares(uint32_t(std::clamp<uint64_t>(tiles, 1, workers))),
        pieces(uint32_t(std::clamp<uint64_t>(tiles / (shares * minPieceTiles), 1, maxPieces))) {}

  uint32_t slots() const { return shares * pieces; }
  /// The first tile of a slot, counted over all shares.
  uint32_t first(uint32_t slot) const { return uint32_t(tiles * slot / slots()); }
};

/// What is kept with a list. Nothing is reset between runs: the n-th run has epoch n, a slot is
/// claimed by raising its mark to the epoch, and each run adds exactly `slots` to every command's
/// count of finished slots (whoever finishes slot 0 also counts the slots that had no tiles).
struct RegionRun::ListState final : RunnerState {
  struct alignas(64) Counter {
    std::atomic<uint32_t> value{0};
  };
  struct alignas(64) Line {
    std::atomic<uint32_t> marks[16] = {};
  };

  ListState(size_t commands, uint32_t workers)
      : slots(workers * maxPieces),
        linesPerWorker((commands + commandsPerLine - 1) / commandsPerLine), finished(commands),
        claims(linesPerWorker * workers) {}

  /// A worker's marks lie next to each other, on lines that other workers seldom touch.
  std::atomic<uint32_t> &mark(uint32_t worker, uint32_t piece, uint32_t ordinal) {
    return claims[worker * linesPerWorker + ordinal / commandsPerLine]
        .marks[ordinal % commandsPerLine * maxPieces + piece];
  }

  static constexpr uint32_t commandsPerLine = 16 / maxPieces;
  const uint32_t slots; ///< of a command, all workers' together
  const size_t linesPerWorker;
  uint32_t epoch = 0;
  std::vector<Counter> finished;
  std::vector<Line> claims;
  /// Every command before it has finished; lags behind. For workers that come late.
  alignas(64) std::atomic<uint32_t> firstOpen{0};
};

struct RegionRun::Region {
  CommandList *list;
  ListState *state;
  uint32_t epoch;
  uint32_t target; ///< of the finished counters

  bool done(uint32_t ordinal) const {
    return reached(state->finished[ordinal].value.load(std::memory_order_acquire), target);
  }
  /// True for exactly one caller per piece and run.
  bool claim(uint32_t worker, uint32_t piece, uint32_t ordinal) const {
    std::atomic<uint32_t> &mark = state->mark(worker, piece, ordinal);
    uint32_t seen = mark.load(std::memory_order_relaxed);
    return !reached(seen, epoch) &&
           mark.compare_exchange_strong(seen, epoch, std::memory_order_relaxed);
  }
  void finish(uint32_t ordinal, uint32_t slots) const {
    state->finished[ordinal].value.fetch_add(slots, std::memory_order_acq_rel);
  }
  bool canStart(const CommandList::Command &command, uint32_t firstOpen) const {
    for (uint32_t wait : list->waits(command))
      if (wait >= firstOpen && !done(wait))
        return false;
    return true;
  }
};

RegionRun::RegionRun(uint32_t workers, std::function<void()> wake)
    : wake_(std::move(wake)), workers_(workers) {}

RegionRun::~RegionRun() = default;

void RegionRun::begin(std::span<CommandList *const> lists, uint32_t initialWorkers) {
  regions_.clear();
  for (CommandList *list : lists) {
    auto *state = dynamic_cast<ListState *>(list->runnerState.get());
    if (!state || state->slots != workers() * maxPieces) {
      list->runnerState = std::make_unique<ListState>(list->size(), workers());
      state = static_cast<ListState *>(list->runnerState.get());
    }
    ++state->epoch;
    state->firstOpen.store(0, std::memory_order_relaxed);
    regions_.push_back({list, state, state->epoch, state->epoch * state->slots});
  }
  for (Worker &worker : workers_)
    worker.firstOpen.resize(regions_.size());
  complete_.store(false, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  failureTaken_.clear(std::memory_order_relaxed);
  failure_ = nullptr;
  liveWorkers_.store(initialWorkers, std::memory_order_release);
}

void RegionRun::work(uint32_t worker) {
  using Clock = std::chrono::steady_clock;
  auto count = uint32_t(regions_.size());
  // Each worker starts with another device, so that there is little to fight for.
  uint32_t home = count * worker / workers();
  std::vector<uint32_t> &firstOpen = workers_[worker].firstOpen;
  for (uint32_t i = 0; i < count; ++i)
    firstOpen[i] = regions_[i].state->firstOpen.load(std::memory_order_acquire);

  Clock::time_point idleSince;
  uint32_t idleRounds = 0;
  try {
    while (!failed_.load(std::memory_order_acquire)) {
      bool progress = false, open = false;
      for (uint32_t i = 0; i < count; ++i) {
        uint32_t at = home + i < count ? home + i : home + i - count;
        Region &region = regions_[at];
        if (firstOpen[at] == region.list->size())
          continue;
        progress |= advance(region, firstOpen[at], worker, idleRounds >= courtesy);
        open |= firstOpen[at] < region.list->size();
      }
      if (!open) {
        complete_.store(true, std::memory_order_relaxed);
        break;
      }
      if (progress) {
        idleRounds = 0;
        continue;
      }
      if (idleRounds++ == 0)
        idleSince = Clock::now();
      else if (idleRounds % 64 == 0 && Clock::now() - idleSince >= idleTime)
        break;
      _mm_pause();
    }
  } catch (...) {
    if (!failureTaken_.test_and_set()) {
      failure_ = std::current_exception();
      failed_.store(true, std::memory_order_release);
    }
  }
  liveWorkers_.fetch_sub(1, std::memory_order_acq_rel);
}

/// One look at a region: claims what this worker can claim now. True if it did anything.
bool RegionRun::advance(Region &region, uint32_t &firstOpen, uint32_t worker, bool help) {
  const CommandList &list = *region.list;
  auto size = uint32_t(list.size());
  uint32_t open = firstOpen;
  while (open < size && region.done(open))
    ++open;
  firstOpen = open;
  std::atomic<uint32_t> &published = region.state->firstOpen;
  if (open >= published.load(std::memory_order_relaxed) + publishInterval)
    published.store(open, std::memory_order_release);

  bool progress = false;
  uint32_t end = std::min(size, open + lookAhead);
  for (uint32_t ordinal = open; ordinal < end; ++ordinal) {
    const CommandList::Command &command = list.command(ordinal);
    if (command.after > open)
      break;
    if (region.canStart(command, open))
      progress |= takeSlots(region, ordinal, worker, help);
  }
  return progress;
}

bool RegionRun::takeSlots(Region &region, uint32_t ordinal, uint32_t worker, bool help) {
  const CommandList::Command &command = region.list->command(ordinal);
  const Division division(command, workers());
  bool progress = false;
  uint32_t finished = 0;
  const auto take = [&](uint32_t owner, uint32_t piece) {
    if (!region.claim(owner, piece, ordinal))
      return;
    progress = true;
    if (!command.kernel)
      return runCollective(region, ordinal);
    if (finished == 0 && division.slots() > 1)
      askForWorker();
    const uint32_t slot = owner * division.pieces + piece;
    runSlot(region, command, division.first(slot), division.first(slot + 1));
    finished += slot == 0 ? 1 + region.state->slots - division.slots() : 1;
  };
  if (worker < division.shares)
    for (uint32_t piece = 0; piece < division.pieces; ++piece)
      take(worker, piece);
  // From the last piece on, towards its owner; the next worker's first, so that several spread out.
  for (uint32_t i = 1; help && i <= workers(); ++i)
    if (const uint32_t owner = (worker + i) % workers(); owner < division.shares)
      for (uint32_t piece = division.pieces; piece-- > 0;)
        take(owner, piece);
  if (finished > 0)
    region.finish(ordinal, finished);
  // All ranks may have come by now, and somebody be at work on it alone.
  if (!command.kernel && !progress)
    progress = performShares(*region.list->collective(command).group);
  return progress;
}

void RegionRun::runSlot(const Region &region, const CommandList::Command &command, uint32_t first,
                        uint32_t last) {
  void *const *buffers = region.list->buffers(command);
  const uint64_t *dims = command.dims->values.data();
  for (uint32_t tile = first; tile < last; ++tile)
    command.kernel(buffers, dims, tile);
}

void RegionRun::runCollective(Region &region, uint32_t ordinal) {
  const CollectiveCall &call = region.list->collective(region.list->command(ordinal));
  // More shares than workers, as not all may be there at once.
  if (call.group->open(call, {&region, ordinal}, 2 * workers()))
    performShares(*call.group);
}

/// True if there were any that nobody else had taken.
bool RegionRun::performShares(CommunicatorGroup &group) {
  bool any = false;
  for (;;) {
    const CommunicatorGroup::Share share = group.performShare();
    if (share == CommunicatorGroup::Share::None)
      return any;
    any = true;
    if (share == CommunicatorGroup::Share::Done)
      continue;
    // Nobody may have waited for this: the workers of the other ranks may all have gone.
    for (uint32_t rank = 0; rank < group.worldSize(); ++rank) {
      CommunicatorGroup::Arrival arrival = group.arrival(rank);
      Region &other = *static_cast<Region *>(arrival.owner);
      other.finish(arrival.command, other.state->slots);
      askForWorker();
    }
  }
}

void RegionRun::askForWorker() {
  uint32_t live = liveWorkers_.load(std::memory_order_relaxed);
  if (live < workers() &&
      liveWorkers_.compare_exchange_strong(live, live + 1, std::memory_order_relaxed))
    wake_();
}

void RegionRun::end() {
  if (failure_ || !complete_.load(std::memory_order_relaxed))
    failUnfinished();
}

/// The counters of these lists mean nothing any more, and no half-met collective can be completed.
void RegionRun::failUnfinished() {
  std::vector<const CollectiveCall *> blocked;
  for (const Region &region : regions_) {
    for (uint32_t ordinal = 0; ordinal < region.list->size(); ++ordinal) {
      const CommandList::Command &command = region.list->command(ordinal);
      bool arrived = reached(region.state->mark(0, 0, ordinal).load(), region.epoch);
      if (!command.kernel && arrived && !region.done(ordinal))
        blocked.push_back(&region.list->collective(command));
    }
    region.list->runnerState.reset();
  }
  if (!failure_)
    failStuck(blocked);
  for (const CollectiveCall *call : blocked)
    call->group->abandon();
  std::rethrow_exception(failure_);
}

} // namespace vinci
