// `vinci compile`: a model directory, or IR, into a plan.
#include "runtime/support/error.h"
#include "runtime/weights/check_weights.h"
#include "tools/vinci/commands.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/pass_report.h"
#include "tools/vinci/plan_cache.h"
#include "tools/vinci/resources.h"

#include <chrono>
#include <fmt/ranges.h>

namespace vinci {
namespace fs = std::filesystem;

namespace {
struct CompileArguments {
  std::string model;
  std::string output;
  CompileFlags flags;
  bool noWeights = false;
  std::string dumpIr;
  std::string stopAfter;
  std::vector<std::string> reports;
  bool remarks = false;
};
} // namespace

static void writeText(const std::string &path, const std::string &text) {
  if (path == "-")
    fmt::print("{}", text);
  else
    writeFile(path, std::as_bytes(std::span(text)));
}

/// Without a cache the plan is as good; only `run` will have to be told where the weights are.
static void rememberModel(const Plan &plan, const fs::path &model) {
  try {
    PlanCache(cacheDirectory()).rememberModel(plan, model);
  } catch (const Error &error) {
    fmt::print(stderr, "warning: running this plan will take --model {}: {}\n", model.string(),
               error.what());
  }
}

static void writePlan(const CompileArguments &arguments, const Source &source,
                      CompileResult result) {
  const Plan plan = Plan::parse(std::move(result.plan), arguments.output);
  if (source.kind == SourceKind::Model && !arguments.noWeights) {
    if (const fs::path directory = source.directory(); hasWeights(directory))
      checkWeights(plan, Checkpoint::open(directory));
    else
      fmt::print(
          stderr,
          "note: {} holds no weights; the plan is the same, weights are checked when it runs\n",
          directory.string());
  }
  if (arguments.output == "-") {
    std::fwrite(plan.bytes().data(), 1, plan.bytes().size(), stdout);
    return;
  }
  writeFile(arguments.output, plan.bytes());
  if (source.kind == SourceKind::Model && !arguments.flags.noCache)
    rememberModel(plan, source.directory());
}

static bool isHtml(const std::string &report) {
  return report.ends_with(".html");
}

static void writeReports(const std::vector<std::string> &files, const CompileResult &result) {
  if (files.empty())
    return;
  const Report report = passReport(result.passes, result.deployment);
  for (const std::string &file : files)
    writeText(file, isHtml(file) ? passReportHtml(report) : toJsonText(report));
}

static void compile(const CompileArguments &arguments) {
  const auto start = std::chrono::steady_clock::now();
  CompileOptions options = toCompileOptions(arguments.flags);
  const auto phases = compiler().phases();
  if (!arguments.stopAfter.empty() &&
      std::find(phases.begin(), phases.end(), arguments.stopAfter) == phases.end())
    fail("--stop-after '{}' is not a phase; legal are {}", arguments.stopAfter,
         fmt::join(phases, ", "));
  options.stopAfter = arguments.stopAfter;
  options.dumpIrDirectory = arguments.dumpIr;
  options.recordPasses = !arguments.reports.empty();
  for (const std::string &file : arguments.reports)
    if (!isHtml(file) && !file.ends_with(".json"))
      fail("--report '{}': a report is a .json or a .html file", file);

  const Source source = findSource(arguments.model);
  if (source.kind == SourceKind::Plan)
    fail(SourcePosition{source.path.string()},
         "this is a plan already; compile takes a model directory or IR");
  if (source.kind == SourceKind::Ir &&
      (!arguments.flags.target.empty() || !arguments.flags.serveFlags.empty() ||
       arguments.flags.strict))
    fail(SourcePosition{source.path.string()},
         "IR has its target and its limits in it; --target, --from-vllm-args and --strict go with "
         "a model");
  CompileResult result =
      source.kind == SourceKind::Ir
          ? compiler().compileIr(source.path, options)
          : compiler().compile(toImportRequest(source.path, arguments.flags), options);
  for (const std::string &warning : result.warnings)
    fmt::print(stderr, "{}\n", warning);
  if (arguments.remarks)
    for (const std::string &remark : result.remarks)
      fmt::print(stderr, "{}\n", remark);
  writeReports(arguments.reports, result);
  if (result.plan.empty())
    return writeText(arguments.output, result.ir);

  const size_t bytes = result.plan.size();
  writePlan(arguments, source, std::move(result));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (arguments.output != "-")
    fmt::print(stderr, "wrote {} ({:.1f} KiB) in {:.2f} s\n", arguments.output, bytes / 1024.0,
               seconds.count());
}

void addCompileCommand(CLI::App &app) {
  auto *command = app.add_subcommand("compile", "Compile a model directory into a plan");
  auto arguments = std::make_shared<CompileArguments>();
  command
      ->add_option("MODEL", arguments->model,
                   "A model directory, a file that describes a model (config.json, predict_*.yaml, "
                   "a recipe, "
                   "deployment.json, …), an IR file, or the name of a shipped model")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "The plan, or the IR with --stop-after; - is standard output")
      ->required();
  addCompileFlags(*command, arguments->flags);
  command->add_flag("--no-weights", arguments->noWeights,
                    "Do not compare the plan with the checkpoint beside the config");
  command->add_option("--dump-ir", arguments->dumpIr,
                      "Write the IR after every pass into this folder, numbered");
  command->add_option(
      "--stop-after", arguments->stopAfter,
      "Stop after this phase and write the IR: import, partition, fuse, lower, schedule, memory or "
      "plan");
  command->add_option("--report", arguments->reports,
                      "Write what each pass changed and saved into this file: FILE.html to look "
                      "at, FILE.json to compute with; may be repeated");
  command->add_flag("--remarks", arguments->remarks,
                    "Say what was fused, and of what was not, why");
  command->footer(
      "Examples:\n"
      "  vinci compile models/austen-qwen3 -o austen.plan\n"
      "  vinci compile path/to/Qwen3-8B -o qwen.plan --dtype bfloat16 --cpu avx512 --no-weights\n"
      "  vinci compile models/qwq-32b-mindie -o qwq.plan --no-weights --strict\n"
      "  vinci compile models/austen-qwen3 -o - --stop-after import\n"
      "  vinci compile models/qwen3-235b-w8a8 -o qwen.plan --report qwen.html");
  command->callback([arguments] { compile(*arguments); });
}

} // namespace vinci
