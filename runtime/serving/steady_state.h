// What serving comes to when it has been going on for long, in closed form: for searches over
// thousands of settings, of which the best are simulated afterwards.
//
// Clients that each wait for their answer, all prompts and all outputs of one length, a scheduler
// that lets a prompt in as soon as a place is free. Between two arrivals, one prompt is computed
// and every running sequence decodes its share: that cycle follows from the times of its steps.
#pragma once

#include "runtime/serving/step_timer.h"

namespace vinci {

struct SteadyLoad {
  uint32_t clients = 1;
  uint32_t inputTokens = 1, outputTokens = 1;
  uint32_t tokensPerStep = 1; ///< of prompts and decodes together
  bool mixes = true; ///< a step may hold a part of a prompt and decodes; else prompts go first
  int64_t gapNs = 0; ///< of the host between steps
  bool plansAhead = false; ///< the gap passes beside the next step
  int64_t tokenizerNs = 0;
};

struct SteadyState {
  double ttftMs = 0; ///< means
  double tpotMs = 0; ///< 0 for outputs of one token
  double requestsPerS = 0, outputTokensPerS = 0;
  double decodeStepMs = 0; ///< of all clients, without a prompt
};

/// Throws Error for a load of nothing.
SteadyState steadyState(StepTimer &timer, const SteadyLoad &load);

} // namespace vinci
