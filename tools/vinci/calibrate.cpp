// `vinci calibrate`: a serving stack's free constants from the table of a run that was measured.
#include "runtime/prediction/calibration.h"
#include "runtime/support/error.h"
#include "tools/vinci/plan_cache.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/served_report.h"
#include "tools/vinci/subject.h"

#include <cmath>

namespace vinci {

namespace {
struct CalibrateArguments {
  std::vector<std::string> logs;
  std::string model, output, stack, into, device, name;
  CompileFlags compile;
  ReportFormat format = ReportFormat::Text;
};

Report valueRows(const Calibration &calibration) {
  Report rows = Report::array();
  for (const FittedValue &value : calibration.values)
    rows.push_back({{"constant", value.name},
                    {"before_us", value.before},
                    {"after_us", value.after},
                    {"low_us", value.low},
                    {"high_us", value.high},
                    {"determined", value.determined}});
  return rows;
}

Report runRows(const Calibration &calibration) {
  Report rows = Report::array();
  const auto add = [&](const FittedRun &run, const char *what, double measured, double simulated) {
    rows.push_back({{"run", run.run->file},
                    {"figure", what},
                    {"measured", measured},
                    {"simulated", round6(simulated)},
                    {"percent", std::round((simulated / measured - 1) * 1e4) / 100}});
  };
  for (const FittedRun &run : calibration.runs) {
    const bool isMindie = run.run->format == "mindie";
    add(run, "first_token_ms", run.run->ttftMs, run.simulated.ttftMs.mean);
    add(run, isMindie ? "token_gap_ms" : "tpot_ms", run.run->tokenGapMs,
        isMindie ? run.simulated.interTokenMs.mean : run.simulated.tpotMs.mean);
    add(run, "output_tokens_per_s", run.run->outputTokensPerS, run.simulated.outputTokensPerS);
    add(run, "elapsed_s", run.run->elapsedS, run.simulated.elapsedS);
  }
  return rows;
}
} // namespace

static void calibrate(CalibrateArguments arguments) {
  takeTargetFile(arguments.compile.target, arguments.device);
  std::vector<MeasuredRun> runs;
  for (const std::string &log : arguments.logs)
    runs.push_back(readResultTable(log));
  const Subject subject = subjectOf(arguments.model, arguments.compile);
  const CostModel costs(deviceFor(subject.deployment, arguments.device));
  const StackProfile stack = stackFor(subject.deployment, arguments.stack);
  Progress progress("simulating");
  const ServedPlan served = servedPlanOf(subject, stack, costs);
  const Calibration calibration =
      calibrate(served.settings(), subject.plan, costs, stack, runs,
                [&](uint64_t done, uint64_t total) { progress.report(done, total); });
  progress.finish();
  if (!arguments.output.empty()) {
    StackProfile written = calibration.stack;
    if (!arguments.into.empty()) {
      written = stackFor(subject.deployment, arguments.into);
      written.servingGapUs = calibration.stack.servingGapUs;
      written.launchUsPerOp = calibration.stack.launchUsPerOp;
    }
    written.name = arguments.name.empty() ? written.name + "-fitted" : arguments.name;
    const std::string text = stackProfileYaml(written);
    writeFile(arguments.output, std::as_bytes(std::span(text)));
  }
  printReport({{"stack", stack.name},
               {"device", costs.spec().name},
               {"constants", valueRows(calibration)},
               {"runs", runRows(calibration)}},
              arguments.format);
}

void addCalibrateCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("calibrate", "Fit a serving stack's constants to a measured run");
  auto arguments = std::make_shared<CalibrateArguments>();
  command
      ->add_option("LOG", arguments->logs,
                   "What the benchmark printed: MindIE's two tables, or evalscope's summary; "
                   "several are fitted together")
      ->required();
  command
      ->add_option("--model", arguments->model,
                   "What was measured: a model directory, a file that says how a model is run, or "
                   "the name of a shipped model")
      ->required();
  command->add_option("-o,--output", arguments->output,
                      "Write the fitted stack to this YAML file, for --stack");
  command->add_option("--stack", arguments->stack,
                      "The stack that was measured: a shipped profile or FILE.yaml (default: the "
                      "one that the deployment's files belong to)");
  command->add_option("--into", arguments->into,
                      "Write the fitted constants into this stack instead: another version of the "
                      "same software");
  command->add_option("--name", arguments->name,
                      "Of the written stack (default: that of the stack, with -fitted)");
  command->add_option("--device", arguments->device,
                      "Specification of the device: a shipped one, FILE.yaml or FILE.ini (default: "
                      "the target's)");
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci calibrate run.txt --model qwq-32b-mindie -o mine.yaml\n"
                  "  vinci simulate qwq-32b-mindie --stack mine.yaml");
  command->callback([arguments] { calibrate(*arguments); });
}

} // namespace vinci
