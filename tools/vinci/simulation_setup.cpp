#include "tools/vinci/simulation_setup.h"

#include "runtime/device/graph_capture.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "tools/vinci/plan_memory.h"

#include <algorithm>
#include <cmath>

namespace vinci {
namespace {

std::string policyOf(const DeploymentSpec &deployment) {
  return deployment.scheduler.policy.valueOr("vllm");
}

MindieSettings mindieSettings(const DeploymentSpec &deployment) {
  const DeploymentSpec::Scheduler &from = deployment.scheduler;
  MindieSettings settings;
  const auto take = [](int64_t &knob, const Setting<int64_t> &setting) {
    knob = setting.valueOr(knob);
  };
  take(settings.maxSeqLen, from.maxSeqLen);
  take(settings.maxInputTokenLen, from.maxInputLen);
  take(settings.cacheBlockSize, from.blockSize);
  take(settings.maxPrefillBatchSize, from.maxPrefillSeqs);
  take(settings.maxPrefillTokens, from.maxPrefillTokens);
  take(settings.prefillTimeMsPerReq, from.prefillTimeMs);
  take(settings.prefillPolicyType, from.prefillPolicy);
  take(settings.decodeTimeMsPerReq, from.decodeTimeMs);
  take(settings.decodePolicyType, from.decodePolicy);
  take(settings.maxBatchSize, from.maxNumSeqs);
  take(settings.maxIterTimes, from.maxOutputLen);
  take(settings.maxPreemptCount, from.maxPreempted);
  take(settings.maxQueueDelayMicroseconds, from.maxQueueDelayUs);
  take(settings.maxFirstTokenWaitTime, from.maxFirstTokenWaitMs);
  settings.truncation = from.truncation.valueOr(settings.truncation);
  settings.supportSelectBatch = from.selectBatch.valueOr(settings.supportSelectBatch);
  settings.mixed = from.chunkedPrefill.valueOr(settings.mixed);
  settings.npuMemSize = deployment.memory.kvGib.valueOr(settings.npuMemSize);
  settings.cpuMemSize = deployment.memory.swapGib.valueOr(settings.cpuMemSize);
  return settings;
}

VllmSettings vllmSettings(const DeploymentSpec &deployment, const Plan &plan) {
  const DeploymentSpec::Scheduler &from = deployment.scheduler;
  const fb::Limits &limits = *plan.root()->limits();
  VllmSettings settings;
  // A recipe runs the batch that it was given, and nothing else; a group has its part of it.
  const bool isRecipe = policyOf(deployment) == "recipe";
  const int64_t batch =
      isRecipe && deployment.workload.batchSize
          ? int64_t(partSize(uint64_t(*deployment.workload.batchSize), dataGroupsOf(*plan.root())))
          : int64_t(limits.max_batch());
  settings.maxNumSeqs = from.maxNumSeqs.valueOr(batch);
  settings.maxModelLen = from.maxSeqLen.valueOr(limits.max_seq_len());
  settings.maxNumBatchedTokens = from.maxNumBatchedTokens.valueOr(
      std::max<int64_t>(limits.max_tokens_per_step(), settings.maxNumSeqs));
  settings.blockSize = plan.root()->kv_cache()->block_size();
  settings.chunkedPrefill = from.chunkedPrefill.valueOr(true);
  settings.prefixCaching = from.prefixCaching.valueOr(true);
  settings.ascendScheduler = policyOf(deployment) == "vllm-ascend";
  return settings;
}

} // namespace

StackProfile stackFor(const DeploymentSpec &deployment, const std::string &name) {
  if (name.ends_with(".yaml"))
    return readStackProfile(name);
  if (!name.empty())
    return stackProfile(name);
  if (policyOf(deployment) == "mindie")
    return stackProfile("mindie-1.0.0-ms");
  if (policyOf(deployment) == "recipe")
    return stackProfile("cann-recipes");
  return stackProfile(deployment.memory.nonKvGib ? "vllm-mindspore" : "vllm-ascend-0.18");
}

std::string graphModeOf(const DeploymentSpec &deployment, const StackProfile &stack) {
  const bool captures = stack.capturesDecode.value != 0 && policyOf(deployment) != "recipe";
  return deployment.execution.graphMode.valueOr(captures ? "piecewise" : "none");
}

ClockOptions clockOptionsOf(const DeploymentSpec &deployment, uint32_t ranks,
                            const std::optional<Routing> &routing) {
  ClockOptions options;
  const DeploymentSpec::Execution &execution = deployment.execution;
  // vllm-ascend's default, and that of recipes, is fractals for what is quantised.
  options.fractals = deployment.weights.nzLayout.valueOr(true);
  if (routing)
    options.routing = *routing;
  else if (execution.balancedExperts.valueOr(false))
    options.routing = Routing::parse("balanced", "routing");
  // Where recipes say nothing, their scripts ask for the vector cores.
  const std::string engine = deployment.execution.collectiveEngine.valueOr(
      policyOf(deployment) == "recipe" ? "aiv" : "host");
  options.expansion = engine == "aiv"      ? Expansion::Aiv
                      : engine == "ai_cpu" ? Expansion::AiCpu
                                           : Expansion::Host;
  if (const auto &devices = deployment.execution.devices; devices && devices->size() >= ranks)
    options.devices.assign(devices->begin(), devices->begin() + ranks);
  return options;
}

/// The tokens that graphs of `mode` are captured for; nothing: those that vLLM's rule gives.
static std::vector<uint32_t> graphSizesOf(const DeploymentSpec &deployment, const Plan &plan,
                                          const std::string &mode) {
  if (const auto &said = deployment.execution.graphBatchSizes; said && !said->empty()) {
    std::vector<uint32_t> sizes(said->begin(), said->end());
    std::ranges::sort(sizes);
    return sizes;
  }
  const fb::Limits &limits = *plan.root()->limits();
  const auto batch = uint32_t(deployment.scheduler.maxNumSeqs.valueOr(limits.max_batch()));
  if (const fb::Graphs *graphs = plan.root()->graphs();
      graphs && toString(GraphMode(graphs->mode())) == mode && batch <= limits.max_batch())
    return {graphs->sizes()->begin(), graphs->sizes()->end()};
  return {};
}

/// What does not depend on the scheduler.
static ServingSettings executionOf(const DeploymentSpec &deployment, const StackProfile &stack,
                                   const Plan &plan) {
  const DeploymentSpec::Execution &execution = deployment.execution;
  ServingSettings settings;
  settings.graphMode = graphModeOf(deployment, stack);
  settings.graphSizes = graphSizesOf(deployment, plan, settings.graphMode);
  settings.asyncScheduling = execution.asyncScheduling.valueOr(false);
  if (execution.cpuBinding)
    settings.cpuBinding = *execution.cpuBinding;
  settings.dispatchThreads = uint32_t(execution.dispatchThreads.valueOr(1));
  settings.dispatchGroup = uint32_t(execution.dispatchGroupSize.valueOr(1));
  return settings;
}

LaunchPolicy launchPolicyOf(const DeploymentSpec &deployment, const StackProfile &stack,
                            const Plan &plan) {
  return launchPolicyOf(executionOf(deployment, stack, plan), stack);
}

ServingSettings servingSettingsOf(const DeploymentSpec &deployment, const StackProfile &stack,
                                  const Plan &plan, const std::optional<Routing> &routing) {
  ServingSettings settings = executionOf(deployment, stack, plan);
  settings.clock = clockOptionsOf(deployment, Mesh(*plan.root()).ranks(), routing);
  settings.isMindie = policyOf(deployment) == "mindie";
  settings.mindie = mindieSettings(deployment);
  if (settings.isMindie && settings.mindie.maxPreemptCount > 0)
    settings.hostBlocks = kvGeometryOf(*plan.root()).blocksIn(settings.mindie.cpuMemSize);
  settings.vllm = vllmSettings(deployment, plan);
  return settings;
}

MemoryBudget memoryBudgetOf(const DeploymentSpec &deployment, const Plan &plan,
                            const DeviceSpec &device, std::string &warning) {
  MemoryBudget budget = PlanMemory(plan, deployment, device).budget();
  if (!budget.fits())
    fail("{}; more ranks (--tp) or fewer tokens per step (--max-tokens-per-step) are needed, or "
         "fewer KV blocks: `vinci compile` says which",
         budget.problem);
  warning = budget.warning;
  return budget;
}

ServedLoad loadOf(const DeploymentSpec &deployment, const LoadSettings &options) {
  if (!options.traceFile.empty())
    return {Load::trace(readTraceFile(options.traceFile)), options.seed};
  const DeploymentSpec::Workload &from = deployment.workload;
  const auto lengths = [](const std::string &flag, const std::optional<LengthDistribution> &ofFile,
                          const Setting<std::string> &setting, const char *name) {
    if (ofFile)
      return *ofFile;
    if (!flag.empty())
      return LengthDistribution::parse(flag, name, {});
    if (!setting)
      throw Error(ErrorKind::Usage, {},
                  fmt::format("{} is missing, and the deployment does not say it; fixed:N, "
                              "uniform:A-B, normal:M,S, quantiles:… and file:PROMPTS are legal",
                              name));
    return LengthDistribution::parse(*setting, name, setting.origin);
  };
  RequestShape shape{.seed = options.seed,
                     .inputTokens = lengths(options.inputLengths, options.files.inputs,
                                            from.inputTokens, "--input-len"),
                     .outputTokens = lengths(options.outputLengths, options.files.outputs,
                                             from.outputTokens, "--output-len")};
  const auto concurrency =
      uint64_t(options.concurrency.value_or(uint64_t(from.concurrency.valueOr(1))));
  const auto requests = uint64_t(from.requests.valueOr(int64_t(concurrency)));
  shape.requests = options.requests.value_or(options.files.prompts.value_or(requests));
  // Lengths that the command line gives are not cut to what the deployment allows.
  if (options.maxTokens)
    shape.maxTokens = uint32_t(*options.maxTokens);
  else if (options.outputLengths.empty())
    shape.maxTokens = uint32_t(from.maxTokens.valueOr(0));
  return {options.rate ? Load::openLoop(shape, *options.rate)
                       : Load::closedLoop(shape, concurrency),
          options.seed};
}

} // namespace vinci
