// `vinci compare`: runs two plans of one model side by side, or a plan and the reference, and says
// where they begin to differ.
#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"
#include "tools/vinci/compare_report.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/load.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/report.h"
#include "tools/vinci/sides.h"

#include <algorithm>
#include <numeric>

namespace vinci {

namespace {
struct CompareArguments {
  std::string a, b;
  std::string aOptions, bOptions;
  std::string model;
  bool reference = false; ///< in place of A; the plan is B
  std::string referenceModel;
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

static std::string nameOfStep(EntryKind kind, uint32_t first, uint32_t count) {
  return fmt::format("{} {}..{}", toString(kind), first, first + count - 1);
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
    names.push_back(nameOfStep(kind, first, count));
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

namespace {
struct ReferenceRun {
  std::vector<std::string> steps;
  std::vector<int32_t> ids; ///< the prompt and what was decoded
  std::optional<RouterMargin> margin;
};
} // namespace

/// The same against the reference, which has no cache: it goes through the whole sequence for each
/// step. The prompt runs as `score` for the logits of every token, and again as `prefill`.
static ReferenceRun compareStepsWithReference(Comparison &comparison,
                                              const ReferenceModel &reference,
                                              std::vector<int32_t> ids, int64_t decode,
                                              const ModelLimits &limits) {
  Sequence sequence(limits);
  std::vector<std::string> names;
  ReferencePass pass;
  const auto step = [&](EntryKind kind, uint32_t first, uint32_t count) {
    comparison.step(kind, pass, sequence.inputs(kind, ids, first, count));
    names.push_back(nameOfStep(kind, first, count));
  };
  const auto prompt = uint32_t(ids.size());
  const uint32_t most = std::min(limits.maxTokensPerStep, limits.logitRows());
  for (uint32_t first = 0; first < prompt; first += most) {
    const uint32_t count = std::min(prompt - first, most);
    pass = reference.forward(std::span(ids).first(first + count));
    step(EntryKind::Score, first, count);
    step(EntryKind::Prefill, first, count);
  }
  for (int64_t i = 0; i < decode; ++i) {
    const auto last = std::span(pass.logits.values).last(pass.logits.columns);
    ids.push_back(int32_t(std::ranges::max_element(last) - last.begin()));
    pass = reference.forward(ids);
    step(EntryKind::Decode, uint32_t(ids.size()) - 1, 1);
  }
  return {names, ids, pass.routerMargin};
}

static void checkArguments(const CompareArguments &arguments) {
  if (arguments.tolerance && !(*arguments.tolerance >= 0))
    fail("--tolerance {} is not a relative error; 0 or more is legal", *arguments.tolerance);
  if (arguments.worst < 0)
    fail("--worst {} is not a number of tensors; 0 or more is legal", arguments.worst);
}

static void finish(const CompareArguments &arguments, Report report, const Comparison &comparison,
                   const std::vector<std::string> &steps, double tolerance,
                   const SideNames &names) {
  report = comparisonReport(std::move(report), comparison, steps, tolerance, arguments.worst);
  if (report["worst"].empty() && arguments.format == ReportFormat::Text)
    report.erase("worst");
  printReport(report, arguments.format);
  failIfDifferent(comparison, steps, tolerance, names);
}

static void comparePlans(const CompareArguments &arguments) {
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
  const Report sides = {
      {"a", sideA.source}, {"a_ranks", a->ranks()}, {"b", sideB.source}, {"b_ranks", b->ranks()}};
  finish(arguments, sides, comparison, steps, tolerance, {});
}

/// What describes the reference's model and where its weights are: --reference-model, or what the
/// plan was made from.
static Source referenceSource(const CompareArguments &arguments, const ReadyPlan &plan) {
  if (!arguments.referenceModel.empty()) {
    const Source source = findSource(arguments.referenceModel);
    if (source.kind != SourceKind::Model)
      fail(SourcePosition{source.path.string()},
           "--reference-model takes a model: the reference reads its config and its checkpoint");
    return source;
  }
  if (Pack::arePacksIn(plan.modelDirectory))
    fail(SourcePosition{plan.modelDirectory.string()},
         "the weights here are packed for a plan; name the folder of the model with "
         "--reference-model: the reference reads its config and its checkpoint");
  const Source source = findSource(arguments.a);
  return source.kind == SourceKind::Model ? source : Source{SourceKind::Model, plan.modelDirectory};
}

static void compareWithReference(const CompareArguments &arguments) {
  ReadyPlan ready = preparePlan(arguments.a, arguments.model, arguments.compile);
  const Source source = referenceSource(arguments, ready);
  const ReferenceConfig config =
      compiler().referenceConfig(toImportRequest(source.path, arguments.compile));
  requireSameModel(config, *ready.plan.root()->model());
  const ReferenceModel reference(config, Checkpoint::open(source.directory()));
  const std::vector<int32_t> ids = promptOf(arguments, ready);
  const auto plan = loadSide(std::move(ready));
  const double tolerance =
      arguments.tolerance.value_or(defaultTolerance(*plan->plan().root(), *plan->plan().root()));
  Comparison comparison(*plan, tolerance);
  checkPrompt(ids, arguments.decode, plan->limits(), plan->limits());
  const ReferenceRun run =
      compareStepsWithReference(comparison, reference, ids, arguments.decode, plan->limits());
  Report sides = {
      {"a", "reference"}, {"b", arguments.a}, {"b_ranks", plan->ranks()}, {"ids", run.ids}};
  if (run.margin) {
    sides["router_margin"] = run.margin->probability;
    sides["router_margin_at"] =
        fmt::format("layer {}, token {}", run.margin->layer, run.margin->token);
  }
  finish(arguments, sides, comparison, run.steps, tolerance, {"the reference", "the plan"});
}

void addCompareCommand(CLI::App &app) {
  auto *command = app.add_subcommand("compare", "Run two plans of a model, or one and the "
                                                "reference, side by side: the first tensor that "
                                                "differs");
  auto arguments = std::make_shared<CompareArguments>();
  command->add_option("A", arguments->a, "A model directory, a plan, or a shipped model's name")
      ->required();
  auto *b = command->add_option("B", arguments->b, "What to compare it with (default: A)");
  auto *ofA = command->add_option("--a", arguments->aOptions,
                                  "Options for A alone: compile options and --model, as one text");
  auto *ofB = command->add_option("--b", arguments->bOptions, "Options for B alone");
  auto *reference =
      command
          ->add_flag("--reference", arguments->reference,
                     "Compare A with the reference: the model's forward pass in float32 without a "
                     "compiler, slowly")
          ->excludes(b)
          ->excludes(ofA)
          ->excludes(ofB);
  command
      ->add_option("--reference-model", arguments->referenceModel,
                   "The model that the reference reads (default: that of A)")
      ->needs(reference);
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
      "  vinci compare austen-qwen3-moe --reference --dtype float32 --tp 4 --ep 4\n"
      "  vinci compare austen-qwen3 --a \"--passes=-all\" --tolerance 0\n"
      "  vinci compare austen.plan --model models/austen-qwen3 --b \"--model damaged\"");
  command->callback([arguments] {
    checkArguments(*arguments);
    arguments->reference ? compareWithReference(*arguments) : comparePlans(*arguments);
  });
}

} // namespace vinci
