// Timers and loads for simulations.
#pragma once

#include "runtime/serving/simulation.h"
#include "tests/unit/serving/scheduler_test.h"

namespace vinci::test {

/// So long for each token of the step, on the device and on the host.
class PerTokenTimer final : public StepTimer {
public:
  explicit PerTokenTimer(int64_t deviceNs, int64_t hostNs = 0) : device_(deviceNs), host_(hostNs) {}

  StepTime time(const StepShape &shape) override {
    auto tokens = int64_t(shape.decodeContexts.size());
    for (const StepShape::Part &part : shape.prefills)
      tokens += part.tokens;
    return {tokens * device_, tokens * host_};
  }

private:
  int64_t device_, host_;
};

/// A time for steps with prefills and one for others.
class TwoTimes final : public StepTimer {
public:
  TwoTimes(StepTime prefill, StepTime decode) : prefill_(prefill), decode_(decode) {}

  StepTime time(const StepShape &shape) override {
    return shape.mode == StepMode::Decode ? decode_ : prefill_;
  }

private:
  StepTime prefill_, decode_;
};

inline LengthDistribution lengths(std::string_view text) {
  return LengthDistribution::parse(text, "tokens", {});
}

inline RequestShape shape(uint64_t requests, std::string_view inputs, std::string_view outputs,
                          uint32_t maxTokens = 0, uint64_t seed = 1) {
  RequestShape result;
  result.requests = requests;
  result.seed = seed;
  result.inputTokens = lengths(inputs);
  result.outputTokens = lengths(outputs);
  result.maxTokens = maxTokens;
  return result;
}

} // namespace vinci::test
