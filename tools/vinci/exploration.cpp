#include "tools/vinci/exploration.h"

#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/quant_variant.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <oneapi/tbb/parallel_for.h>

namespace vinci {

namespace {

std::vector<int64_t> powersOfTwo(int64_t first, int64_t last) {
  std::vector<int64_t> powers;
  for (int64_t power = first; power <= last; power *= 2)
    powers.push_back(power);
  return powers;
}

/// A compiled combination of degrees and quantisation.
struct Program {
  int64_t tp = 1, ep = 1;
  std::string quant;
  Subject subject;
  std::unique_ptr<ServedPlan> served;
};

class Exploration {
public:
  Exploration(const ExploreRequest &request,
              const std::function<void(const char *, uint64_t, uint64_t)> &progress);

  Report run();

private:
  void fillSpace();
  void compilePrograms();
  void compile(int64_t tp, int64_t ep, const std::string &quant, const std::filesystem::path &path);
  std::vector<Candidate> candidates() const;
  void evaluate(Candidate &candidate) const;
  bool meetsObjectives(const Candidate &candidate) const;
  DeploymentSpec deploymentOf(const Candidate &candidate) const;
  Served simulate(const Candidate &candidate, const LoadSettings &load) const;
  LoadSettings loadOf(const Candidate &candidate) const;
  Report row(const Candidate &candidate) const;
  Report recommend(std::vector<Candidate> legal) const;

  ExploreRequest request_;
  const std::function<void(const char *, uint64_t, uint64_t)> &progress_;
  std::filesystem::path model_;
  std::optional<CostModel> costs_;
  std::vector<Program> programs_;
  std::map<std::string, uint64_t> refused_; ///< programs, by message
};

Exploration::Exploration(const ExploreRequest &request,
                         const std::function<void(const char *, uint64_t, uint64_t)> &progress)
    : request_(request), progress_(progress) {
  const Source source = findSource(request.model);
  if (source.kind != SourceKind::Model)
    fail(SourcePosition{source.path.string()},
         "explore compiles a model many times; a model or a deployment is expected");
  model_ = source.path;
}

void Exploration::fillSpace() {
  SearchSpace &space = request_.space;
  if (space.tp.empty())
    space.tp = powersOfTwo(1, request_.maxDevices);
  if (space.batch.empty())
    space.batch = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
  if (space.chunk.empty())
    space.chunk = {256, 512, 1024, 2048, 4096, 8192, 16384};
  if (space.quant.empty())
    space.quant = {"checkpoint", QuantVariant::isQuantised(model_) ? "float" : "w8a8-dynamic"};
  if (space.graphMode.empty())
    space.graphMode = {"none", "full-decode-only", "full"};
}

/// Compiled for the smallest steps: what larger ones need of memory is added by `evaluate`.
void Exploration::compile(int64_t tp, int64_t ep, const std::string &quant,
                          const std::filesystem::path &path) {
  const SearchSpace &space = request_.space;
  CompileFlags flags;
  flags.target = request_.target;
  flags.passes = request_.passes;
  flags.degrees.tp = flags.degrees.world = tp;
  if (ep > 1)
    flags.degrees.ep = ep;
  flags.maxSeqLen = request_.inputTokens + request_.outputTokens;
  flags.maxTokensPerStep = std::min(std::ranges::min(space.chunk), *flags.maxSeqLen);
  flags.maxBatch = std::min(std::ranges::min(space.batch), *flags.maxTokensPerStep);
  const size_t before = programs_.size();
  try {
    Program &program = programs_.emplace_back(Program{
        tp, ep, quant, subjectOf(path.string(), request_.set, flags, /*quiet=*/true), nullptr});
    DeploymentSpec &deployment = program.subject.deployment;
    deployment.memory.kvGib = deployment.memory.nonKvGib = deployment.memory.limitGib = {};
    deployment.execution.devices = {}; // as the memory's: of a deployment with other degrees
    if (!costs_)
      costs_.emplace(deviceFor(deployment, request_.device));
    program.served = std::make_unique<ServedPlan>(deployment, program.subject.plan,
                                                  stackFor(deployment, request_.stack), *costs_);
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::User)
      throw;
    programs_.erase(programs_.begin() + ptrdiff_t(before), programs_.end());
    ++refused_[error.message()];
  }
}

void Exploration::compilePrograms() {
  const SearchSpace &space = request_.space;
  std::vector<std::pair<int64_t, int64_t>> degrees;
  const bool isMoe = std::ranges::any_of(
      compiler().summarize(toImportRequest(model_, {})).tensors,
      [](const auto &tensor) { return tensor.name.find(".experts.") != std::string::npos; });
  for (int64_t tp : space.tp) {
    const std::vector<int64_t> ep = !isMoe             ? std::vector<int64_t>{1}
                                    : space.ep.empty() ? powersOfTwo(1, tp)
                                                       : space.ep;
    for (int64_t experts : ep)
      if (experts <= tp && tp % experts == 0)
        degrees.emplace_back(tp, experts);
  }
  uint64_t done = 0;
  programs_.reserve(space.quant.size() * degrees.size()); // ServedPlan points into them
  for (const std::string &quant : space.quant) {
    const QuantVariant variant(model_, quant);
    for (const auto &[tp, ep] : degrees) {
      progress_("compiling", done++, space.quant.size() * degrees.size());
      compile(tp, ep, quant, variant.path());
    }
  }
}

std::vector<Candidate> Exploration::candidates() const {
  const SearchSpace &space = request_.space;
  std::vector<Candidate> result;
  for (size_t program = 0; program < programs_.size(); ++program)
    for (const std::string &mode : space.graphMode)
      for (int64_t chunk : space.chunk)
        for (int64_t batch : space.batch)
          result.push_back({.tp = programs_[program].tp,
                            .ep = programs_[program].ep,
                            .batch = batch,
                            .chunk = chunk,
                            .quant = programs_[program].quant,
                            .graphMode = mode,
                            .program = program});
  return result;
}

/// What is served with the knobs of `candidate`.
DeploymentSpec Exploration::deploymentOf(const Candidate &candidate) const {
  DeploymentSpec deployment = programs_[candidate.program].subject.deployment;
  deployment.execution.graphMode.value = candidate.graphMode;
  deployment.execution.graphBatchSizes = {};
  DeploymentSpec::Scheduler &scheduler = deployment.scheduler;
  scheduler.maxNumSeqs.value = candidate.clients;
  scheduler.maxNumBatchedTokens.value = std::max<int64_t>(candidate.chunk, candidate.clients);
  scheduler.maxSeqLen.value = request_.inputTokens + request_.outputTokens;
  scheduler.maxPrefillTokens.value = std::max<int64_t>(candidate.chunk, *scheduler.maxSeqLen);
  scheduler.maxInputLen.value = request_.inputTokens;
  scheduler.maxOutputLen.value = request_.outputTokens;
  return deployment;
}

void Exploration::evaluate(Candidate &candidate) const {
  const Program &program = programs_[candidate.program];
  const MemoryBudget &memory = program.served->memory();
  const fb::Plan &plan = *program.subject.plan.root();
  const ActivationBytes more = activationBytes(plan);
  const double larger = double(more.at(uint64_t(candidate.chunk), uint64_t(candidate.batch))) -
                        double(memory.activations);
  const double kvBytes = double(memory.kvCache) - std::max(0.0, larger);
  const double perToken = double(memory.kvCache) / double(memory.kvTokens);
  const double block = plan.kv_cache()->block_size();
  const double perClient =
      std::ceil((request_.inputTokens + request_.outputTokens) / block) * block * perToken;
  candidate.clients =
      uint32_t(std::clamp(std::floor(kvBytes / perClient), 0.0, double(candidate.batch)));
  if (candidate.clients == 0)
    return;
  const DeploymentSpec deployment = deploymentOf(candidate);
  const StackProfile &stack = program.served->stack();
  PlanStepTimer timer(program.served->clock(), launchPolicyOf(deployment, stack));
  const StepFilling filling = stepFillingOf(deployment, stack);
  candidate.estimate = steadyState(
      timer, {.clients = candidate.clients,
              .inputTokens = request_.inputTokens,
              .outputTokens = request_.outputTokens,
              .tokensPerStep = uint32_t(filling.splits ? *deployment.scheduler.maxNumBatchedTokens
                                                       : *deployment.scheduler.maxPrefillTokens),
              .mixes = filling.mixes,
              .gapNs = std::llround(stack.servingGapUs.value * 1e3),
              .plansAhead = filling.plansAhead,
              .tokenizerNs = std::llround(stack.tokenizerUs.value * 1e3)});
}

bool Exploration::meetsObjectives(const Candidate &candidate) const {
  return candidate.clients > 0 && candidate.estimate.ttftMs <= request_.ttftMs.value_or(INFINITY) &&
         candidate.estimate.tpotMs <= request_.tpotMs.value_or(INFINITY);
}

LoadSettings Exploration::loadOf(const Candidate &candidate) const {
  LoadSettings load;
  load.inputLengths = fmt::format("fixed:{}", request_.inputTokens);
  load.outputLengths = fmt::format("fixed:{}", request_.outputTokens);
  load.concurrency = candidate.clients;
  load.requests = 3 * candidate.clients;
  load.seed = request_.seed;
  return load;
}

Served Exploration::simulate(const Candidate &candidate, const LoadSettings &load) const {
  const Program &program = programs_[candidate.program];
  return ServedPlan(deploymentOf(candidate), program.subject.plan, program.served->stack(), *costs_)
      .serve(load);
}

Report Exploration::row(const Candidate &candidate) const {
  const ServingMetrics simulated = simulate(candidate, loadOf(candidate)).metrics;
  return {{"tp", candidate.tp},
          {"ep", candidate.ep},
          {"quant", candidate.quant},
          {"graph_mode", candidate.graphMode},
          {"batch", candidate.clients},
          {"tokens_per_step", candidate.chunk},
          {"ttft_ms", round6(candidate.estimate.ttftMs)},
          {"tpot_ms", round6(candidate.estimate.tpotMs)},
          {"tokens_per_s_per_device", round6(candidate.tokensPerSPerDevice())},
          {"requests_per_s", round6(candidate.estimate.requestsPerS)},
          {"simulated_ttft_ms", round6(simulated.ttftMs.mean)},
          {"simulated_tpot_ms", round6(simulated.tpotMs.mean)},
          {"simulated_tokens_per_s", round6(simulated.outputTokensPerS)}};
}

/// The fewest devices that serve the rate; of those the least time per token. The choice is
/// simulated with its share of the requests, at random times; if that breaks an objective, the next
/// one is tried.
Report Exploration::recommend(std::vector<Candidate> legal) const {
  const auto instances = [&](const Candidate &candidate) {
    return std::ceil(*request_.rate / candidate.estimate.requestsPerS);
  };
  std::ranges::stable_sort(legal, {}, [&](const Candidate &candidate) {
    return std::pair(instances(candidate) * double(candidate.tp), candidate.estimate.tpotMs);
  });
  constexpr size_t tries = 20;
  for (size_t i = 0; i < legal.size() && i < tries; ++i) {
    const Candidate &candidate = legal[i];
    LoadSettings load = loadOf(candidate);
    load.concurrency = {};
    load.rate = *request_.rate / instances(candidate);
    load.requests = std::max<uint64_t>(50, 3 * candidate.clients);
    const ServingMetrics metrics = simulate(candidate, load).metrics;
    if (metrics.ttftMs.mean > request_.ttftMs.value_or(INFINITY) ||
        metrics.tpotMs.mean > request_.tpotMs.value_or(INFINITY))
      continue;
    return {{"devices", int64_t(instances(candidate)) * candidate.tp},
            {"instances", int64_t(instances(candidate))},
            {"tp", candidate.tp},
            {"ep", candidate.ep},
            {"quant", candidate.quant},
            {"graph_mode", candidate.graphMode},
            {"batch", candidate.clients},
            {"tokens_per_step", candidate.chunk},
            {"requests_per_s_per_instance", round6(*load.rate)},
            {"simulated_ttft_ms", round6(metrics.ttftMs.mean)},
            {"simulated_ttft_p90_ms", round6(metrics.ttftMs.p90)},
            {"simulated_tpot_ms", round6(metrics.tpotMs.mean)},
            {"simulated_tpot_p90_ms", round6(metrics.tpotMs.p90)}};
  }
  fail("none of the {} configurations with the fewest devices keeps the objectives at {} requests "
       "per second; larger --ttft-ms and --tpot-ms or more --max-devices are needed",
       std::min(tries, legal.size()), *request_.rate);
}

Report Exploration::run() {
  fillSpace();
  compilePrograms();
  std::vector<Candidate> all = candidates();
  std::mutex mutex;
  uint64_t done = 0;
  oneapi::tbb::parallel_for(size_t(0), all.size(), [&](size_t i) {
    evaluate(all[i]);
    const std::lock_guard lock(mutex);
    progress_("estimating", ++done, all.size());
  });
  const auto fit = std::ranges::count_if(all, [](auto &c) { return c.clients > 0; });
  std::vector<Candidate> legal;
  std::ranges::copy_if(all, std::back_inserter(legal),
                       [&](const Candidate &candidate) { return meetsObjectives(candidate); });
  Report refused = Report::array();
  for (const auto &[reason, programs] : refused_)
    refused.push_back({{"programs", programs}, {"reason", reason}});
  if (fit == 0)
    fail("none of {} configurations fits the device{}{}", all.size(),
         refused_.empty() ? "" : "; the first program was refused: ",
         refused_.empty() ? "" : refused_.begin()->first);
  if (legal.empty())
    fail("of {} configurations {} fit, and none keeps --ttft-ms and --tpot-ms", all.size(), fit);

  Report report = {{"device", costs_->spec().name},
                   {"configurations", all.size()},
                   {"programs", programs_.size()},
                   {"fit", fit},
                   {"within_objectives", legal.size()}};
  if (!refused.empty())
    report["refused"] = refused;
  const std::vector<Candidate> front = paretoFront(legal);
  report["front_size"] = front.size();
  Report rows = Report::array();
  const size_t count = std::min<size_t>(front.size(), request_.rows);
  for (size_t i = 0; i < count; ++i) {
    progress_("simulating", i, count);
    // Evenly along the front, both ends included.
    rows.push_back(row(front[count > 1 ? i * (front.size() - 1) / (count - 1) : 0]));
  }
  report["front"] = std::move(rows);
  if (request_.rate)
    report["recommended"] = recommend(std::move(legal));
  return report;
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

Report explore(const ExploreRequest &request,
               const std::function<void(const char *, uint64_t, uint64_t)> &progress) {
  return Exploration(request, progress).run();
}

} // namespace vinci
