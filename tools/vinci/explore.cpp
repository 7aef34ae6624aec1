// `vinci explore`: which degrees, batch, chunk, quantisation and graph mode serve a load best.
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/exploration.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/prompt_lengths.h"

#include <cmath>

namespace vinci {

namespace {
struct ExploreArguments {
  ExploreRequest request;
  std::string inputLengths = "fixed:1024", outputLengths = "fixed:512";
  std::string tokenizer; ///< of prompts in a file
  bool recommend = false;
  ReportFormat format = ReportFormat::Text;
};

/// What the prompts of a file go through, as the deployment says before anything is compiled.
PromptTokenizer tokenizerOf(const ExploreArguments &arguments, const Source &source) {
  CompileFlags flags;
  flags.target = arguments.request.target;
  flags.set = arguments.request.set;
  CompileOptions options;
  options.stopAfter = "import";
  const CompileResult imported = compiler().compile(toImportRequest(source.path, flags), options);
  return {tokenizerFolderOf(source, nullptr, arguments.tokenizer),
          imported.deployment.tokenizer.chatTemplate.valueOr("")};
}

LengthDistribution inputsOf(const ExploreArguments &arguments) {
  const char *flag = "--input-len";
  const auto file = promptsFileOf(arguments.inputLengths, flag);
  if (!file)
    return LengthDistribution::parse(arguments.inputLengths, flag, {});
  const PromptTokenizer tokenizer = tokenizerOf(arguments, exploredModel(arguments.request));
  return LengthDistribution::list(promptLengths(*file, tokenizer, {}));
}

LengthDistribution outputsOf(const ExploreArguments &arguments) {
  const char *flag = "--output-len";
  const auto file = promptsFileOf(arguments.outputLengths, flag);
  return file ? LengthDistribution::list(outputBudgets(*file))
              : LengthDistribution::parse(arguments.outputLengths, flag, {});
}

uint32_t meanOf(const LengthDistribution &lengths) {
  return uint32_t(std::llround(lengths.mean()));
}

void requirePositive(const char *flag, const std::optional<double> &value) {
  if (value && !(*value > 0 && std::isfinite(*value)))
    fail("{} is {}; a number above 0 is expected", flag, *value);
}

void requireFrom1(const char *flag, const std::vector<int64_t> &values) {
  constexpr int64_t most = 1 << 20;
  for (int64_t value : values)
    if (value < 1 || value > most)
      fail("{} is {}; numbers from 1 to {} are legal", flag, value, most);
}

void requireGraphModes(const std::vector<std::string> &modes) {
  for (const std::string &mode : modes)
    if (mode != "none" && mode != "full-decode-only" && mode != "full")
      fail("--graph-mode '{}' is not searched; legal are none, full-decode-only and full", mode);
}
} // namespace

static void explore(const ExploreArguments &arguments) {
  ExploreRequest request = arguments.request;
  takeTargetFile(request.target, request.device);
  requirePositive("--ttft-ms", request.ttftMs);
  requirePositive("--tpot-ms", request.tpotMs);
  requirePositive("--rate", request.rate);
  const SearchSpace &space = request.space;
  requireFrom1("--tp", space.tp);
  requireFrom1("--ep", space.ep);
  requireFrom1("--batch", space.batch);
  requireFrom1("--chunk", space.chunk);
  requireFrom1("--max-devices", {request.maxDevices});
  requireGraphModes(space.graphMode);
  if (arguments.recommend && !request.rate)
    throw Error(ErrorKind::Usage, {}, "--recommend needs --rate, the requests per second to serve");
  if (!arguments.recommend && request.rate)
    throw Error(ErrorKind::Usage, {}, "--rate goes with --recommend");
  request.outputTokens = meanOf(outputsOf(arguments));
  request.inputTokens = meanOf(inputsOf(arguments));
  std::string what;
  std::optional<Progress> progress;
  Report report = {{"load",
                    {{"input_tokens", arguments.inputLengths},
                     {"mean_input_tokens", request.inputTokens},
                     {"output_tokens", arguments.outputLengths},
                     {"mean_output_tokens", request.outputTokens}}}};
  report.update(explorationReport(request, [&](const char *phase, uint64_t done, uint64_t total) {
    if (what != phase) {
      if (progress)
        progress->finish();
      progress.emplace(what = phase);
    }
    progress->report(done, total);
  }));
  if (progress)
    progress->finish();
  printReport(report, arguments.format);
}

void addExploreCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "explore", "Which degrees, batch, chunk, quantisation and graph mode serve a load best");
  auto arguments = std::make_shared<ExploreArguments>();
  ExploreRequest &request = arguments->request;
  command
      ->add_option("MODEL|DEPLOYMENT", request.model,
                   "A model directory, a file that says how a model is run, or the name of a "
                   "shipped model")
      ->required();
  command->add_option("--target", request.target,
                      "The NPU: 310p3, 910b3 or a3 (default: what the deployment says)");
  command->add_option("--device", request.device,
                      "Its specification: a shipped one, FILE.yaml or FILE.ini (default: the "
                      "target's)");
  command->add_option("--stack", request.stack,
                      "The serving stack: a shipped profile or FILE.yaml (default: the one that "
                      "the deployment's files belong to)");
  command->add_option("--set", request.set,
                      "A setting of the deployment in place of what its files say; may be "
                      "repeated");
  addPassesFlag(*command, request.passes);

  constexpr const char *load = "Load and objectives";
  command
      ->add_option("--input-len", arguments->inputLengths,
                   "Tokens of prompts, as for simulate, of which the mean counts: all prompts have "
                   "it (default: fixed:1024)")
      ->group(load);
  command
      ->add_option("--output-len", arguments->outputLengths,
                   "Tokens of outputs, of which the mean M counts: outputs that are simulated have "
                   "from 1 to 2 M - 1, equally often (default: fixed:512)")
      ->group(load);
  command
      ->add_option("--tokenizer", arguments->tokenizer,
                   "Folder of the tokenizer for --input-len file:PROMPTS (default: the model's)")
      ->group(load);
  command->add_option("--ttft-ms", request.ttftMs, "Longest mean time to the first token")
      ->group(load);
  command->add_option("--tpot-ms", request.tpotMs, "Longest mean time per token after it")
      ->group(load);
  command
      ->add_flag("--recommend", arguments->recommend,
                 "The fewest devices, in instances that share the load, that serve --rate")
      ->group(load);
  command->add_option("--rate", request.rate, "Requests per second")->group(load);
  command->add_option("--seed", request.seed, "Of arrivals (default: 0)")->group(load);

  constexpr const char *search = "What is searched, as lists: 1,2,4";
  const auto list = [&](const char *flag, auto &values, const char *help) {
    command->add_option(flag, values, help)->delimiter(',')->group(search);
  };
  list("--tp", request.space.tp, "Devices of an instance (default: powers of two)");
  list("--ep", request.space.ep,
       "Of them, those that divide the experts (default: powers of two, of a MoE model)");
  list("--batch", request.space.batch, "Most sequences (default: 14 from 1 to 256)");
  list("--chunk", request.space.chunk, "Most tokens in a step (default: 7 from 256 to 16384)");
  list("--quant", request.space.quant,
       "checkpoint, float, w8a8-dynamic, w8a8-dynamic+head, w8a16 (default: checkpoint and the "
       "opposite)");
  list("--graph-mode", request.space.graphMode,
       "none, full-decode-only, full (default: all three)");
  command
      ->add_option("--max-devices", request.maxDevices,
                   "Largest instance, without --tp (default: 16)")
      ->group(search);
  command->add_option("--rows", request.rows, "Of the front that are shown (default: 20)")
      ->group(search);
  addFormatOption(*command, arguments->format);
  command->footer("Examples:\n"
                  "  vinci explore qwen3-32b --target 910b3 --ttft-ms 1000 --tpot-ms 40\n"
                  "  vinci explore qwen3-235b-w8a8 --input-len fixed:4096 --tpot-ms 60 --rate 5 "
                  "--recommend\n"
                  "  vinci explore qwen3-8b --target 910b3 --tp 1,2 --batch 1,8,64 --format json");
  command->callback([arguments] { explore(*arguments); });
}

} // namespace vinci
