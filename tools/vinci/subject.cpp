#include "tools/vinci/subject.h"

#include "runtime/device/platform_ini.h"
#include "runtime/device/targets.h"
#include "runtime/support/error.h"
#include "runtime/support/yaml.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace vinci {

/// Limits that nobody gave are those of a server, not the small ones that a run on this machine
/// has. True if there are any.
static bool limitAsServed(CompileOptions &options, const DeploymentSpec &deployment) {
  const DeploymentSpec::Scheduler &scheduler = deployment.scheduler;
  if (const std::string policy = scheduler.policy.valueOr("vllm"); !policy.starts_with("vllm"))
    return false;
  const VllmSettings defaults;
  const bool batch = !options.maxBatch && !scheduler.maxNumSeqs;
  const bool tokens = !options.maxTokensPerStep && !scheduler.maxNumBatchedTokens;
  if (batch)
    options.maxBatch =
        std::min(defaults.maxNumSeqs,
                 options.maxTokensPerStep.value_or(
                     scheduler.maxNumBatchedTokens.valueOr(defaults.maxNumBatchedTokens)));
  if (tokens)
    options.maxTokensPerStep =
        std::max(defaults.maxNumBatchedTokens,
                 options.maxBatch.value_or(scheduler.maxNumSeqs.valueOr(defaults.maxNumSeqs)));
  return batch || tokens;
}

Subject subjectOf(const std::string &model, const CompileFlags &flags, bool quiet) {
  const Source source = findSource(model);
  const SourcePosition place{source.path.string()};
  if (source.kind == SourceKind::Ir)
    fail(place, "IR says nothing of how it is served; a model, a deployment or a plan is expected");
  if (source.kind == SourceKind::Plan) {
    if (flags.any())
      fail(place, "this plan is compiled already; compile options and --set go with a model or a "
                  "deployment");
    return {{}, Plan::open(source.path)};
  }
  const ImportRequest request = toImportRequest(source.path, flags);
  CompileOptions options = toCompileOptions(flags);
  options.kernels = false;
  CompileResult result = compiler().compile(request, options);
  if (limitAsServed(options, result.deployment))
    result = compiler().compile(request, options);
  if (!quiet)
    for (const std::string &warning : result.warnings)
      fmt::print(stderr, "{}\n", warning);
  return {std::move(result.deployment), Plan::parse(std::move(result.plan), place.file)};
}

void takeTargetFile(std::string &target, std::string &device) {
  if (!target.ends_with(".yaml"))
    return;
  if (!device.empty())
    fail("--target {} is a device's file, and --device names one as well", quoteForMessage(target));
  const JsonDocument file = parseYaml(readTextFile(target, size_t(1) << 20), target);
  const std::optional<JsonValue> base =
      file.root().isObject() ? file.root().find("base") : std::nullopt;
  if (!base || !base->isString() || !findTarget(base->toText("base")))
    fail(SourcePosition{target, 1, 1},
         "a device without a base says no target to compile for; base: NAME with one of {}, or "
         "--target NAME with --device FILE.yaml is expected",
         targetNames());
  device = std::exchange(target, std::string(base->toText("base")));
}

DeviceSpec deviceFor(const DeploymentSpec &deployment, const std::string &name) {
  const std::string target = deployment.target.valueOr("host");
  const bool isNpu = target != "host", isIni = name.ends_with(".ini");
  if (!name.empty() && !isIni)
    return deviceSpec(name);
  if (!isNpu)
    throw Error(
        ErrorKind::Usage, {},
        fmt::format("the model names no NPU to simulate; --target is 310p3, 910b3 or a3, or "
                    "--device a specification: {} or a .yaml file",
                    fmt::join(deviceSpecNames(), ", ")));
  const DeviceSpec device = deviceSpec(target);
  return isIni ? readPlatformIni(name, device) : device;
}

ServedPlan servedPlanOf(const Subject &subject, const StackProfile &stack, const CostModel &costs,
                        const std::optional<Routing> &routing, bool quiet) {
  ServingSettings settings = servingSettingsOf(subject.deployment, stack, subject.plan, routing);
  std::string warning;
  settings.memory = memoryBudgetOf(subject.deployment, subject.plan, costs.spec(), warning);
  if (!warning.empty() && !quiet)
    fmt::print(stderr, "warning: {}\n", warning);
  return ServedPlan(std::move(settings), subject.plan, stack, costs);
}

} // namespace vinci
