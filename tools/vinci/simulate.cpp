// `vinci simulate`: the time that an NPU would take to serve a load.
#include "runtime/clock/plan_clock.h"
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

/// A step of decoding as it is in the middle of the run: the commonest batch, at its mean context.
struct TypicalStep {
  uint32_t batch = 0;
  uint32_t context = 0;
};
} // namespace

static DeviceSpec deviceOf(const SimulateArguments &arguments, const DeploymentSpec &deployment) {
  const std::string target = deployment.target.valueOr("host");
  if (!arguments.device.empty())
    return deviceSpec(arguments.device);
  if (target == "host")
    throw Error(
        ErrorKind::Usage, {},
        fmt::format("the model names no NPU to simulate; --target is 310p3, 910b3 or a3, or "
                    "--device a specification: {} or a .yaml file",
                    fmt::join(deviceSpecNames(), ", ")));
  return deviceSpec(target);
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

static void simulate(const SimulateArguments &arguments) {
  const Source source = findSource(arguments.model);
  if (source.kind == SourceKind::Ir)
    fail(SourcePosition{source.path.string()}, "IR says nothing of how it is served; a model, a "
                                               "deployment or a plan is expected");
  ImportRequest request = toImportRequest(source.path, arguments.compile);
  DeploymentSpec deployment;
  std::optional<Plan> compiled;
  if (source.kind == SourceKind::Plan) {
    if (arguments.compile.any())
      fail(SourcePosition{source.path.string()},
           "this plan is compiled already; compile options and "
           "--set go with a model or a deployment");
    compiled = Plan::open(source.path);
  } else {
    deployment = compiler().resolve(request);
    CompileOptions options = toCompileOptions(arguments.compile);
    options.kernels = false;
    CompileResult result = compiler().compile(request, options);
    for (const std::string &warning : result.warnings)
      fmt::print(stderr, "{}\n", warning);
    compiled = Plan::parse(std::move(result.plan), source.path.string());
  }
  const Plan &plan = *compiled;
  const DeviceSpec device = deviceOf(arguments, deployment);
  const StackProfile stack = stackFor(deployment, arguments.stack);
  const CostModel costs(device);
  ClockOptions clockOptions{.expansion = expansionOf(deployment)};
  const PlanClock clock(plan, costs, clockOptions);
  PlanStepTimer timer(clock, launchPolicyOf(deployment, stack));
  std::string warning;
  const MemoryBudget memory = memoryBudgetOf(deployment, plan, device, warning);
  if (!warning.empty())
    fmt::print(stderr, "warning: {}\n", warning);
  const auto scheduler = schedulerOf(deployment, stack, plan, memory);
  Load load = loadOf(deployment, arguments.load);
  const std::optional<uint64_t> concurrency = load.concurrency();

  SimulationOptions options = simulationOptions(stack);
  std::map<uint32_t, std::pair<uint64_t, uint64_t>> decodes; // steps and contexts by batch
  SimulationTrace trace(clock, timer, arguments.traceSteps);
  options.onStep = [&](const SimulatedStep &step) {
    if (step.step.prefills.empty()) {
      auto &[steps, contexts] = decodes[uint32_t(step.step.decodes.size())];
      ++steps;
      uint64_t sum = 0;
      for (const DecodeToken &token : step.step.decodes)
        sum += token.context;
      contexts += sum / step.step.decodes.size();
    }
    if (!arguments.trace.empty())
      trace.add(step);
  };
  const SimulationResult result = simulate(*scheduler, load, timer, options);
  const ServingMetrics metrics = measure(result);
  if (!arguments.trace.empty())
    trace.write(arguments.trace, result);

  Report report = Report::object();
  report.update(toJson(metrics, result));
  report["device"] = device.name;
  report["ranks"] = Mesh(*plan.root()).ranks();
  report["stack"] = stack.name;
  report["memory"] = memoryReport(memory);
  if (!decodes.empty()) {
    const auto commonest =
        std::ranges::max_element(decodes, {}, [](const auto &entry) { return entry.second.first; });
    const TypicalStep typical{commonest->first,
                              uint32_t(commonest->second.second / commonest->second.first)};
    const StepRecord record = recordOf(timer, typical);
    report["decode_step"] = stepReport(clock, record, typical);
    report["ops"] = opRows(clock, record);
  }
  if (arguments.format == ReportFormat::Text) {
    MindieTableOptions tables;
    tables.concurrency = concurrency;
    tables.modelName = plan.root()->model()->name()->str();
    tables.dataSource = deployment.workload.dataset.valueOr("/");
    tables.tokenizerMs = stack.tokenizerUs.value / 1e3;
    tables.detokenizerMsPerToken = stack.detokenizerUsPerToken.value / 1e3;
    fmt::print("{}\n{}\n", render(mindieTable(result, tables)),
               render(mindieCommonTable(result, tables)));
  }
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
                      "Specification of the device: a shipped one or FILE.yaml (default: the "
                      "target's)");
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
