#include "runtime/prediction/exploration.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <mutex>
#include <oneapi/tbb/parallel_for.h>

namespace vinci {

namespace {

class Exploration {
public:
  Exploration(const ExplorationRequest &request, const std::vector<ExploredProgram> &programs,
              const CostModel &costs,
              const std::function<void(const char *, uint64_t, uint64_t)> &progress);

  ExplorationResult run(const std::string &refused);

private:
  std::vector<Candidate> candidates() const;
  void evaluate(Candidate &candidate) const;
  bool meetsObjectives(const Candidate &candidate) const;
  ServingSettings settingsOf(const Candidate &candidate) const;
  int64_t longestOutput() const { return 2 * int64_t(request_.outputTokens) - 1; }
  RequestShape shapeOf(uint64_t requests) const;
  ServingMetrics simulate(const Candidate &candidate, const ServedLoad &load) const;
  Recommendation recommend(std::vector<Candidate> legal) const;

  const ExplorationRequest &request_;
  const std::vector<ExploredProgram> &programs_;
  const CostModel &costs_;
  const std::function<void(const char *, uint64_t, uint64_t)> &progress_;
  std::vector<std::unique_ptr<PlanClock>> clocks_; ///< of the programs
};

Exploration::Exploration(const ExplorationRequest &request,
                         const std::vector<ExploredProgram> &programs, const CostModel &costs,
                         const std::function<void(const char *, uint64_t, uint64_t)> &progress)
    : request_(request), programs_(programs), costs_(costs), progress_(progress) {
  for (const ExploredProgram &program : programs)
    clocks_.push_back(std::make_unique<PlanClock>(*program.plan, costs, program.settings.clock));
}

std::vector<Candidate> Exploration::candidates() const {
  std::vector<Candidate> result;
  for (size_t program = 0; program < programs_.size(); ++program)
    for (const std::string &mode : request_.graphMode)
      for (int64_t chunk : request_.chunk)
        for (int64_t batch : request_.batch)
          result.push_back({.tp = programs_[program].tp,
                            .ep = programs_[program].ep,
                            .batch = batch,
                            .chunk = chunk,
                            .quant = programs_[program].quant,
                            .graphMode = mode,
                            .program = program});
  return result;
}

/// The knobs of `candidate`, by the names of both policies; memory is that of the program.
ServingSettings Exploration::settingsOf(const Candidate &candidate) const {
  ServingSettings settings = programs_[candidate.program].settings;
  settings.graphMode = candidate.graphMode;
  settings.graphSizes.clear();
  const int64_t longest = int64_t(request_.inputTokens) + longestOutput();
  settings.vllm.maxNumSeqs = settings.mindie.maxBatchSize = candidate.clients;
  settings.vllm.maxNumBatchedTokens = std::max<int64_t>(candidate.chunk, candidate.clients);
  settings.vllm.maxModelLen = settings.mindie.maxSeqLen = longest;
  settings.mindie.maxPrefillTokens = std::max(candidate.chunk, longest);
  settings.mindie.maxInputTokenLen = request_.inputTokens;
  settings.mindie.maxIterTimes = longestOutput();
  return settings;
}

void Exploration::evaluate(Candidate &candidate) const {
  const ExploredProgram &program = programs_[candidate.program];
  const MemoryBudget &memory = program.settings.memory;
  const double larger =
      double(program.activationBytes(uint64_t(candidate.chunk), uint64_t(candidate.batch))) -
      double(memory.activations);
  const double kvBytes = double(memory.kvCache) - std::max(0.0, larger);
  const double perToken = double(memory.kvCache) / double(memory.kvTokens);
  const double block = program.plan->root()->kv_cache()->block_size();
  const double perClient =
      std::ceil((request_.inputTokens + request_.outputTokens) / block) * block * perToken;
  candidate.clients =
      uint32_t(std::clamp(std::floor(kvBytes / perClient), 0.0, double(candidate.batch)));
  if (candidate.clients == 0)
    return;
  const ServingSettings settings = settingsOf(candidate);
  PlanStepTimer timer(*clocks_[candidate.program], launchPolicyOf(settings, program.stack));
  const StepFilling filling = stepFillingOf(settings, program.stack);
  candidate.estimate = steadyState(
      timer, {.clients = candidate.clients,
              .inputTokens = request_.inputTokens,
              .outputTokens = request_.outputTokens,
              .tokensPerStep = uint32_t(filling.splits ? settings.vllm.maxNumBatchedTokens
                                                       : settings.mindie.maxPrefillTokens),
              .mixes = filling.mixes,
              .gapNs = std::llround(program.stack.servingGapUs.value * 1e3),
              .plansAhead = filling.plansAhead,
              .tokenizerNs = std::llround(program.stack.tokenizerUs.value * 1e3)});
}

bool Exploration::meetsObjectives(const Candidate &candidate) const {
  return candidate.clients > 0 && candidate.estimate.ttftMs <= request_.ttftMs.value_or(INFINITY) &&
         candidate.estimate.tpotMs <= request_.tpotMs.value_or(INFINITY);
}

/// Outputs of 1 to twice the mean: equal ones would end together, and all prompts come at once.
RequestShape Exploration::shapeOf(uint64_t requests) const {
  const auto lengths = [](uint32_t from, uint32_t to) {
    return LengthDistribution::parse(fmt::format("uniform:{}-{}", from, to), "tokens", {});
  };
  return {.requests = requests,
          .seed = request_.seed,
          .inputTokens = lengths(request_.inputTokens, request_.inputTokens),
          .outputTokens = lengths(1, uint32_t(longestOutput()))};
}

ServingMetrics Exploration::simulate(const Candidate &candidate, const ServedLoad &load) const {
  const ExploredProgram &program = programs_[candidate.program];
  return ServedPlan(settingsOf(candidate), *program.plan, program.stack, costs_)
      .serve(load)
      .metrics;
}

/// The fewest devices that serve the rate; of those the least time per token. The choice is
/// simulated with its share of the requests, at random times; if that breaks an objective, the next
/// one is tried.
Recommendation Exploration::recommend(std::vector<Candidate> legal) const {
  const auto instances = [&](const Candidate &candidate) {
    return std::ceil(*request_.rate / candidate.estimate.requestsPerS);
  };
  std::ranges::stable_sort(legal, {}, [&](const Candidate &candidate) {
    return std::pair(instances(candidate) * double(candidate.tp), candidate.estimate.tpotMs);
  });
  constexpr size_t tries = 20;
  for (size_t i = 0; i < legal.size() && i < tries; ++i) {
    const Candidate &candidate = legal[i];
    const double rate = *request_.rate / instances(candidate);
    const uint64_t requests = std::max<uint64_t>(50, 3 * candidate.clients);
    const ServingMetrics metrics =
        simulate(candidate, {Load::openLoop(shapeOf(requests), rate), request_.seed});
    if (metrics.ttftMs.mean <= request_.ttftMs.value_or(INFINITY) &&
        metrics.tpotMs.mean <= request_.tpotMs.value_or(INFINITY))
      return {{candidate, metrics}, int64_t(instances(candidate)), rate};
  }
  fail("none of the {} configurations with the fewest devices keeps the objectives at {} requests "
       "per second; larger --ttft-ms and --tpot-ms or more --max-devices are needed",
       std::min(tries, legal.size()), *request_.rate);
}

ExplorationResult Exploration::run(const std::string &refused) {
  std::vector<Candidate> all = candidates();
  std::mutex mutex;
  uint64_t done = 0;
  oneapi::tbb::parallel_for(size_t(0), all.size(), [&](size_t i) {
    evaluate(all[i]);
    const std::lock_guard lock(mutex);
    progress_("estimating", ++done, all.size());
  });
  ExplorationResult result;
  result.configurations = all.size();
  result.fit = size_t(std::ranges::count_if(all, [](auto &c) { return c.clients > 0; }));
  std::vector<Candidate> legal;
  std::ranges::copy_if(all, std::back_inserter(legal),
                       [&](const Candidate &candidate) { return meetsObjectives(candidate); });
  result.withinObjectives = legal.size();
  if (result.fit == 0)
    fail("none of {} configurations fits the device{}{}", all.size(),
         refused.empty() ? "" : "; the first program was refused: ", refused);
  if (legal.empty())
    fail("of {} configurations {} fit, and none keeps --ttft-ms and --tpot-ms", all.size(),
         result.fit);
  const std::vector<Candidate> front = paretoFront(legal);
  result.frontSize = front.size();
  const size_t count = std::min<size_t>(front.size(), request_.rows);
  for (size_t i = 0; i < count; ++i) {
    progress_("simulating", i, count);
    const Candidate &candidate = front[count > 1 ? i * (front.size() - 1) / (count - 1) : 0];
    const ServedLoad load = {Load::closedLoop(shapeOf(3 * candidate.clients), candidate.clients),
                             request_.seed};
    result.front.push_back({candidate, simulate(candidate, load)});
  }
  if (request_.rate)
    result.recommended = recommend(std::move(legal));
  return result;
}

} // namespace

std::vector<Candidate> paretoFront(std::vector<Candidate> candidates) {
  std::ranges::stable_sort(candidates, {}, [](const Candidate &candidate) {
    return std::pair(candidate.estimate.tpotMs, -candidate.tokensPerSPerDevice());
  });
  std::vector<Candidate> front;
  for (Candidate &candidate : candidates)
    if (front.empty() || candidate.tokensPerSPerDevice() > front.back().tokensPerSPerDevice())
      front.push_back(std::move(candidate));
  return front;
}

ExplorationResult explore(const ExplorationRequest &request,
                          const std::vector<ExploredProgram> &programs, const CostModel &costs,
                          const std::string &refused,
                          const std::function<void(const char *, uint64_t, uint64_t)> &progress) {
  return Exploration(request, programs, costs, progress).run(refused);
}

} // namespace vinci
