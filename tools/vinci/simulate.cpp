// `vinci simulate`: the time that an NPU would take to serve a load.
#include "runtime/clock/plan_clock.h"
#include "runtime/device/platform_ini.h"
#include "runtime/plan/mesh.h"
#include "runtime/serving/metrics.h"
#include "runtime/serving/mindie_tables.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/report.h"
#include "tools/vinci/simulation_setup.h"
#include "tools/vinci/simulation_trace.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <map>

namespace vinci {

namespace {
struct SimulateArguments {
  std::string model;
  std::string stack, device, trace;
  LoadOptions load;
  CompileFlags compile;
  uint32_t traceSteps = 4;
  ReportFormat format = ReportFormat::Text;
};

/// What is simulated. A plan says nothing of how it is served.
struct Subject {
  DeploymentSpec deployment;
  Plan plan;
};

/// A step of decoding as it is in the middle of the run.
struct TypicalStep {
  uint32_t batch = 0;
  uint32_t context = 0;
};

/// The steps that only decode, by batch.
class DecodeSteps {
public:
  void add(const ScheduledStep &step) {
    if (!step.prefills.empty() || step.decodes.empty())
      return;
    uint64_t tokens = 0;
    for (const DecodeToken &token : step.decodes)
      tokens += token.context;
    Steps &steps = byBatch_[uint32_t(step.decodes.size())];
    ++steps.count;
    steps.meanContexts += tokens / step.decodes.size();
  }

  /// The commonest batch, at its mean context; nullopt if there was none.
  std::optional<TypicalStep> typical() const {
    if (byBatch_.empty())
      return std::nullopt;
    const auto &[batch, steps] = *std::ranges::max_element(
        byBatch_, {}, [](const auto &entry) { return entry.second.count; });
    return TypicalStep{batch, uint32_t(steps.meanContexts / steps.count)};
  }

private:
  struct Steps {
    uint64_t count = 0, meanContexts = 0; ///< the latter summed over them
  };
  std::map<uint32_t, Steps> byBatch_;
};
} // namespace

static DeviceSpec deviceOf(const SimulateArguments &arguments, const DeploymentSpec &deployment) {
  const std::string target = deployment.target.valueOr("host");
  const bool isNpu = target != "host", isIni = arguments.device.ends_with(".ini");
  if (!arguments.device.empty() && !isIni)
    return deviceSpec(arguments.device);
  if (!isNpu)
    throw Error(
        ErrorKind::Usage, {},
        fmt::format("the model names no NPU to simulate; --target is 310p3, 910b3 or a3, or "
                    "--device a specification: {} or a .yaml file",
                    fmt::join(deviceSpecNames(), ", ")));
  const DeviceSpec device = deviceSpec(target);
  return isIni ? readPlatformIni(arguments.device, device) : device;
}

static double round6(double value) {
  return std::round(value * 1e6) / 1e6;
}

/// Kernels of a typical step of decoding, by op, the longest first.
static Report opRows(const PlanClock &clock, const StepRecord &step) {
  struct Row {
    uint64_t calls = 0;
    double us = 0, p10 = 0, p90 = 0, longest = 0;
    OpTime decides; ///< of the kernel that takes the most
  };
  std::map<std::string, Row> rows;
  double total = 0;
  for (const CommandTime &command : clock.commands(EntryKind::Decode, step)) {
    Row &row = rows[command.kernel->op()->str()];
    const double us = command.time.us * double(command.calls);
    row.calls += command.calls;
    row.us += us;
    row.p10 += command.time.p10 * double(command.calls);
    row.p90 += command.time.p90 * double(command.calls);
    if (us > row.longest) {
      row.longest = us;
      row.decides = command.time;
    }
    total += us;
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(),
                           [](const auto &entry) { return entry.second.us; });
  Report report = Report::array();
  for (const auto &[op, row] : sorted)
    report.push_back({{"op", op},
                      {"calls", row.calls},
                      {"us", round6(row.us)},
                      {"share", round6(row.us / total)},
                      {"p10_us", round6(row.p10)},
                      {"p90_us", round6(row.p90)},
                      {"bound", toString(row.decides.bound)},
                      {"efficiency", round6(row.decides.efficiency)},
                      {"decided_by", row.decides.constant},
                      {"provenance", toString(row.decides.tag)}});
  return report;
}

static Report memoryReport(const MemoryBudget &memory) {
  return {{"capacity_bytes", memory.capacity},
          {"weight_bytes", memory.weights},
          {"activation_bytes", memory.activations},
          {"kv_cache_bytes", memory.kvCache},
          {"kv_blocks", memory.kvBlocks},
          {"kv_tokens", memory.kvTokens},
          {"kv_rule", memory.rule}};
}

/// What the typical step needs, and by how much that may be wrong.
static Report stepReport(const PlanClock &clock, const StepRecord &step,
                         const TypicalStep &typical) {
  const StepTimes times = clock.time(EntryKind::Decode, step);
  return {{"sequences", typical.batch},
          {"context", typical.context},
          {"launches", times.launches},
          {"device_ms", round6(times.deviceUs / 1e3)},
          {"device_p10_ms", round6(times.deviceP10 / 1e3)},
          {"device_p90_ms", round6(times.deviceP90 / 1e3)},
          {"host_ms", round6(times.hostUs / 1e3)}};
}

static StepRecord recordOf(const PlanStepTimer &timer, const TypicalStep &typical) {
  const std::vector<uint32_t> contexts(typical.batch, typical.context);
  return timer.recordOf({.mode = StepMode::Decode, .decodeContexts = contexts});
}

static Subject subjectOf(const SimulateArguments &arguments) {
  const Source source = findSource(arguments.model);
  const SourcePosition place{source.path.string()};
  if (source.kind == SourceKind::Ir)
    fail(place, "IR says nothing of how it is served; a model, a deployment or a plan is expected");
  if (source.kind == SourceKind::Plan) {
    if (arguments.compile.any())
      fail(place, "this plan is compiled already; compile options and --set go with a model or a "
                  "deployment");
    return {{}, Plan::open(source.path)};
  }
  const ImportRequest request = toImportRequest(source.path, arguments.compile);
  CompileOptions options = toCompileOptions(arguments.compile);
  options.kernels = false;
  CompileResult result = compiler().compile(request, options);
  for (const std::string &warning : result.warnings)
    fmt::print(stderr, "{}\n", warning);
  return {std::move(result.deployment), Plan::parse(std::move(result.plan), place.file)};
}

static void printMindieTables(const SimulationResult &result, const Subject &subject,
                              const StackProfile &stack, std::optional<uint64_t> concurrency) {
  MindieTableOptions options;
  options.concurrency = concurrency;
  options.modelName = subject.plan.root()->model()->name()->str();
  options.dataSource = subject.deployment.workload.dataset.valueOr("/");
  options.tokenizerMs = stack.tokenizerUs.value / 1e3;
  options.detokenizerMsPerToken = stack.detokenizerUsPerToken.value / 1e3;
  fmt::print("{}\n{}\n", render(mindieTable(result, options)),
             render(mindieCommonTable(result, options)));
}

static void simulate(const SimulateArguments &arguments) {
  const Subject subject = subjectOf(arguments);
  const Plan &plan = subject.plan;
  const DeploymentSpec &deployment = subject.deployment;
  const StackProfile stack = stackFor(deployment, arguments.stack);
  const CostModel costs(deviceOf(arguments, deployment));
  const uint32_t ranks = Mesh(*plan.root()).ranks();
  const PlanClock clock(plan, costs, clockOptionsOf(deployment, ranks));
  PlanStepTimer timer(clock, launchPolicyOf(deployment, stack));
  std::string warning;
  const MemoryBudget memory = memoryBudgetOf(deployment, plan, costs.spec(), warning);
  if (!warning.empty())
    fmt::print(stderr, "warning: {}\n", warning);
  const auto scheduler = schedulerOf(deployment, stack, plan, memory);
  Load load = loadOf(deployment, arguments.load);
  const std::optional<uint64_t> concurrency = load.concurrency();

  SimulationOptions options = simulationOptions(stack);
  DecodeSteps decodes;
  SimulationTrace trace(clock, timer, arguments.traceSteps);
  options.onStep = [&](const SimulatedStep &step) {
    decodes.add(step.step);
    if (!arguments.trace.empty())
      trace.add(step);
  };
  const SimulationResult result = simulate(*scheduler, load, timer, options);
  if (!arguments.trace.empty())
    trace.write(arguments.trace, result);

  Report report = toJson(measure(result), result);
  report["device"] = costs.spec().name;
  report["ranks"] = ranks;
  report["stack"] = stack.name;
  report["memory"] = memoryReport(memory);
  if (const auto typical = decodes.typical()) {
    const StepRecord record = recordOf(timer, *typical);
    report["decode_step"] = stepReport(clock, record, *typical);
    report["ops"] = opRows(clock, record);
  }
  if (arguments.format == ReportFormat::Text)
    printMindieTables(result, subject, stack, concurrency);
  printReport(report, arguments.format);
}

void addSimulateCommand(CLI::App &app) {
  auto *command = app.add_subcommand("simulate", "The time that an NPU would take to serve a load");
  auto arguments = std::make_shared<SimulateArguments>();
  command
      ->add_option("MODEL|PLAN|DEPLOYMENT", arguments->model,
                   "A model directory, a file that says how a model is run, a plan, or the name of "
                   "a shipped model")
      ->required();
  command->add_option("--device", arguments->device,
                      "Specification of the device: a shipped one, FILE.yaml, or FILE.ini, CANN's "
                      "platform_config of a chip like the target (default: the target's)");
  command->add_option("--stack", arguments->stack,
                      "The serving stack: a shipped profile or FILE.yaml (default: the one that "
                      "the deployment's files belong to)");
  constexpr const char *group = "Load (default: the deployment's)";
  command->add_option("--requests", arguments->load.requests, "How many")->group(group);
  auto *concurrency = command
                          ->add_option("--concurrency", arguments->load.concurrency,
                                       "Clients that each wait for their answer")
                          ->group(group);
  command->add_option("--rate", arguments->load.rate, "Requests per second, at random times")
      ->excludes(concurrency)
      ->group(group);
  command
      ->add_option("--input-len", arguments->load.inputLengths,
                   "Tokens of prompts: fixed:N, uniform:A-B, normal:M,S or quantiles:0=A,…,1=B")
      ->group(group);
  command->add_option("--output-len", arguments->load.outputLengths, "Tokens of outputs, likewise")
      ->group(group);
  command->add_option("--max-tokens", arguments->load.maxTokens, "Longest output that is asked for")
      ->group(group);
  command
      ->add_option("--load-trace", arguments->load.traceFile,
                   "Requests with their times of arrival, JSON Lines")
      ->group(group);
  command->add_option("--seed", arguments->load.seed, "Of lengths and arrivals (default: 0)")
      ->group(group);
  command->add_option("--trace", arguments->trace,
                      "Write what happened when, for Perfetto or chrome://tracing");
  command->add_option("--trace-steps", arguments->traceSteps,
                      "Steps at the beginning of which the trace shows every kernel (default: 4)");
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci simulate qwq-32b-mindie\n"
                  "  vinci simulate qwq-32b-mindie --stack mindie-1.0.t71-ms --set "
                  "ScheduleConfig.maxPrefillBatchSize=1\n"
                  "  vinci simulate qwen3-235b-w8a8 --trace trace.json --format json\n"
                  "  vinci simulate qwen3-8b --target 910b3 --input-len fixed:512 --output-len "
                  "fixed:128 --concurrency 8");
  command->callback([arguments] { simulate(*arguments); });
}

} // namespace vinci
