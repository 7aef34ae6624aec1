// The virtual clock of a plan: what a step would take on a device, from the costs that the plan
// carries and the constants of the device. Runs no kernel and reads no clock of the host.
//
// One rank stands for all: every rank runs the same commands. Commands of a stream run one after
// another, commands of several streams when what they wait for has finished; calls run one after
// another, as on the simulated device. A prefetch runs beside them, across calls too, from when it
// may start until it has its share or the product that reads the weight starts; what takes the
// memory meanwhile takes all of it, and what was fetched before is gone. The host launches commands
// while the device works, so a step takes the longer of the two.
#pragma once

#include "runtime/device/cost_model.h"
#include "runtime/device/routing.h"
#include "runtime/plan/entry_kind.h"
#include "runtime/plan/plan.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace vinci {

struct ClockOptions {
  Expansion expansion = Expansion::Host;
  /// Weights in the cube's fractals (NZ) instead of rows (ND). A kernel that fuses the experts'
  /// gate, up and activation takes fractals only, and has them whatever this says.
  bool fractals = true;
  /// Where a step does not say which experts were hit.
  Routing routing = {};
  /// The device of each rank in a machine that is filled from 0 on; empty: rank r on device r.
  std::vector<uint32_t> devices = {};
};

/// Of all calls of one step.
struct CommandTime {
  const fb::Kernel *kernel = nullptr;
  const fb::Body *body = nullptr;
  uint32_t command = 0;    ///< in the body
  uint64_t calls = 0;      ///< in the step
  OpTime time;             ///< of one call; the mean if calls differ, as by experts hit
  double fetchedBytes = 0; ///< of a prefetch, in one call
};

/// A command of a step where it runs. Times in microseconds from the step's start.
struct PlacedCommand {
  const fb::Kernel *kernel = nullptr;
  int32_t layer = 0;
  uint32_t stream = 0;
  double startUs = 0, endUs = 0;
  // What of its operands lies in L2 when it starts: prefetched weights, and what was just written.
  double l2WeightBytes = 0, l2ActivationBytes = 0;
};

struct StepTimes {
  double deviceUs = 0; ///< of the critical path
  double deviceP10 = 0, deviceP90 = 0;
  double hostUs = 0; ///< launching everything
  double hostP10 = 0, hostP90 = 0;
  uint64_t launches = 0;
  uint64_t attentions = 0; ///< of the launches, those whose work differs from step to step
  double prefetchedBytes = 0; ///< of weights, in L2 before they are needed

  double us() const { return deviceUs > hostUs ? deviceUs : hostUs; }
};

/// Times of commands as they were last asked for: steps of a run differ in little but their
/// lengths. Of one clock; no result depends on it.
class TimeMemo {
  friend class PlanClock;

  struct Entry {
    uint64_t rows = 0, sumRows = 0;
    uint32_t hit = 0;
    LaunchMode mode = LaunchMode::Graph;
    double cachedBytes = 0;
    OpTime time; ///< us is 0: nothing is known
  };
  static constexpr size_t ways = 8; ///< of a command, by rows and experts
  std::vector<std::vector<std::array<Entry, ways>>> bodies_;
};

class PlanClock {
public:
  /// `plan` and `model` must outlive it. Throws Error if the plan carries no costs (it is of an
  /// older version), or if its ranks do not fit the device's topology.
  PlanClock(const Plan &plan, const CostModel &model, ClockOptions options = {});

  /// Throws Error if the device cannot run a command, such as a product in bfloat16 on a 310P3.
  StepTimes time(EntryKind entry, const StepRecord &step, TimeMemo *memo = nullptr) const;
  /// The same by command, in the order of first calls.
  std::vector<CommandTime> commands(EntryKind entry, const StepRecord &step) const;

  /// Each command of the step, by call and in the order of its body.
  void trace(EntryKind entry, const StepRecord &step,
             const std::function<void(const PlacedCommand &)> &visit) const;
  /// That commands of bodies are on, ascending.
  const std::set<uint32_t> &streams() const { return streams_; }

  const Plan &plan() const { return plan_; }
  const CostModel &model() const { return model_; }

private:
  struct TimedCommand {
    Cost cost;
    CommandContext context;
    std::optional<Cost> sum;            ///< of a product that sums its parts among ranks
    std::optional<uint32_t> weight;     ///< of a product or a prefetch: the parameter
    std::optional<uint32_t> prefetched; ///< of a product: by which command before it in the body
  };
  struct Prefetch {
    uint32_t command = 0, parameter = 0;
    double share = 0;
    uint32_t minTokens = 0;
    bool isForNextCall = false;
  };
  struct Body {
    std::vector<TimedCommand> commands;
    std::vector<Prefetch> prefetches; ///< in the order of the commands
    uint32_t attentions = 0;          ///< among the commands
    bool isMoe = false;               ///< has a routing of its own
    bool isOneStream = true;          ///< but for prefetches

    const Prefetch &prefetch(uint32_t command) const;
  };
  /// A prefetch that goes on when a call begins.
  struct Underway {
    uint32_t reader = 0;  ///< command of the call that reads the weight
    uint32_t command = 0; ///< that fetches it, in the call before
    double share = 0;
    double sinceUs = 0; ///< when it began to get anywhere, from the start of the call

    bool operator==(const Underway &) const = default;
  };
  /// What a prefetch came to.
  struct Fetched {
    uint32_t command = 0;
    double startUs = 0; ///< from the start of the call that reads the weight
    double bytes = 0;
    OpTime time;
  };
  struct BodyTime {
    std::vector<Underway> underway; ///< when it began: what the rest depends on
    double us = 0, p10 = 0, p90 = 0;
    std::vector<OpTime> commands;
    std::vector<double> cachedBytes; ///< of their weights
    std::vector<double> starts;
    std::vector<Fetched> fetched;       ///< by commands of the body
    std::vector<Fetched> fetchedBefore; ///< by commands of the call before
    std::vector<double> sinceUs; ///< of each prefetch for the next call, from the end of this one
  };

  class Timeline;

  BodyTime timeOf(size_t body, const StepRecord &step, uint32_t moeLayer, TimeMemo *memo,
                  std::vector<Underway> underway) const;
  /// What the calls before have under way when `call` begins.
  std::vector<Underway> underwayIn(const fb::Call &call, const fb::Call &before,
                                   const BodyTime &time, const StepRecord &step) const;
  /// True if a call has something to fetch there.
  static bool isLaunched(const Prefetch &prefetch, const fb::Call &call, const StepRecord &step);
  /// What a prefetch of a call came to, by the times of the call and the next; `startUs` is from
  /// the start of the former.
  static Fetched fetchedBy(const Prefetch &prefetch, const BodyTime &time, const BodyTime *next);
  OpTime timeOf(const TimedCommand &command, const StepRecord &step,
                const CommandContext &context) const;
  /// That, if `entry` has it already; null: it has no place for such a command.
  OpTime timeOf(const TimedCommand &command, const StepRecord &step, const CommandContext &context,
                std::array<TimeMemo::Entry, TimeMemo::ways> *entry) const;
  /// What the command's experts and its layer's routing come to.
  CommandContext contextOf(const TimedCommand &command, const StepRecord &step,
                           uint32_t moeLayer) const;
  /// Calls `visit(call, time, next)` for each call of the entry; `next` is the time of the call
  /// after it, null for the last.
  template <typename Visit>
  void forEachCall(EntryKind entry, StepRecord step, TimeMemo *memo, Visit visit) const;

  const Plan &plan_;
  const CostModel &model_;
  const Routing routing_;
  std::vector<Body> bodies_;
  std::set<uint32_t> streams_;
};

} // namespace vinci
