#include "runtime/serving/steady_state.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

class Cycle {
public:
  Cycle(StepTimer &timer, const SteadyLoad &load)
      : timer_(timer), load_(load), context_(load.inputTokens + load.outputTokens / 2) {}

  /// Nanoseconds from a step to the next.
  double step(uint32_t decodes, uint32_t first, uint32_t tokens) {
    contexts_.assign(decodes, context_);
    const StepShape::Part part = {first, tokens};
    StepShape shape;
    if (tokens > 0)
      shape.prefills = {&part, 1};
    shape.decodeContexts = contexts_;
    shape.mode = tokens == 0    ? StepMode::Decode
                 : decodes == 0 ? StepMode::Prefill
                                : StepMode::Mixed;
    const int64_t ns = timer_.time(shape).ns();
    return double(load_.plansAhead ? std::max(ns, load_.gapNs) : ns + load_.gapNs);
  }

private:
  StepTimer &timer_;
  const SteadyLoad &load_;
  const uint32_t context_;
  std::vector<uint32_t> contexts_;
};

} // namespace

SteadyState steadyState(StepTimer &timer, const SteadyLoad &load) {
  if (load.clients == 0 || load.inputTokens == 0 || load.outputTokens == 0 ||
      load.tokensPerStep == 0)
    fail("{} clients, prompts of {} tokens, outputs of {} and {} tokens per step; at least 1 of "
         "each is expected",
         load.clients, load.inputTokens, load.outputTokens, load.tokensPerStep);
  // A sequence that decodes takes a token of the step's.
  const uint32_t running = std::min(load.clients, load.tokensPerStep);
  const uint32_t others = load.mixes ? running - 1 : 0;
  const uint32_t chunk = std::max<uint32_t>(1, load.tokensPerStep - others);
  Cycle cycle(timer, load);
  double prompt = 0; // ns of all its steps
  uint32_t steps = 0;
  for (uint32_t first = 0; first < load.inputTokens; first += chunk, ++steps)
    prompt += cycle.step(others, first, std::min(chunk, load.inputTokens - first));
  const double decode = cycle.step(running, 0, 0);
  const double gaps = load.outputTokens - 1;

  // Tokens that are not decoded beside the prompt are decoded in steps of their own.
  const double own = std::max(0.0, gaps - double(steps) * others) / running;
  const double arrival = prompt + own * decode; // from one to the next
  const double life = arrival * load.clients;
  double decoding = life - prompt - (own > 0 ? decode : prompt / steps) / 2;
  if (own == 0 || decoding < 0) // prompts are all that the device does; clients queue for it
    decoding = std::min(life - prompt, gaps * prompt / steps);

  SteadyState state;
  state.tpotMs = gaps > 0 ? decoding / gaps * 1e-6 : 0;
  state.ttftMs = (life - decoding + double(load.tokenizerNs)) * 1e-6;
  state.requestsPerS = 1e9 / (arrival + double(load.tokenizerNs) / load.clients);
  state.outputTokensPerS = state.requestsPerS * load.outputTokens;
  state.decodeStepMs = decode * 1e-6;
  return state;
}

} // namespace vinci
