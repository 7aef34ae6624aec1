// `vinci bench`: how fast a model runs on this machine, beside what the machine can do at best.
#include "runtime/bench/op_times.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "tools/vinci/bench_report.h"
#include "tools/vinci/bench_tests.h"
#include "tools/vinci/load.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/quant_variant.h"
#include "tools/vinci/simulation_setup.h"

namespace vinci {

namespace {
enum class BenchFormat { Text, Markdown, Json };

struct BenchArguments {
  std::string model;
  LoadFlags load;
  CompileFlags compile;
  BenchTestFlags tests;
  int64_t repetitions = 5;
  std::string quant = "checkpoint";
  std::string device;
  bool noOps = false;
  BenchFormat format = BenchFormat::Text;
};
} // namespace

static ReadyPlan prepare(const BenchArguments &arguments, std::vector<ChosenTest> &tests) {
  const Source source = findSource(arguments.model);
  const bool isPlan = source.kind == SourceKind::Plan;
  if (arguments.quant != "checkpoint" && (isPlan || !arguments.load.randomWeights))
    fail("--quant {} goes with a model and --random-weights: there are no such weights",
         arguments.quant);
  if (arguments.load.randomWeights && !arguments.load.model.empty())
    fail("--model {} contradicts --random-weights", arguments.load.model);
  CompileFlags flags = arguments.compile;
  if (source.kind == SourceKind::Model) {
    const QuantVariant variant(source.path, arguments.quant);
    const Source model = {SourceKind::Model, variant.path()};
    setLimits(model, tests, flags);
    return preparePlan(variant.path().string(), arguments.load.model, flags);
  }
  if (isPlan && arguments.load.randomWeights) {
    if (flags.any())
      fail(SourcePosition{source.path.string()},
           "this plan is compiled already; compile options go with a model directory");
    return {Plan::open(source.path), {}, {}};
  }
  return preparePlan(arguments.model, arguments.load.model, flags);
}

/// Whose times are predicted: what was asked for, else the deployment's target, else the 910B3.
static std::string deviceName(const BenchArguments &arguments, const DeploymentSpec &deployment) {
  if (!arguments.device.empty())
    return arguments.device == "none" ? "" : arguments.device;
  const std::string target = deployment.target.valueOr("host");
  return target == "host" ? "910b3" : target;
}

static void measureAllOps(StepBench &bench, std::vector<BenchResult> &results,
                          const BenchArguments &arguments, const DeploymentSpec &deployment,
                          BenchContext &context) {
  std::optional<CostModel> costs;
  std::optional<PlanClock> clock;
  if (const std::string name = deviceName(arguments, deployment); !name.empty()) {
    const Plan &plan = bench.model().plan();
    try {
      costs.emplace(deviceSpec(name));
      clock.emplace(plan, *costs, clockOptionsOf(deployment, bench.model().ranks()));
      StepRecord step;
      step.addSequence(1, 0);
      clock->time(EntryKind::Decode, step);
      context.device = costs->spec().name;
    } catch (const Error &error) {
      if (!arguments.device.empty())
        throw;
      clock.reset(); // it was not asked for
      fmt::print(stderr, "no times are predicted: {}\n", error.what());
    }
  }
  for (BenchResult &result : results)
    result.ops =
        measureOps(bench, result.test, uint32_t(arguments.repetitions), clock ? &*clock : nullptr);
}

static void bench(const BenchArguments &arguments) {
  checkLoadFlags(arguments.load);
  if (arguments.repetitions < 1 || arguments.repetitions > 10000)
    fail("-r {} is not a number of repetitions; 1 to 10000 are legal", arguments.repetitions);
  if (!arguments.device.empty() && arguments.device != "none")
    deviceSpec(arguments.device); // before anything takes time
  std::vector<ChosenTest> chosen = chosenTests(arguments.tests);
  ReadyPlan ready = prepare(arguments, chosen);
  const DeploymentSpec deployment = ready.deployment;
  const auto model = load(std::move(ready), arguments.load, /*countExperts=*/true);
  const std::vector<BenchTest> tests =
      fittingTests(std::move(chosen), model->limits(), model->plan().name());

  MachinePeak peak(model->threads());
  StepBench bench(*model, peak);
  std::vector<BenchResult> results;
  for (const BenchTest &test : tests)
    results.push_back({test, {}, {}});
  Progress progress("measuring");
  const uint64_t total = uint64_t(arguments.repetitions) * results.size();
  uint64_t done = 0;
  // Repetitions of the tests take turns, so that all see the same neighbours on a shared machine.
  for (int64_t repetition = 0; repetition < arguments.repetitions; ++repetition)
    for (BenchResult &result : results) {
      progress.report(done++, total);
      result.runs.push_back(bench.run(result.test));
    }
  progress.finish();

  BenchContext context;
  const fb::Plan &root = *model->plan().root();
  context.model = root.model()->name()->str();
  context.dtype = toString(bench.floatType());
  for (const fb::Weight *weight : *root.weights())
    if (weight->dtype() == fb::DType::Int8) {
      context.dtype += " and int8";
      break;
    }
  context.cpu = root.cpu()->str();
  context.ranks = model->ranks();
  context.threads = model->threads();
  context.readMethod = peak.readMethod();
  context.multiplyInstructions = peak.instructions(bench.floatType());
  context.int8Instructions = bench.hasInt8() ? peak.instructions(DType::Int8) : "";
  if (!arguments.noOps)
    measureAllOps(bench, results, arguments, deployment, context);
  const Report report = benchReport(results, context);
  if (arguments.format == BenchFormat::Json)
    printReport(report, ReportFormat::Json);
  else
    printBenchTables(report, arguments.format == BenchFormat::Markdown);
}

void addBenchCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("bench", "How fast a model runs here, and of what this machine "
                                  "could do at best");
  auto arguments = std::make_shared<BenchArguments>();
  command
      ->add_option("MODEL|PLAN", arguments->model,
                   "A model directory, a plan, or a shipped model's name")
      ->required();
  addBenchTestFlags(*command, arguments->tests);
  command->add_option("-r,--repetitions", arguments->repetitions,
                      "Repetitions of each test, in turn (default: 5)");
  command->add_flag("--random-weights", arguments->load.randomWeights,
                    "Make weights up: a config is enough, no checkpoint is read");
  command->add_option(
      "--quant", arguments->quant,
      "With --random-weights: the model as if it were quantised so: checkpoint (as "
      "it is), float, w8a8-dynamic, w8a8-dynamic+head or w8a16 (default: checkpoint)");
  command->add_option("--device", arguments->device,
                      "NPU to predict the times of ops for: a shipped specification, FILE.yaml or "
                      "none (default: the target's, else 910b3)");
  command->add_flag("--no-ops", arguments->noOps, "Leave out the times by op");
  addLoadFlags(*command, arguments->load);
  addCompileFlags(*command, arguments->compile);
  command->add_option_function<std::string>(
      "--format",
      [arguments](const std::string &name) {
        if (name == "text")
          arguments->format = BenchFormat::Text;
        else if (name == "markdown")
          arguments->format = BenchFormat::Markdown;
        else if (name == "json")
          arguments->format = BenchFormat::Json;
        else
          throw CLI::ValidationError(
              "--format",
              fmt::format("'{}' is not a report format; legal are text, markdown and json", name));
      },
      "How to print the report: text, markdown or json (default: text)");
  command->footer(
      "Examples:\n"
      "  vinci bench austen-qwen3\n"
      "  vinci bench models/qwen3-0.6b --random-weights --format markdown\n"
      "  vinci bench models/qwen3-30b-a3b --random-weights --set model.num_hidden_layers=6 -b 8\n"
      "  vinci bench models/qwen3-0.6b --random-weights --quant w8a8-dynamic -p 512 -n 128 -b 0 -d "
      "0");
  command->callback([arguments] { bench(*arguments); });
}

} // namespace vinci
