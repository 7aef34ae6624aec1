// The virtual clock of a plan: what a step would take on a device, from the costs that the plan
// carries and the constants of the device. Runs no kernel and reads no clock of the host.
//
// One rank stands for all: every rank runs the same commands. Commands of a stream run one after
// another, commands of several streams when what they wait for has finished; calls run one after
// another, as on the simulated device. The host launches commands while the device works, so a step
// takes the longer of the two.
#pragma once

#include "runtime/device/cost_model.h"
#include "runtime/plan/entry_kind.h"
#include "runtime/plan/plan.h"

#include <functional>
#include <optional>
#include <vector>

namespace vinci {

struct ClockOptions {
  Expansion expansion = Expansion::Host;
  /// The device of each rank in a machine that is filled from 0 on; empty: rank r on device r.
  std::vector<uint32_t> devices;
};

/// Of all calls of one step.
struct CommandTime {
  const fb::Kernel *kernel = nullptr;
  const fb::Body *body = nullptr;
  uint32_t command = 0; ///< in the body
  uint64_t calls = 0;   ///< in the step
  OpTime time;          ///< of one call; the mean if calls differ, as by experts hit
};

struct StepTimes {
  double deviceUs = 0; ///< of the critical path
  double deviceP10 = 0, deviceP90 = 0;
  double hostUs = 0; ///< launching everything
  uint64_t launches = 0;

  double us() const { return deviceUs > hostUs ? deviceUs : hostUs; }
};

class PlanClock {
public:
  /// `plan` and `model` must outlive it. Throws Error if the plan carries no costs (it is of an
  /// older version), or if its ranks do not fit the device's topology.
  PlanClock(const Plan &plan, const CostModel &model, ClockOptions options = {});

  /// Throws Error if the device cannot run a command, such as a product in bfloat16 on a 310P3.
  StepTimes time(EntryKind entry, const StepRecord &step) const;
  /// The same by command, in the order of first calls.
  std::vector<CommandTime> commands(EntryKind entry, const StepRecord &step) const;

  /// Called for each command of the step with its start and end in microseconds from the step's.
  using Trace = std::function<void(const fb::Kernel &kernel, int32_t layer, uint32_t stream,
                                   double startUs, double endUs)>;
  void trace(EntryKind entry, const StepRecord &step, const Trace &visit) const;

  const Plan &plan() const { return plan_; }
  const CostModel &model() const { return model_; }

private:
  struct TimedCommand {
    Cost cost;
    CommandContext context;
    std::optional<Cost> sum; ///< of a product that sums its parts among ranks
  };
  struct Body {
    std::vector<TimedCommand> commands;
    bool isMoe = false; ///< depends on the experts hit in its layer
  };
  struct BodyTime {
    double us = 0, p10 = 0, p90 = 0;
    std::vector<OpTime> commands;
  };

  BodyTime timeOf(const Body &body, const fb::Body &table, const StepRecord &step,
                  uint32_t moeLayer) const;
  OpTime timeOf(const TimedCommand &command, const StepRecord &step, uint32_t moeLayer) const;
  /// Calls `visit(call, time)` for each call of the entry.
  template <typename Visit> void forEachCall(EntryKind entry, StepRecord step, Visit visit) const;

  const Plan &plan_;
  const CostModel &model_;
  std::vector<Body> bodies_;
};

} // namespace vinci
