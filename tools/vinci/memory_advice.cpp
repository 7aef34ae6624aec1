#include "tools/vinci/memory_advice.h"

#include "runtime/device/targets.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/quant_variant.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <functional>

namespace vinci {

const DeviceSpec *deviceOf(const DeploymentSpec &deployment) {
  return findDeviceSpec(deployment.target.valueOr("host"));
}

namespace {

class Trials {
public:
  Trials(const ImportRequest &request, const CompileOptions &options, const CompileResult &result,
         const PlanMemory &memory)
      : request_(request), options_(options), deployment_(result.deployment), memory_(memory),
        plan_(Plan::parse(result.plan, "")) {
    options_.kernels = false;
  }

  std::vector<std::string> run() {
    fewerBlocks();
    if (memory_.sequencesAreTooLong())
      shorterSequences();
    fewerTokens();
    smallerDType();
    int8Weights();
    moreRanks();
    std::ranges::stable_sort(found_, {}, &Found::freed);
    std::vector<std::string> changes;
    for (Found &found : found_)
      changes.push_back(std::move(found.change));
    return changes;
  }

private:
  using Change = std::function<void(ImportRequest &, CompileOptions &)>;
  struct Found {
    std::string change;
    int64_t freed; ///< bytes of a device that it no longer needs
  };

  /// Adds `name` if the model fits with `change`.
  bool tryChange(std::string name, const Change &change) {
    ImportRequest request = request_;
    CompileOptions options = options_;
    change(request, options);
    try {
      const CompileResult result = compiler().compile(request, options);
      const Plan plan = Plan::parse(result.plan, "");
      const PlanMemory memory(plan, result.deployment, *deviceOf(result.deployment),
                              options.kvBlocks);
      if (!memory.problem().empty())
        return false;
      found_.push_back(
          {std::move(name), int64_t(memory_.neededBytes()) - int64_t(memory.neededBytes())});
    } catch (const Error &) { // not legal for this model
      return false;
    }
    return true;
  }

  void fewerBlocks() {
    const double left = double(memory_.bytesLeftForKv());
    const auto blocks = uint64_t(left / double(memory_.bytesPerKvBlock()));
    if (blocks < memory_.leastKvBlocks() || blocks >= memory_.budget().kvBlocks)
      return;
    if (options_.kvBlocks) {
      tryChange(
          fmt::format("--kv-blocks {}", blocks),
          [&](ImportRequest &, CompileOptions &options) { options.kvBlocks = int64_t(blocks); });
    } else if (deployment_.memory.kvGib.valueOr(-1) >= 0) {
      const std::string setting =
          fmt::format("memory.kv_gib={:g}", std::floor(left / bytesPerGib * 100) / 100);
      tryChange("--set " + setting, [&](ImportRequest &request, CompileOptions &) {
        request.overrides.push_back(setting);
      });
    }
  }

  void shorterSequences() {
    const uint64_t block = plan_.root()->kv_cache()->block_size();
    const uint64_t longest = memory_.longest(/*compiled=*/false).tokens / block * block;
    if (longest > 0)
      tryChange(
          fmt::format("--max-seq-len {}", longest),
          [&](ImportRequest &, CompileOptions &options) { options.maxSeqLen = int64_t(longest); });
  }

  void fewerTokens() {
    if (const uint64_t tokens = memory_.mostTokensPerStep())
      tryChange(fmt::format("--max-tokens-per-step {}", tokens),
                [&](ImportRequest &, CompileOptions &options) {
                  options.maxTokensPerStep = int64_t(tokens);
                });
  }

  void smallerDType() {
    if (plan_.root()->model()->dtype() != fb::DType::Float32)
      return;
    const NpuTarget *target = findTarget(*deployment_.target);
    const DType smaller = target->bfloat16 ? DType::BFloat16 : DType::Float16;
    tryChange(fmt::format("--dtype {}", toString(smaller)),
              [&](ImportRequest &, CompileOptions &options) {
                options.dtype = smaller;
                options.precision = {};
              });
  }

  void int8Weights() {
    if (request_.files.size() != 1 || QuantVariant::isQuantised(request_.files.front()))
      return;
    try {
      const QuantVariant variant(request_.files.front(), "w8a8-dynamic");
      tryChange(quantisedWeights, [&](ImportRequest &request, CompileOptions &) {
        request.files = {variant.path()};
      });
    } catch (const Error &) { // a model without configs of its own, or a folder that cannot be read
    }
  }

  /// The fewest more ranks, by tensor parallelism of everything or, where attention and experts are
  /// divided apart, by more experts' ranks.
  void moreRanks() {
    const int64_t ranks = Mesh(*plan_.root()).ranks();
    const bool flags = options_.degrees != RequestedDegrees();
    const auto degree = [&](const std::optional<int64_t> &flag, const Setting<int64_t> &setting) {
      return flags ? flag : setting.value;
    };
    const auto attention = degree(options_.degrees.attnTp, deployment_.parallel.attnTp);
    const auto moe = degree(options_.degrees.moeTp, deployment_.parallel.moeTp);
    for (int64_t times = 2; times <= 8; ++times) {
      const int64_t world = ranks * times;
      if (tryChange(fmt::format("--tp {}", world), [&](ImportRequest &, CompileOptions &options) {
            options.degrees = {};
            options.degrees.tp = world;
          }))
        return;
      if (attention && moe && *moe < ranks &&
          tryChange(fmt::format("--world {} --attn-tp {} --moe-tp {}", world, *attention, *moe),
                    [&](ImportRequest &, CompileOptions &options) {
                      options.degrees = {};
                      options.degrees.world = world;
                      options.degrees.attnTp = attention;
                      options.degrees.moeTp = moe;
                    }))
        return;
    }
  }

  const ImportRequest &request_;
  CompileOptions options_;
  const DeploymentSpec &deployment_;
  const PlanMemory &memory_;
  const Plan plan_;
  std::vector<Found> found_;
};

} // namespace

std::vector<std::string> changesThatFit(const ImportRequest &request, const CompileOptions &options,
                                        const CompileResult &result, const PlanMemory &memory) {
  return Trials(request, options, result, memory).run();
}

std::string adviceText(const std::vector<std::string> &changes) {
  if (changes.empty())
    return "; neither fewer KV blocks, fewer tokens per step, a smaller dtype, int8 weights nor "
           "eight times the ranks would fit";
  return fmt::format("; with {} it fits", fmt::join(changes, " it fits, with "));
}

void requireFits(const ImportRequest &request, const CompileOptions &options,
                 CompileResult &result) {
  const DeviceSpec *device = deviceOf(result.deployment);
  if (!device || result.plan.empty())
    return;
  const Plan plan = Plan::parse(result.plan, "");
  const PlanMemory memory(plan, result.deployment, *device, options.kvBlocks);
  if (const std::string problem = memory.problem(); !problem.empty())
    fail("{}{}", problem, adviceText(changesThatFit(request, options, result, memory)));
  if (!memory.budget().warning.empty())
    result.warnings.push_back("warning: " + memory.budget().warning);
}

} // namespace vinci
