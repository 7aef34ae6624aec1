// Where the time of a step goes, op by op: as measured here, what this machine would take at best,
// and what an NPU is predicted to take.
#pragma once

#include "runtime/bench/step_bench.h"
#include "runtime/clock/plan_clock.h"

#include <string>
#include <vector>

namespace vinci {

/// All calls of one kernel in a step, on all ranks.
struct OpTimes {
  std::string op, kernel;
  std::string shape;     ///< of the weight of a product, "4096x1024"; else empty
  uint64_t calls = 0;    ///< of one rank
  double measuredUs = 0; ///< the median over repetitions
  double rooflineUs = 0; ///< the longer of reading and multiplying at the machine's best speed; 0:
                         ///< it does neither
  bool isMemoryBound = true;
  double predictedUs = 0; ///< on the device of the clock; 0 without one
};

/// The typical step of a test, repeated, command by command. Commands are started one at a time,
/// which takes a microsecond or two of each; in a real step they are not. `clock` may be null.
std::vector<OpTimes> measureOps(StepBench &bench, const BenchTest &test, uint32_t repetitions,
                                const PlanClock *clock);

} // namespace vinci
