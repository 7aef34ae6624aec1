// `vinci eval`: how well a model predicts token ids.
#include "runtime/serving/score.h"
#include "runtime/support/error.h"
#include "runtime/weights/npy.h"
#include "tools/vinci/load.h"
#include "tools/vinci/processes.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/report.h"

#include <chrono>

namespace vinci {

namespace {
struct EvalArguments {
  std::string model;
  LoadFlags load;
  CompileFlags compile;
  std::string ids;
  int64_t window = 512;
  std::string perPosition;
  ReportFormat format = ReportFormat::Json;
};
} // namespace

static void eval(const EvalArguments &arguments) {
  checkLoadFlags(arguments.load);
  const std::vector<int32_t> ids = readIdsFile(arguments.ids);
  ReadyPlan ready = preparePlan(arguments.model, arguments.load.model, arguments.compile);
  const uint32_t longest = ready.plan.root()->limits()->max_seq_len();
  if (arguments.window < 1 || arguments.window > int64_t(longest))
    fail("--window {} is not a legal window; 1 to max_seq_len {} are", arguments.window, longest);
  std::optional<NpyWriter> perPosition;
  if (!arguments.perPosition.empty() && isFirstProcess())
    perPosition.emplace(arguments.perPosition);
  const auto model = load(std::move(ready), arguments.load);

  Progress progress("scoring");
  const auto start = std::chrono::steady_clock::now();
  const Score result = score(*model, ids, uint32_t(arguments.window),
                             [&](size_t done) { progress.report(done, ids.size()); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  progress.finish();
  if (perPosition) {
    perPosition->append(result.logsumexp);
    perPosition->finish();
  }
  printReport({{"nll", result.meanNll()},
               {"tokens", result.nll.size()},
               {"tokens_per_s", double(result.nll.size()) / seconds.count()}},
              arguments.format);
}

void addEvalCommand(CLI::App &app) {
  auto *command = app.add_subcommand("eval", "Mean negative log likelihood of token ids");
  auto arguments = std::make_shared<EvalArguments>();
  command
      ->add_option("MODEL|PLAN", arguments->model,
                   "A model directory, a plan, or a shipped model's name")
      ->required();
  command->add_option("--ids", arguments->ids, "A JSON file with an array of token ids")
      ->required();
  command->add_option("--window", arguments->window,
                      "Inputs per window; each window starts anew (default: 512)");
  command->add_option("--per-position", arguments->perPosition,
                      "Write the logsumexp at every id to this .npy (float32)");
  addLoadFlags(*command, arguments->load);
  addCompileFlags(*command, arguments->compile);
  addFormatOption(*command, arguments->format);
  command->footer("Example:\n  vinci eval austen-qwen3 --ids "
                  "models/austen-qwen3/validation_ids.json --dtype float32");
  command->callback([arguments] { eval(*arguments); });
}

} // namespace vinci
