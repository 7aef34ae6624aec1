#include "tools/vinci/ablation.h"

#include "runtime/prediction/ablation.h"
#include "runtime/serving/engine.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/load.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/prompt_lengths.h"
#include "tools/vinci/served_report.h"

#include <algorithm>

namespace vinci {

namespace {

CompileFlags flagsWith(CompileFlags flags, const PlanChange &change) {
  if (!change.passes.empty())
    flags.passes += (flags.passes.empty() ? "" : ",") + change.passes;
  flags.set.insert(flags.set.end(), change.set.begin(), change.set.end());
  return flags;
}

/// A model compiled with this or that pass, once each.
class Variants {
public:
  Variants(const AblationArguments &arguments, const DeviceSpec &device, const Subject &base)
      : arguments_(arguments), device_(device), base_(base) {}

  AblatedPlan plan(const PlanChange &change);

private:
  const AblationArguments &arguments_;
  const DeviceSpec &device_;
  const Subject &base_;
  std::map<PlanChange, Plan> plans_;
};

AblatedPlan Variants::plan(const PlanChange &change) {
  const Plan *plan = &base_.plan;
  if (!change.isNone()) {
    auto found = plans_.find(change);
    if (found == plans_.end())
      found =
          plans_
              .emplace(change, subjectOf(arguments_.model, flagsWith(arguments_.compile, change),
                                         /*quiet=*/true)
                                   .plan)
              .first;
    plan = &found->second;
  }
  std::string warning; // said once, of the baseline
  return {plan, memoryBudgetOf(base_.deployment, *plan, device_, warning)};
}

/// What a model generates, really computed, compared with what it generates by the baseline.
class TokenCheck {
public:
  explicit TokenCheck(const AblationArguments &arguments);

  std::string operator()(const PlanChange &change);

private:
  std::vector<int32_t> generate(const PlanChange &change) const;

  const AblationArguments &arguments_;
  std::filesystem::path weights_; ///< empty: they are not here, or not asked for
  std::vector<int32_t> baseTokens_;
  std::string whyNotRun_;
};

TokenCheck::TokenCheck(const AblationArguments &arguments) : arguments_(arguments) {
  if (!arguments.tokens)
    return;
  const std::filesystem::path directory = findSource(arguments.model).directory();
  if (hasWeights(directory))
    weights_ = directory;
}

/// After a few made-up ids.
std::vector<int32_t> TokenCheck::generate(const PlanChange &change) const {
  const CompileFlags flags = flagsWith(arguments_.compile, change);
  const ImportRequest import = toImportRequest(findSource(arguments_.model).path, flags);
  CompileResult compiled = compiler().compile(import, toCompileOptions(flags));
  const auto model =
      load({Plan::parse(std::move(compiled.plan), arguments_.model), weights_, {}}, {});
  Engine engine(*model);
  Request request;
  for (int32_t id = 1; id <= 16; ++id)
    request.promptIds.push_back(id * 7 % int32_t(model->limits().vocabSize));
  request.maxTokens = 16;
  request.ignoreEos = true;
  engine.submit(std::move(request));
  return engine.run().front().outputIds;
}

std::string TokenCheck::operator()(const PlanChange &change) {
  if (weights_.empty())
    return arguments_.tokens ? "no weights here" : "not asked for";
  if (change.isNone())
    return "same plan";
  if (baseTokens_.empty() && whyNotRun_.empty())
    try {
      baseTokens_ = generate({});
    } catch (const Error &error) { // too large for this machine, or damaged weights
      if (error.kind() == ErrorKind::Internal)
        throw;
      whyNotRun_ = "cannot be run here: " + error.message();
    }
  if (!whyNotRun_.empty())
    return whyNotRun_;
  const std::vector<int32_t> ids = generate(change);
  const auto same = std::ranges::mismatch(ids, baseTokens_).in1 - ids.begin();
  return fmt::format("{} of {} the same", same, baseTokens_.size());
}

std::vector<SwitchedPass> switchedPasses(const std::string &flag) {
  const std::map<std::string, bool> given = parsePasses(flag);
  std::vector<SwitchedPass> passes;
  for (const Compiler::Pass &pass : compiler().passes()) {
    if (!pass.optional || pass.phase != "fuse")
      continue;
    const auto found = given.find(pass.name);
    passes.push_back({pass.name, found == given.end() ? pass.onByDefault : found->second});
  }
  return passes;
}

Report figures(const ServingMetrics &metrics) {
  return {{"step_ms", round6(metrics.stepMs)},
          {"tpot_ms", round6(metrics.tpotMs.mean)},
          {"ttft_ms", round6(metrics.ttftMs.mean)},
          {"output_tokens_per_s", round6(metrics.outputTokensPerS)}};
}

Report rowReport(const AblationRow &row, const ServingMetrics &base) {
  Report report = {{"what", row.what}, {"from", row.from}, {"to", row.to}};
  report.update(figures(row.metrics));
  report["step_percent"] = percentAbove(row.metrics.stepMs, base.stepMs);
  report["tpot_percent"] = percentAbove(row.metrics.tpotMs.mean, base.tpotMs.mean);
  report["ttft_percent"] = percentAbove(row.metrics.ttftMs.mean, base.ttftMs.mean);
  report["tokens_per_s_percent"] =
      percentAbove(row.metrics.outputTokensPerS, base.outputTokensPerS);
  report["tokens"] = row.tokens;
  return report;
}

} // namespace

Report ablationReport(const AblationArguments &arguments,
                      const std::function<void(uint64_t, uint64_t)> &progress) {
  LoadSettings load = arguments.load;
  if (const Source source = findSource(arguments.model); source.kind == SourceKind::Plan)
    fail(SourcePosition{source.path.string()},
         "this plan is compiled already; --ablate compiles a model again without each fusion, so a "
         "model or a deployment is expected");
  const Subject base = subjectOf(arguments.model, arguments.compile);
  const StackProfile stack = stackFor(base.deployment, arguments.stack);
  const CostModel costs(deviceFor(base.deployment, arguments.device));
  const ServedPlan served = servedPlanOf(base, stack, costs, arguments.routing);
  readPromptLengths(load, arguments.model, served);
  Variants variants(arguments, costs.spec(), base);
  TokenCheck tokens(arguments);
  const AblationResult result =
      ablate({.settings = served.settings(),
              .stack = stack,
              .costs = costs,
              .load = loadOf(base.deployment, load),
              .passes = switchedPasses(arguments.compile.passes),
              .plan = [&](const PlanChange &change) { return variants.plan(change); },
              .tokens = [&](const PlanChange &change) { return tokens(change); }},
             progress);
  Report rows = Report::array();
  for (const AblationRow &row : result.rows)
    rows.push_back(rowReport(row, result.baseline));
  return {{"device", costs.spec().name}, {"stack", stack.name},
          {"ranks", served.ranks()},     {"baseline", figures(result.baseline)},
          {"ablation", std::move(rows)}, {"without_effect", result.withoutEffect}};
}

} // namespace vinci
