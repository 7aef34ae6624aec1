#include "tools/vinci/exploration.h"

#include "runtime/prediction/exploration.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/plan_memory.h"
#include "tools/vinci/quant_variant.h"
#include "tools/vinci/served_report.h"

#include <algorithm>

namespace vinci {

namespace {

using Progress = std::function<void(const char *, uint64_t, uint64_t)>;

std::vector<int64_t> powersOfTwo(int64_t first, int64_t last) {
  std::vector<int64_t> powers;
  for (int64_t power = first; power <= last; power *= 2)
    powers.push_back(power);
  return powers;
}

void fillSpace(SearchSpace &space, const std::filesystem::path &model, int64_t maxDevices) {
  if (space.tp.empty())
    space.tp = powersOfTwo(1, maxDevices);
  if (space.batch.empty())
    space.batch = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
  if (space.chunk.empty())
    space.chunk = {256, 512, 1024, 2048, 4096, 8192, 16384};
  if (space.quant.empty())
    space.quant = {"checkpoint", QuantVariant::isQuantised(model) ? "float" : "w8a8-dynamic"};
  if (space.graphMode.empty())
    space.graphMode = {"none", "full-decode-only", "full"};
}

/// The programs of a search, each compiled once.
class Programs {
public:
  Programs(const ExploreRequest &request, std::filesystem::path model)
      : request_(request), model_(std::move(model)) {}

  void compileAll(const Progress &progress);

  const std::vector<ExploredProgram> &programs() const { return programs_; }
  const CostModel &costs() const { return *costs_; }
  const std::map<std::string, uint64_t> &refused() const { return refused_; }

private:
  std::vector<std::pair<int64_t, int64_t>> degrees() const;
  void compile(int64_t tp, int64_t ep, const std::string &quant, const std::filesystem::path &path);

  const ExploreRequest &request_;
  const std::filesystem::path model_;
  std::optional<CostModel> costs_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  std::vector<ExploredProgram> programs_;   ///< of the subjects
  std::map<std::string, uint64_t> refused_; ///< programs, by message
};

/// Compiled for the smallest steps: what larger ones need of memory is added by the search.
void Programs::compile(int64_t tp, int64_t ep, const std::string &quant,
                       const std::filesystem::path &path) {
  const SearchSpace &space = request_.space;
  CompileFlags flags;
  flags.target = request_.target;
  flags.passes = request_.passes;
  flags.set = request_.set;
  flags.degrees.tp = flags.degrees.world = tp;
  if (ep > 1)
    flags.degrees.ep = ep;
  flags.maxSeqLen = request_.inputTokens + request_.outputTokens;
  flags.maxTokensPerStep = std::min(std::ranges::min(space.chunk), *flags.maxSeqLen);
  flags.maxBatch = std::min(std::ranges::min(space.batch), *flags.maxTokensPerStep);
  try {
    auto subject = std::make_unique<Subject>(subjectOf(path.string(), flags, /*quiet=*/true));
    DeploymentSpec &deployment = subject->deployment;
    deployment.memory.kvGib = deployment.memory.nonKvGib = deployment.memory.limitGib = {};
    deployment.execution.devices = {}; // as the memory's: of a deployment with other degrees
    if (!costs_)
      costs_.emplace(deviceFor(deployment, request_.device));
    const StackProfile stack = stackFor(deployment, request_.stack);
    const ServedPlan served = servedPlanOf(*subject, stack, *costs_, {}, /*quiet=*/true);
    const Plan &plan = subject->plan;
    programs_.push_back({tp, ep, quant, served.settings(), &plan, stack,
                         [&plan](uint64_t tokens, uint64_t sequences) {
                           return activationBytes(*plan.root(), tokens, sequences);
                         }});
    subjects_.push_back(std::move(subject));
  } catch (const Error &error) {
    if (error.kind() != ErrorKind::User)
      throw;
    ++refused_[error.message()];
  }
}

std::vector<std::pair<int64_t, int64_t>> Programs::degrees() const {
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
  return degrees;
}

void Programs::compileAll(const Progress &progress) {
  const std::vector<std::pair<int64_t, int64_t>> all = degrees();
  const std::vector<std::string> &quants = request_.space.quant;
  uint64_t done = 0;
  for (const std::string &quant : quants) {
    const QuantVariant variant(model_, quant);
    for (const auto &[tp, ep] : all) {
      progress("compiling", done++, quants.size() * all.size());
      compile(tp, ep, quant, variant.path());
    }
  }
}

Report rowReport(const ExplorationRow &row) {
  const Candidate &candidate = row.candidate;
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
          {"simulated_ttft_ms", round6(row.simulated.ttftMs.mean)},
          {"simulated_tpot_ms", round6(row.simulated.tpotMs.mean)},
          {"simulated_tokens_per_s", round6(row.simulated.outputTokensPerS)}};
}

Report recommendationReport(const Recommendation &recommended) {
  const Candidate &candidate = recommended.row.candidate;
  const ServingMetrics &metrics = recommended.row.simulated;
  return {{"devices", recommended.instances * candidate.tp},
          {"instances", recommended.instances},
          {"tp", candidate.tp},
          {"ep", candidate.ep},
          {"quant", candidate.quant},
          {"graph_mode", candidate.graphMode},
          {"batch", candidate.clients},
          {"tokens_per_step", candidate.chunk},
          {"requests_per_s_per_instance", round6(recommended.requestsPerS)},
          {"simulated_ttft_ms", round6(metrics.ttftMs.mean)},
          {"simulated_ttft_p90_ms", round6(metrics.ttftMs.p90)},
          {"simulated_tpot_ms", round6(metrics.tpotMs.mean)},
          {"simulated_tpot_p90_ms", round6(metrics.tpotMs.p90)}};
}

} // namespace

Source exploredModel(const ExploreRequest &request) {
  Source source = findSource(request.model);
  if (source.kind != SourceKind::Model)
    fail(SourcePosition{source.path.string()},
         "explore compiles a model many times; a model or a deployment is expected");
  return source;
}

Report explorationReport(const ExploreRequest &asked, const Progress &progress) {
  const Source source = exploredModel(asked);
  ExploreRequest request = asked;
  fillSpace(request.space, source.path, request.maxDevices);
  Programs programs(request, source.path);
  programs.compileAll(progress);
  const auto &refusals = programs.refused();
  if (programs.programs().empty())
    fail("no program fits the device; the first program was refused: {}",
         refusals.empty() ? "" : refusals.begin()->first);
  const ExplorationResult result =
      explore({.batch = request.space.batch,
               .chunk = request.space.chunk,
               .graphMode = request.space.graphMode,
               .inputTokens = request.inputTokens,
               .outputTokens = request.outputTokens,
               .ttftMs = request.ttftMs,
               .tpotMs = request.tpotMs,
               .rate = request.rate,
               .seed = request.seed,
               .rows = request.rows},
              programs.programs(), programs.costs(),
              refusals.empty() ? "" : refusals.begin()->first, progress);
  Report report = {{"device", programs.costs().spec().name},
                   {"configurations", result.configurations},
                   {"programs", programs.programs().size()},
                   {"fit", result.fit},
                   {"within_objectives", result.withinObjectives}};
  if (!refusals.empty()) {
    Report refused = Report::array();
    for (const auto &[reason, count] : refusals)
      refused.push_back({{"programs", count}, {"reason", reason}});
    report["refused"] = std::move(refused);
  }
  report["front_size"] = result.frontSize;
  Report rows = Report::array();
  for (const ExplorationRow &row : result.front)
    rows.push_back(rowReport(row));
  report["front"] = std::move(rows);
  if (result.recommended)
    report["recommended"] = recommendationReport(*result.recommended);
  return report;
}

} // namespace vinci
