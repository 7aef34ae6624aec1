// `vinci pack`: a plan's weights as its ranks read them, ahead of time.
#include "runtime/weights/pack.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "tools/vinci/load.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/report.h"

namespace vinci {
namespace fs = std::filesystem;

namespace {
struct PackArguments {
  std::string plan, model, output;
  std::optional<int64_t> rank;
  bool randomWeights = false;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

/// What a tokenizer and chat template are read from: the folder then stands for the model.
static constexpr const char *tokenizerFiles[] = {"tokenizer.json",    "tokenizer_config.json",
                                                 "vocab.json",        "merges.txt",
                                                 "added_tokens.json", "chat_template.jinja"};

static void copyTokenizer(const fs::path &from, const fs::path &to) {
  for (const char *name : tokenizerFiles) {
    std::error_code error;
    if (!fs::exists(from / name, error))
      continue;
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing, error);
    if (error)
      fail(SourcePosition{(to / name).string()}, "cannot be written: {}", error.message());
  }
}

static void pack(const PackArguments &arguments) {
  const Source source = findSource(arguments.plan);
  if (source.kind != SourceKind::Plan)
    fail(SourcePosition{source.path.string()},
         "weights are packed for a plan; compile the model first");
  const Plan plan = Plan::open(source.path);
  const uint32_t ranks = Mesh(*plan.root()).ranks();
  if (arguments.rank && (*arguments.rank < 0 || *arguments.rank >= int64_t(ranks)))
    fail("--rank {} is not a rank of the plan; 0 to {} are legal", *arguments.rank, ranks - 1);
  if (arguments.randomWeights != arguments.model.empty())
    throw Error(ErrorKind::Usage, {},
                "where weights come from is either --model or --random-weights");
  const fs::path output = arguments.output;
  std::optional<Checkpoint> checkpoint;
  std::error_code error;
  fs::path folder;
  if (!arguments.randomWeights) {
    const Source model = findSource(arguments.model);
    if (model.kind != SourceKind::Model)
      fail(SourcePosition{model.path.string()}, "--model takes the folder of the plan's weights");
    folder = model.directory();
  }
  if (!folder.empty() && fs::equivalent(folder, output, error))
    fail(SourcePosition{output.string()},
         "this is the model's own folder; packed weights need one of their own");
  fs::create_directories(output, error);
  if (!fs::is_directory(output, error))
    fail(SourcePosition{output.string()}, "cannot be made a folder");

  if (!folder.empty())
    checkpoint = Checkpoint::open(folder);
  const uint32_t first = arguments.rank ? uint32_t(*arguments.rank) : 0;
  const uint32_t end = arguments.rank ? first + 1 : ranks;
  Progress progress("packing weights");
  Report rows = Report::array();
  for (uint32_t rank = first; rank < end; ++rank) {
    PackOptions options;
    options.warning = [&](const std::string &message) {
      fmt::print(stderr, "warning: rank {}: {}\n", rank, message);
    };
    options.progress = [&](uint64_t done, uint64_t total) {
      progress.report((rank - first) * total + done, (end - first) * total);
    };
    options.ranks = {rank, 1};
    // One at a time: memory for one rank's weights is enough.
    const Pack packed = checkpoint ? Pack::create(plan, *checkpoint, rank, options)
                                   : std::move(Pack::createRandom(plan, /*seed=*/1, options)[0]);
    const fs::path file = packed.write(output, plan, rank);
    rows.push_back({{"rank", rank}, {"bytes", packed.totalBytes()}, {"file", file.string()}});
  }
  progress.finish();
  if (!folder.empty())
    copyTokenizer(folder, output);
  printReport(rows, arguments.format);
}

void addPackCommand(CLI::App &app) {
  auto *command =
      app.add_subcommand("pack", "Pack a plan's weights ahead of time, a file for each rank");
  auto arguments = std::make_shared<PackArguments>();
  command->add_option("PLAN", arguments->plan, "The plan")->required();
  command->add_option("--model", arguments->model, "The folder of its weights");
  command->add_flag("--random-weights", arguments->randomWeights,
                    "In place of --model: make weights up, to measure with");
  command
      ->add_option("-o,--output", arguments->output,
                   "The folder to write to; the tokenizer goes there, too")
      ->required();
  command->add_option("--rank", arguments->rank, "Pack only what this rank holds");
  addFormatOption(*command, arguments->format);
  command->footer(
      "The folder then takes the model's place: run PLAN --model DIR. It fits plans that "
      "hold the same\nparts of the weights on as many ranks; for another degree, pack "
      "again.\n"
      "Example:\n  vinci pack qwen.plan --model path/to/Qwen3-8B -o qwen-packed");
  command->callback([arguments] { pack(*arguments); });
}

} // namespace vinci
