// `vinci simulate`: the time that an NPU would take to serve a load.
#include "runtime/serving/mindie_tables.h"
#include "tools/vinci/ablation.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/prompt_lengths.h"
#include "tools/vinci/simulation_page.h"
#include "tools/vinci/simulation_trace.h"

namespace vinci {

namespace {
struct SimulateArguments {
  std::string model;
  std::string stack, device, trace, routing;
  bool ablate = false;
  LoadSettings load;
  CompileFlags compile;
  uint32_t traceSteps = 4;
  ReportFormat format = ReportFormat::Text;
};

} // namespace

static void printMindieTables(const DeploymentSpec &deployment, const ServedPlan &plan,
                              const Served &served) {
  MindieTableOptions options;
  options.concurrency = served.concurrency;
  options.modelName = plan.plan().root()->model()->name()->str();
  options.dataSource = deployment.workload.dataset.valueOr("/");
  options.tokenizerMs = plan.stack().tokenizerUs.value / 1e3;
  options.detokenizerMsPerToken = plan.stack().detokenizerUsPerToken.value / 1e3;
  fmt::print("{}\n{}\n", render(mindieTable(served.result, options)),
             render(mindieCommonTable(served.result, options)));
}

static std::optional<Routing> routingOf(const SimulateArguments &arguments) {
  if (arguments.routing.empty())
    return std::nullopt;
  return Routing::parse(arguments.routing, "--routing", arguments.load.seed);
}

static Report ablation(const SimulateArguments &arguments, bool tokens) {
  Progress progress("simulating");
  Report report =
      ablationReport({.model = arguments.model,
                      .compile = arguments.compile,
                      .device = arguments.device,
                      .stack = arguments.stack,
                      .load = arguments.load,
                      .routing = routingOf(arguments),
                      .tokens = tokens},
                     [&](uint64_t done, uint64_t total) { progress.report(done, total); });
  progress.finish();
  return report;
}

/// Who said how long prompts and outputs are, and what.
static Report loadReport(const LoadSettings &load, const DeploymentSpec &deployment) {
  if (!load.traceFile.empty())
    return {{"lengths", load.traceFile}, {"lengths_from", "--load-trace"}};
  Report report;
  const auto add = [&](const std::string &name, const char *flag, const std::string &given,
                       const Setting<std::string> &setting) {
    report[name] = given.empty() ? *setting : given;
    report[name + "_from"] = given.empty() ? toString(setting.origin) : flag;
  };
  add("input_tokens", "--input-len", load.inputLengths, deployment.workload.inputTokens);
  add("output_tokens", "--output-len", load.outputLengths, deployment.workload.outputTokens);
  if (load.files.prompts)
    report["prompts_in_file"] = *load.files.prompts;
  return report;
}

static void printPage(const SimulateArguments &arguments, const DeploymentSpec &deployment,
                      const ServedPlan &plan, const Served &served) {
  const bool isPlan = findSource(arguments.model).kind == SourceKind::Plan;
  const Report rows = isPlan ? Report::object() : ablation(arguments, /*tokens=*/false);
  const auto load = [&](uint64_t clients, uint64_t requests) {
    LoadSettings with = arguments.load;
    with.concurrency = clients;
    with.requests = requests;
    return loadOf(deployment, with);
  };
  fmt::print("{}", simulationPage(plan, served, load, rows));
}

static void simulate(SimulateArguments arguments) {
  takeTargetFile(arguments.compile.target, arguments.device);
  if (arguments.ablate && arguments.format != ReportFormat::Html)
    return printReport(ablation(arguments, /*tokens=*/true), arguments.format);
  const Subject subject = subjectOf(arguments.model, arguments.compile);
  const CostModel costs(deviceFor(subject.deployment, arguments.device));
  const ServedPlan plan = servedPlanOf(subject, stackFor(subject.deployment, arguments.stack),
                                       costs, routingOf(arguments));
  readPromptLengths(arguments.load, arguments.model, plan);
  const ServedLoad load = loadOf(subject.deployment, arguments.load);
  SimulationTrace trace(plan.clock(), plan.timer(), arguments.traceSteps);
  const Served served = plan.serve(load, [&](const SimulatedStep &step) {
    if (!arguments.trace.empty())
      trace.add(step);
  });
  if (!arguments.trace.empty())
    trace.write(arguments.trace, served.result);

  if (arguments.format == ReportFormat::Html)
    return printPage(arguments, subject.deployment, plan, served);
  Report report = toJson(served.metrics, served.result);
  report["load"] = loadReport(arguments.load, subject.deployment);
  report["range"] = rangeReport(plan, load, served.typical);
  report["device"] = costs.spec().name;
  report["ranks"] = plan.ranks();
  report["data_parallel_groups"] = plan.groups();
  report["stack"] = plan.stack().name;
  report["memory"] = memoryReport(plan.memory());
  if (served.typical) {
    report["decode_step"] = stepReport(plan, *served.typical);
    report["ops"] = opRows(plan.clock(), plan.recordOf(*served.typical));
  }
  if (arguments.format == ReportFormat::Text)
    printMindieTables(subject.deployment, plan, served);
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
  command
      ->add_option("--requests", arguments->load.requests,
                   "How many; a file of prompts has as many as there are prompts in it")
      ->group(group);
  auto *concurrency = command
                          ->add_option("--concurrency", arguments->load.concurrency,
                                       "Clients that each wait for their answer")
                          ->group(group);
  command->add_option("--rate", arguments->load.rate, "Requests per second, at random times")
      ->excludes(concurrency)
      ->group(group);
  command
      ->add_option("--input-len", arguments->load.inputLengths,
                   "Tokens of prompts: fixed:N, uniform:A-B, normal:M,S, quantiles:0=A,…,1=B, or "
                   "file:PROMPTS, those of a JSON or JSONL file of prompts as run reads it, one "
                   "after the other")
      ->group(group);
  command
      ->add_option("--output-len", arguments->load.outputLengths,
                   "Tokens of outputs, likewise; of a file the max_tokens of its prompts")
      ->group(group);
  command
      ->add_option("--tokenizer", arguments->load.tokenizer,
                   "Folder of the tokenizer for file:PROMPTS (default: the model's)")
      ->group(group);
  command->add_option("--max-tokens", arguments->load.maxTokens, "Longest output that is asked for")
      ->group(group);
  command
      ->add_option("--load-trace", arguments->load.traceFile,
                   "Requests with their times of arrival, JSON Lines")
      ->group(group);
  command->add_option("--seed", arguments->load.seed, "Of lengths and arrivals (default: 0)")
      ->group(group);
  command->add_option("--routing", arguments->routing,
                      "Which experts tokens go to: uniform, balanced, zipf:S or trace FILE.json "
                      "with counts by layer and expert (default: the deployment's, else uniform)");
  auto *ablate = command->add_flag(
      "--ablate", arguments->ablate,
      "What each fusion and each setting is worth: the same load with one turned the other way; "
      "where the weights are, also whether the tokens stay the same");
  command
      ->add_option("--trace", arguments->trace,
                   "Write what happened when, for Perfetto or chrome://tracing; compressed if "
                   "the name ends in .gz")
      ->excludes(ablate);
  command->add_option("--trace-steps", arguments->traceSteps,
                      "Steps at the beginning of which the trace shows every kernel (default: 4)");
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format, /*html=*/true);
  command->footer("Examples:\n"
                  "  vinci simulate qwq-32b-mindie\n"
                  "  vinci simulate qwq-32b-mindie --stack mindie-1.0.t71-ms --set "
                  "ScheduleConfig.maxPrefillBatchSize=1\n"
                  "  vinci simulate qwen3-235b-w8a8 --trace trace.json --format json\n"
                  "  vinci simulate qwen3-235b-w8a8 --ablate\n"
                  "  vinci simulate qwen3-235b-w8a8 --format html > simulation.html\n"
                  "  vinci simulate qwen3-8b --target 910b3 --input-len fixed:512 --output-len "
                  "fixed:128 --concurrency 8\n"
                  "  vinci simulate path/to/Qwen3-8B --target 910b3 --input-len "
                  "file:questions.jsonl --output-len fixed:256 --rate 2");
  command->callback([arguments] { simulate(*arguments); });
}

} // namespace vinci
