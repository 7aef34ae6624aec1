// `vinci compare`: runs two plans of one model side by side and says where they begin to differ.
#include "runtime/exec/comparison.h"
#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"
#include "tools/vinci/load.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/report.h"
#include "tools/vinci/sides.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace vinci {

namespace {
struct CompareArguments {
  std::string a, b;
  std::string aOptions, bOptions;
  std::string model;
  CompileFlags compile;
  std::optional<std::string> prompt, promptIds;
  int64_t decode = 1;
  std::optional<double> tolerance;
  int64_t worst = 10;
  ReportFormat format = ReportFormat::Text;
};

/// A sequence in the KV cache of one side, which has it for itself.
class Sequence {
public:
  explicit Sequence(const ModelLimits &limits)
      : batch_(limits), blocks_(std::min(limits.kvBlocks, limits.blocksPerSequence())) {
    std::iota(blocks_.begin(), blocks_.end(), 0);
  }

  /// The inputs of a step over ids[first] .. ids[first + count - 1], valid until the next.
  StepInputs inputs(EntryKind kind, std::span<const int32_t> ids, uint32_t first, uint32_t count) {
    batch_.clear();
    batch_.add(ids, first, count, blocks_, true);
    return batch_.inputs(kind);
  }

private:
  StepBatch batch_;
  std::vector<int32_t> blocks_;
};
} // namespace

constexpr uint32_t madeUpTokens = 16;

static std::unique_ptr<LoadedModel> loadSide(ReadyPlan ready) {
  return load(std::move(ready), {.model = {}, .threads = 1});
}

static std::vector<int32_t> promptOf(const CompareArguments &arguments, const ReadyPlan &a) {
  if (arguments.promptIds)
    return parseIds("--prompt-ids", *arguments.promptIds);
  if (arguments.prompt)
    return PromptEncoder(a.modelDirectory).fromText(*arguments.prompt).ids;
  std::vector<int32_t> ids;
  for (uint32_t i = 1; i <= madeUpTokens; ++i)
    ids.push_back(int32_t(uint64_t(i) * 7919 % a.plan.root()->model()->vocab_size()));
  return ids;
}

/// Refuses ids that are none of the model, and more than one of the sides has room for.
static void checkPrompt(std::span<const int32_t> ids, int64_t decode, const ModelLimits &a,
                        const ModelLimits &b) {
  if (ids.empty())
    fail("the prompt is empty: it has no tokens to compare with");
  for (int32_t id : ids)
    if (uint32_t(id) >= a.vocabSize)
      fail("token id {} is outside the vocabulary; legal: 0 to {} (vocab_size - 1)", id,
           a.vocabSize - 1);
  const uint64_t longest =
      std::min({uint64_t(a.maxSeqLen), uint64_t(b.maxSeqLen), uint64_t(a.kvBlocks) * a.blockSize,
                uint64_t(b.kvBlocks) * b.blockSize});
  if (decode < 0 || ids.size() + uint64_t(decode) > longest)
    fail("a prompt of {} tokens and --decode {} are not possible; 0 or more to decode are legal, "
         "and {} tokens in all (max_seq_len and KV cache of A and B)",
         ids.size(), decode, longest);
}

/// Runs the prompt and then as many steps of decoding as asked for, with the tokens that A finds
/// most likely. Names the steps.
static std::vector<std::string> compareSteps(Comparison &comparison, std::vector<int32_t> ids,
                                             int64_t decode, const ModelLimits &a,
                                             const ModelLimits &b) {
  Sequence ofA(a), ofB(b);
  std::vector<std::string> names;
  std::span<const float> logits;
  const uint32_t most = std::min(a.maxTokensPerStep, b.maxTokensPerStep);
  auto step = [&](EntryKind kind, uint32_t first, uint32_t count) {
    logits = comparison.step(kind, ofA.inputs(kind, ids, first, count),
                             ofB.inputs(kind, ids, first, count));
    names.push_back(fmt::format("{} {}..{}", toString(kind), first, first + count - 1));
  };
  const auto prompt = uint32_t(ids.size());
  for (uint32_t first = 0; first < prompt; first += most)
    step(EntryKind::Prefill, first, std::min(prompt - first, most));
  for (int64_t i = 0; i < decode; ++i) {
    ids.push_back(int32_t(std::ranges::max_element(logits) - logits.begin()));
    step(EntryKind::Decode, uint32_t(ids.size()) - 1, 1);
  }
  return names;
}

static Report tensorRow(const ComparedTensor &compared, const std::vector<std::string> &steps) {
  const PlanTensor &tensor = compared.tensor;
  return {{"step", steps[compared.step]},
          {"tensor", tensor.name},
          {"layer", tensor.layer < 0 ? "-" : std::to_string(tensor.layer)},
          {"op", tensor.op},
          {"location", tensor.location},
          {"max_error", compared.error.max},
          {"mean_error", compared.error.mean},
          {"relative", compared.error.relative()},
          {"within", compared.within}};
}

static Report worstRows(const Comparison &comparison, const std::vector<std::string> &steps,
                        int64_t count) {
  std::vector<const ComparedTensor *> worst;
  for (const ComparedTensor &tensor : comparison.tensors())
    if (!tensor.error.sameBits)
      worst.push_back(&tensor);
  std::ranges::sort(worst, std::ranges::greater(), [&](const ComparedTensor *tensor) {
    // Of equals, what was computed first.
    return std::tuple(!tensor->within, tensor->error.relative(),
                      comparison.tensors().data() - tensor);
  });
  worst.resize(std::min(worst.size(), size_t(count)));
  Report rows = Report::array();
  for (const ComparedTensor *tensor : worst)
    rows.push_back(tensorRow(*tensor, steps));
  return rows;
}

static Report logitRows(const Comparison &comparison, const std::vector<std::string> &steps) {
  Report rows = Report::array();
  for (const ComparedTensor &tensor : comparison.tensors())
    if (tensor.tensor.name == "logits")
      rows.push_back({{"step", steps[tensor.step]},
                      {"max_error", tensor.error.max},
                      {"mean_error", tensor.error.mean},
                      {"relative", tensor.error.relative()},
                      {"within", tensor.within}});
  return rows;
}

static Report replicaRows(const Comparison &comparison, const std::vector<std::string> &steps) {
  Report rows = Report::array();
  for (const ReplicaFinding &finding : comparison.replicas())
    rows.push_back(
        {{"side", finding.side == SideA ? "a" : "b"},
         {"step", steps[finding.step]},
         {"tensor", finding.tensor.name},
         {"layer", finding.tensor.layer < 0 ? "-" : std::to_string(finding.tensor.layer)},
         {"op", finding.tensor.op},
         {"location", finding.tensor.location},
         {"rank", finding.replicas.rank},
         {"other", finding.replicas.other},
         {"max_error", finding.replicas.error.max}});
  return rows;
}

static Report notComparedRows(const Comparison &comparison) {
  Report rows = Report::array();
  for (Side side : {SideA, SideB}) {
    const NotCompared &counts = comparison.notCompared(side);
    rows.push_back({{"side", side == SideA ? "a" : "b"},
                    {"partial_sums", counts.partialSums},
                    {"by_expert", counts.byExpert},
                    {"other_order", counts.otherOrder},
                    {"unmatched", counts.unmatched},
                    {"unmatched_names", counts.unmatchedNames}});
  }
  return rows;
}

static std::string describe(const PlanTensor &tensor) {
  return fmt::format("{}{} ({}{}{})", tensor.name,
                     tensor.layer < 0 ? "" : fmt::format(" of layer {}", tensor.layer), tensor.op,
                     tensor.location.empty() ? "" : ", ", tensor.location);
}

/// The difference that matters most as the command's error; returns if there is none.
static void failIfDifferent(const Comparison &comparison, const std::vector<std::string> &steps,
                            double tolerance) {
  if (!comparison.replicas().empty()) {
    const ReplicaFinding &finding = comparison.replicas().front();
    fail("ranks {} and {} of {} should have the same {} in step {}, and differ by up to {:g}",
         finding.replicas.rank, finding.replicas.other, finding.side == SideA ? "A" : "B",
         describe(finding.tensor), steps[finding.step], finding.replicas.error.max);
  }
  if (const ComparedTensor *first = comparison.firstBeyond())
    fail("A and B differ from {} in step {} on: max error {:g}, mean {:g}, relative {:g} where "
         "{:g} is tolerated",
         describe(first->tensor), steps[first->step], first->error.max, first->error.mean,
         first->error.relative(), tolerance);
}

static void compare(const CompareArguments &arguments) {
  if (arguments.tolerance && !(*arguments.tolerance >= 0))
    fail("--tolerance {} is not a relative error; 0 or more is legal", *arguments.tolerance);
  if (arguments.worst < 0)
    fail("--worst {} is not a number of tensors; 0 or more is legal", arguments.worst);
  const SideArguments sideA =
      sideArguments({arguments.a, arguments.model, arguments.compile}, "--a", arguments.aOptions);
  const SideArguments sideB = sideArguments(
      {arguments.b.empty() ? arguments.a : arguments.b, arguments.model, arguments.compile}, "--b",
      arguments.bOptions);
  ReadyPlan readyA = preparePlan(sideA.source, sideA.model, sideA.compile);
  ReadyPlan readyB = preparePlan(sideB.source, sideB.model, sideB.compile);
  requireSameModel(*readyA.plan.root()->model(), *readyB.plan.root()->model());
  const std::vector<int32_t> ids = promptOf(arguments, readyA);
  const auto a = loadSide(std::move(readyA)), b = loadSide(std::move(readyB));
  const double tolerance =
      arguments.tolerance.value_or(defaultTolerance(*a->plan().root(), *b->plan().root()));
  Comparison comparison(*a, *b, tolerance);
  checkPrompt(ids, arguments.decode, a->limits(), b->limits());
  const std::vector<std::string> steps =
      compareSteps(comparison, ids, arguments.decode, a->limits(), b->limits());

  const auto &tensors = comparison.tensors();
  const ComparedTensor *first = comparison.firstBeyond();
  Report report = {
      {"a", sideA.source},
      {"a_ranks", a->ranks()},
      {"b", sideB.source},
      {"b_ranks", b->ranks()},
      {"steps", steps},
      {"tolerance", tolerance},
      {"compared", tensors.size()},
      {"same_bits", std::ranges::count_if(tensors, [](auto &it) { return it.error.sameBits; })},
      {"beyond_tolerance", std::ranges::count(tensors, false, &ComparedTensor::within)}};
  report["first_beyond"] = first ? tensorRow(*first, steps) : Report();
  report["not_compared"] = notComparedRows(comparison);
  if (!comparison.replicas().empty())
    report["replicas"] = replicaRows(comparison, steps);
  report["logits"] = logitRows(comparison, steps);
  report["worst"] = worstRows(comparison, steps, arguments.worst);
  if (report["worst"].empty() && arguments.format == ReportFormat::Text)
    report.erase("worst");
  printReport(report, arguments.format);
  failIfDifferent(comparison, steps, tolerance);
}

void addCompareCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "compare", "Run two plans of a model side by side: the first tensor that differs");
  auto arguments = std::make_shared<CompareArguments>();
  command->add_option("A", arguments->a, "A model directory, a plan, or a shipped model's name")
      ->required();
  command->add_option("B", arguments->b, "What to compare it with (default: A)");
  command->add_option("--a", arguments->aOptions,
                      "Options for A alone: compile options and --model, as one text");
  command->add_option("--b", arguments->bOptions, "Options for B alone");
  auto *prompt = command->add_option("--prompt", arguments->prompt, "Text to run");
  command
      ->add_option("--prompt-ids", arguments->promptIds,
                   "Token ids to run, as 1,2,3 (default: some made-up ones)")
      ->excludes(prompt);
  command->add_option("--decode", arguments->decode,
                      "Steps of decoding after the prompt, with A's most likely tokens (default: "
                      "1)");
  command->add_option(
      "--tolerance", arguments->tolerance,
      "Largest error of a tensor against its largest magnitude (default: 1e-4; 5e-2 with "
      "bfloat16, 1e-2 with float16, 1e-1 with int8)");
  command->add_option("--worst", arguments->worst, "Tensors in the table (default: 10)");
  command->add_option("--model", arguments->model, "With plans: the folder of their weights");
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer(
      "Exits with 1 if a tensor differs by more than the tolerance.\n"
      "Examples:\n"
      "  vinci compare austen-qwen3 --dtype float32 --b \"--tp 4\"\n"
      "  vinci compare austen-qwen3 --a \"--passes=-all\" --tolerance 0\n"
      "  vinci compare austen.plan --model models/austen-qwen3 --b \"--model damaged\"");
  command->callback([arguments] { compare(*arguments); });
}

} // namespace vinci
