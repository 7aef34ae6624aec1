#include "tools/vinci/ablation.h"

#include "runtime/plan/mesh.h"
#include "runtime/serving/engine.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/load.h"
#include "tools/vinci/model_source.h"

#include <algorithm>
#include <cmath>

namespace vinci {

namespace {

/// A row: what is changed, and how.
struct Variant {
  std::string name, from, to;
  std::string passes; ///< added to --passes
  std::function<void(DeploymentSpec &)> change;
};

const char *onOff(bool on) {
  return on ? "on" : "off";
}

void setPrefetch(DeploymentSpec::Execution &execution, bool on) {
  // vllm-ascend's own shares.
  execution.prefetchQkv.value = on ? 1.0 : 0.0;
  execution.prefetchO.value = on ? 1.0 : 0.0;
  execution.prefetchGateUp.value = on ? 0.8 : 0.0;
}

bool prefetches(const DeploymentSpec::Execution &execution) {
  return execution.prefetchQkv.valueOr(0) > 0 || execution.prefetchO.valueOr(0) > 0 ||
         execution.prefetchGateUp.valueOr(0) > 0;
}

bool has(const DeviceSpec &device, Expansion expansion) {
  return device.has(expansion == Expansion::Host    ? Constant::CollectiveHostRanks2
                    : expansion == Expansion::AiCpu ? Constant::CollectiveAiCpuRanks2
                                                    : Constant::CollectiveAivRanks2);
}

/// Passes without which gate, up, SwiGLU and quantisation of experts are kernels of their own.
constexpr const char *unfusedExperts = "-fuse-grouped-matmul-swiglu,-fuse-swiglu-quant";

constexpr std::pair<const char *, Expansion> engines[] = {
    {"host", Expansion::Host}, {"ai_cpu", Expansion::AiCpu}, {"aiv", Expansion::Aiv}};

/// Simulates variants of one request.
class Ablation {
public:
  explicit Ablation(const AblationRequest &request);

  Report run(const std::function<void(uint64_t, uint64_t)> &progress);

private:
  std::vector<Variant> variants() const;
  void addFusions(std::vector<Variant> &variants) const;
  void addSettings(std::vector<Variant> &variants) const;
  CompileFlags flagsWith(const std::string &passes) const;
  const Plan &planWith(const std::string &passes);
  ServingMetrics serve(const Plan &plan, const DeploymentSpec &deployment) const;
  std::string tokens(const std::string &passes);
  std::vector<int32_t> generate(const std::string &passes) const;
  Report row(const Variant &variant, const ServingMetrics &metrics,
             const std::string &tokens) const;

  const AblationRequest &request_;
  const Subject base_;
  const StackProfile stack_;
  const CostModel costs_;
  const uint32_t ranks_;
  const std::filesystem::path weights_; ///< empty: they are not here, or not asked for
  std::map<std::string, Plan> plans_;   ///< by passes
  std::vector<int32_t> baseTokens_;
  std::string whyNotRun_;
  ServingMetrics baseMetrics_;
};

std::filesystem::path weightsOf(const AblationRequest &request) {
  if (!request.tokens)
    return {};
  const std::filesystem::path directory = findSource(request.model).directory();
  return hasWeights(directory) ? directory : std::filesystem::path();
}

Ablation::Ablation(const AblationRequest &request)
    : request_(request), base_(subjectOf(request.model, request.compile)),
      stack_(stackFor(base_.deployment, request.stack)),
      costs_(deviceFor(base_.deployment, request.device)), ranks_(Mesh(*base_.plan.root()).ranks()),
      weights_(weightsOf(request)) {}

/// Fusions that the command line leaves on are switched off one by one, those that are off on.
void Ablation::addFusions(std::vector<Variant> &variants) const {
  const std::map<std::string, bool> given = parsePasses(request_.compile.passes);
  std::string off, on;
  for (const Compiler::Pass &pass : compiler().passes()) {
    if (!pass.optional)
      continue;
    const auto found = given.find(pass.name);
    const bool isOn = found == given.end() ? pass.onByDefault : found->second;
    variants.push_back({pass.name, onOff(isOn), onOff(!isOn), (isOn ? "-" : "+") + pass.name, {}});
    off += (off.empty() ? "-" : ",-") + pass.name;
    on += (on.empty() ? "+" : ",+") + pass.name;
  }
  variants.push_back({"all fusions", "", "off", off, {}});
  variants.push_back({"all fusions", "", "on", on, {}});
}

void Ablation::addSettings(std::vector<Variant> &variants) const {
  const DeploymentSpec::Execution &base = base_.deployment.execution;
  const std::string mode = graphModeOf(base_.deployment, stack_);
  for (const char *other : {"none", "full-decode-only", "full"})
    if (mode != other)
      variants.push_back({"graph_mode", mode, other, "", [other](DeploymentSpec &deployment) {
                            deployment.execution.graphMode.value = other;
                          }});
  if (ranks_ > 1) {
    const Expansion expansion = clockOptionsOf(base_.deployment, ranks_).expansion;
    const char *from =
        std::ranges::find(engines, expansion, [](auto &engine) { return engine.second; })->first;
    for (const auto &[name, engine] : engines)
      if (engine != expansion && has(costs_.spec(), engine))
        variants.push_back(
            {"collective_engine", from, name, "", [name = name](DeploymentSpec &deployment) {
               deployment.execution.collectiveEngine.value = name;
             }});
  }
  const bool prefetch = prefetches(base);
  variants.push_back(
      {"prefetch", onOff(prefetch), onOff(!prefetch), "",
       [prefetch](DeploymentSpec &deployment) { setPrefetch(deployment.execution, !prefetch); }});
  const bool fractals = base_.deployment.weights.nzLayout.valueOr(true);
  variants.push_back(
      {"nz_layout", onOff(fractals), onOff(!fractals), "",
       [fractals](DeploymentSpec &deployment) { deployment.weights.nzLayout.value = !fractals; }});
  // vllm-ascend cast the experts' weights into fractals for the sake of the fused kernel.
  if (fractals)
    variants.push_back(
        {"fuse-grouped-matmul-swiglu and nz_layout", "on", "off", unfusedExperts,
         [](DeploymentSpec &deployment) { deployment.weights.nzLayout.value = false; }});
  if (stack_.async.value != 0) {
    const bool async = base.asyncScheduling.valueOr(false);
    variants.push_back(
        {"async_scheduling", onOff(async), onOff(!async), "", [async](DeploymentSpec &deployment) {
           deployment.execution.asyncScheduling.value = !async;
         }});
  }
  const auto &binding = base.cpuBinding;
  for (const bool other : {false, true})
    if (!binding || *binding != other)
      variants.push_back(
          {"cpu_binding", binding ? onOff(*binding) : "not said", onOff(other), "",
           [other](DeploymentSpec &deployment) { deployment.execution.cpuBinding.value = other; }});
}

std::vector<Variant> Ablation::variants() const {
  std::vector<Variant> variants;
  addFusions(variants);
  const std::string allOff = variants[variants.size() - 2].passes, allOn = variants.back().passes;
  addSettings(variants);
  const bool aiv = has(costs_.spec(), Expansion::Aiv);
  for (const bool on : {false, true})
    variants.push_back(
        {"everything", "", onOff(on), on ? allOn : allOff, [on, aiv](DeploymentSpec &deployment) {
           DeploymentSpec::Execution &execution = deployment.execution;
           execution.graphMode.value = on ? "full" : "none";
           execution.collectiveEngine.value = on && aiv ? "aiv" : "host";
           execution.asyncScheduling.value = on;
           execution.cpuBinding.value = on;
           setPrefetch(execution, on);
         }});
  return variants;
}

CompileFlags Ablation::flagsWith(const std::string &passes) const {
  CompileFlags flags = request_.compile;
  if (!passes.empty())
    flags.passes += (flags.passes.empty() ? "" : ",") + passes;
  return flags;
}

const Plan &Ablation::planWith(const std::string &passes) {
  if (passes.empty())
    return base_.plan;
  auto found = plans_.find(passes);
  if (found == plans_.end())
    found = plans_
                .emplace(passes, subjectOf(request_.model, flagsWith(passes),
                                           /*quiet=*/true)
                                     .plan)
                .first;
  return found->second;
}

ServingMetrics Ablation::serve(const Plan &plan, const DeploymentSpec &deployment) const {
  return ServedPlan(deployment, plan, stack_, costs_, request_.routing)
      .serve(request_.load)
      .metrics;
}

/// What the model generates after a few made-up ids, really computed.
std::vector<int32_t> Ablation::generate(const std::string &passes) const {
  const CompileFlags flags = flagsWith(passes);
  const ImportRequest import = toImportRequest(findSource(request_.model).path, flags);
  CompileResult compiled = compiler().compile(import, toCompileOptions(flags));
  const auto model =
      load({Plan::parse(std::move(compiled.plan), request_.model), weights_, {}}, {});
  Engine engine(*model);
  Request request;
  for (int32_t id = 1; id <= 16; ++id)
    request.promptIds.push_back(id * 7 % int32_t(model->limits().vocabSize));
  request.maxTokens = 16;
  request.ignoreEos = true;
  engine.submit(std::move(request));
  return engine.run().front().outputIds;
}

std::string Ablation::tokens(const std::string &passes) {
  if (weights_.empty())
    return request_.tokens ? "no weights here" : "not asked for";
  if (passes.empty())
    return "same plan";
  if (baseTokens_.empty() && whyNotRun_.empty())
    try {
      baseTokens_ = generate("");
    } catch (const Error &error) { // too large for this machine, or damaged weights
      if (error.kind() == ErrorKind::Internal)
        throw;
      whyNotRun_ = "cannot be run here: " + error.message();
    }
  if (!whyNotRun_.empty())
    return whyNotRun_;
  const std::vector<int32_t> ids = generate(passes);
  const auto same = std::ranges::mismatch(ids, baseTokens_).in1 - ids.begin();
  return fmt::format("{} of {} the same", same, baseTokens_.size());
}

double percent(double value, double base) {
  return base > 0 ? std::round((value / base - 1) * 1e4) / 100 : 0;
}

Report figures(const ServingMetrics &metrics) {
  return {{"step_ms", round6(metrics.stepMs)},
          {"tpot_ms", round6(metrics.tpotMs.mean)},
          {"ttft_ms", round6(metrics.ttftMs.mean)},
          {"output_tokens_per_s", round6(metrics.outputTokensPerS)}};
}

Report Ablation::row(const Variant &variant, const ServingMetrics &metrics,
                     const std::string &tokens) const {
  Report row = {{"what", variant.name}, {"from", variant.from}, {"to", variant.to}};
  row.update(figures(metrics));
  row["step_percent"] = percent(metrics.stepMs, baseMetrics_.stepMs);
  row["tpot_percent"] = percent(metrics.tpotMs.mean, baseMetrics_.tpotMs.mean);
  row["ttft_percent"] = percent(metrics.ttftMs.mean, baseMetrics_.ttftMs.mean);
  row["tokens_per_s_percent"] = percent(metrics.outputTokensPerS, baseMetrics_.outputTokensPerS);
  row["tokens"] = tokens;
  return row;
}

Report Ablation::run(const std::function<void(uint64_t, uint64_t)> &progress) {
  baseMetrics_ = serve(base_.plan, base_.deployment);
  Report rows = Report::array(), without = Report::array();
  const std::vector<Variant> all = variants();
  for (size_t i = 0; i < all.size(); ++i) {
    progress(i, all.size());
    const Variant &variant = all[i];
    const Plan &plan = planWith(variant.passes);
    const std::string name = fmt::format("{} {}", variant.name, variant.to);
    if (!variant.change && std::ranges::equal(plan.bytes(), base_.plan.bytes())) {
      without.push_back(name);
      continue;
    }
    DeploymentSpec deployment = base_.deployment;
    if (variant.change)
      variant.change(deployment);
    rows.push_back(row(variant, serve(plan, deployment), tokens(variant.passes)));
    const Report &added = rows.back();
    if (variant.passes.empty() && added["step_percent"] == 0 && added["tpot_percent"] == 0 &&
        added["ttft_percent"] == 0) {
      without.push_back(name);
      rows.erase(rows.size() - 1);
    }
  }
  progress(all.size(), all.size());
  return {{"device", costs_.spec().name},
          {"stack", stack_.name},
          {"ranks", ranks_},
          {"baseline", figures(baseMetrics_)},
          {"ablation", std::move(rows)},
          {"without_effect", std::move(without)}};
}

} // namespace

Report ablate(const AblationRequest &request,
              const std::function<void(uint64_t, uint64_t)> &progress) {
  if (const Source source = findSource(request.model); source.kind == SourceKind::Plan)
    fail(SourcePosition{source.path.string()},
         "this plan is compiled already; --ablate compiles a model again without each fusion, so a "
         "model or a deployment is expected");
  return Ablation(request).run(progress);
}

} // namespace vinci
