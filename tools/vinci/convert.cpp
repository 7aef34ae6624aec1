// `vinci convert`: a model in another floating-point type.
#include "frontend/quantization.h"
#include "runtime/support/error.h"
#include "runtime/support/json.h"
#include "runtime/weights/convert_checkpoint.h"
#include "runtime/weights/output_folder.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/report.h"

namespace vinci {
namespace fs = std::filesystem;

namespace {
struct ConvertArguments {
  std::string model, output, dtype;
  bool saturate = false;
  ReportFormat format = ReportFormat::Text;
};
} // namespace

static DType dtypeOf(const std::string &name) {
  const std::optional<DType> dtype = parseDType(name);
  if (!dtype || *dtype == DType::Int8 || *dtype == DType::Int32)
    fail("--dtype {} is not a type of weights; float16, bfloat16 and float32 are legal",
         quoteForMessage(name));
  return *dtype;
}

static void convert(const ConvertArguments &arguments) {
  const DType dtype = dtypeOf(arguments.dtype);
  const Source source = findSource(arguments.model);
  if (source.kind != SourceKind::Model)
    fail(SourcePosition{source.path.string()}, "the folder of a model is expected");
  const fs::path folder = source.directory();
  std::error_code error;
  if (fs::exists(folder / quantDescriptionFile, error))
    fail(SourcePosition{folder.string()},
         "the model is quantised ({}): its int8 weights have no other type, and its scales must "
         "not lose digits",
         quantDescriptionFile);
  const Checkpoint checkpoint = Checkpoint::open(folder);
  OutputFolder output(arguments.output, folder,
                      fmt::format("convert --dtype {}{}\nof {:016x}\n", toString(dtype),
                                  arguments.saturate ? " --saturate" : "", checkpoint.identity()));

  Progress progress("converting");
  const Conversion done =
      convertCheckpoint(checkpoint, output.path(), {dtype, arguments.saturate},
                        [&](uint64_t part, uint64_t whole) { progress.report(part, whole); });
  progress.finish();
  copyConfig(folder, output.path(), dtype);
  const CopiedFiles files = copyOtherFiles(folder, output.path(), {"config.json"});
  output.finish();

  Report report = {{"dtype", toString(dtype)},
                   {"converted", done.converted},
                   {"unchanged", done.unchanged},
                   {"bytes", done.bytes},
                   {"shards", done.shards},
                   {"shards_kept", done.shardsKept},
                   {"tensors_left_alone", done.leftAlone},
                   {"files_copied", files.copied},
                   {"files_left_alone", files.leftAlone}};
  report["losses"] = Report::array();
  for (const Conversion::Loss &loss : done.losses)
    report["losses"].push_back({{"tensor", loss.tensor},
                                {"values", loss.values},
                                {"overflows", loss.loss.overflows},
                                {"underflows", loss.loss.underflows}});
  printReport(arguments.format == ReportFormat::Text ? withoutEmptyLists(report) : report,
              arguments.format);
}

void addConvertCommand(CLI::App &app) {
  auto *command = app.add_subcommand("convert", "Write a model in another floating-point type");
  auto arguments = std::make_shared<ConvertArguments>();
  command->add_option("MODEL", arguments->model, "A model directory, or a shipped model's name")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "The folder to write to; work that was interrupted goes on where it was")
      ->required();
  command->add_option("--dtype", arguments->dtype, "float16, bfloat16 or float32")->required();
  command->add_flag("--saturate", arguments->saturate,
                    "Let values that are too large become the largest of the type (default: an "
                    "error)");
  addFormatOption(*command, arguments->format);
  command->footer(
      "Values that become too large, or zero, are counted for each tensor. Of config.json the type "
      "is changed\nand nothing else; other files are copied.\n"
      "Example:\n  vinci convert path/to/QwQ-32B -o QwQ-32B-float16 --dtype float16");
  command->callback([arguments] { convert(*arguments); });
}

} // namespace vinci
