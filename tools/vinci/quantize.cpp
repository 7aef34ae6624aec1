// `vinci quantize`: a float model as a quantised checkpoint in the vendor's format.
#include "frontend/quantization.h"
#include "runtime/device/device_spec.h"
#include "runtime/quantize/quantized_checkpoint.h"
#include "runtime/support/error.h"
#include "runtime/weights/output_folder.h"
#include "tools/vinci/activation_calibration.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/quantize_report.h"

namespace vinci {
namespace fs = std::filesystem;

namespace {

struct QuantizeArguments {
  std::string model, output;
  std::string scheme = "w8a8-dynamic", head = "float", rotate = "none", method = "minmax";
  bool foldNorms = false;
  std::string calibrate, keepFloat, dtype, report, target = "910b3";
  int64_t tokens = 4096, seed = 0, shardMib = 4096;
  double percentile = 99.99;
  ReportFormat format = ReportFormat::Text;
};

/// What is left of the arguments once they are checked.
struct Settings {
  LinearScheme scheme = LinearScheme::Float, head = LinearScheme::Float;
  CalibrationMethod method = CalibrationMethod::MinMax;
  bool rotates = false;
  std::optional<DeviceSpec> device; ///< of the report
};

template <typename T>
T oneOf(const char *flag, const std::string &name,
        std::initializer_list<std::pair<const char *, T>> legal) {
  std::string names;
  for (const auto &[each, value] : legal) {
    if (name == each)
      return value;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", each);
  }
  fail("{} {} is not known; legal are {}", flag, quoteForMessage(name), names);
}

Settings check(const QuantizeArguments &arguments) {
  Settings settings;
  settings.scheme = oneOf<LinearScheme>("--scheme", arguments.scheme,
                                        {{"w8a8-static", LinearScheme::W8A8},
                                         {"w8a8-dynamic", LinearScheme::W8A8Dynamic},
                                         {"w8", LinearScheme::W8A16},
                                         {"none", LinearScheme::Float}});
  settings.head = oneOf<LinearScheme>(
      "--head", arguments.head,
      {{"float", LinearScheme::Float}, {"w8a8-dynamic", LinearScheme::W8A8Dynamic}});
  settings.rotates = oneOf<bool>("--rotate", arguments.rotate, {{"none", false}, {"quarot", true}});
  settings.method = oneOf<CalibrationMethod>("--calibration-method", arguments.method,
                                             {{"minmax", CalibrationMethod::MinMax},
                                              {"percentile", CalibrationMethod::Percentile},
                                              {"mse", CalibrationMethod::Mse}});
  if (!(arguments.percentile > 50 && arguments.percentile <= 100))
    fail("--percentile {} is not possible; more than 50 to 100 is legal", arguments.percentile);
  if (arguments.tokens < 1)
    fail("--calibration-tokens {} is not possible; 1 or more is legal", arguments.tokens);
  if (arguments.shardMib < 1 || arguments.shardMib > int64_t(1) << 30)
    fail("--shard-size {} is not possible; 1 to {} MiB are legal", arguments.shardMib,
         int64_t(1) << 30);
  if (settings.scheme == LinearScheme::W8A8 && arguments.calibrate.empty())
    fail("--scheme w8a8-static needs the range of activations: --calibrate FILE, a text or a JSON "
         "array of token ids");
  if (settings.scheme != LinearScheme::W8A8 && !arguments.calibrate.empty() &&
      arguments.report.empty())
    fail("--calibrate is for --scheme w8a8-static and --report; --scheme {} needs no calibration",
         arguments.scheme);
  if (!arguments.report.empty()) {
    if (arguments.calibrate.empty())
      fail("--report measures errors on activations: it needs --calibrate FILE, a text or a JSON "
           "array of token ids");
    settings.device = deviceSpec(arguments.target);
    // It is written last, after hours perhaps.
    const fs::path report = arguments.report, parent = report.parent_path();
    if (fs::is_directory(report) || !(parent.empty() || fs::is_directory(parent)))
      fail(SourcePosition{arguments.report},
           "--report cannot be written here; a file in a folder that exists is expected");
  }
  return settings;
}

DType dtypeOf(const std::string &name, DType ofModel) {
  return name.empty() ? ofModel
                      : oneOf<DType>("--dtype", name,
                                     {{"float16", DType::Float16},
                                      {"bfloat16", DType::BFloat16},
                                      {"float32", DType::Float32}});
}

/// All that decides over the bytes of the result.
std::string taskOf(const QuantizeArguments &arguments, const Checkpoint &checkpoint, DType dtype) {
  std::string calibration;
  if (!arguments.calibrate.empty()) {
    const MappedFile file = MappedFile::open(arguments.calibrate);
    calibration = fmt::format("calibrated {:016x} {} {} {}\n", hashBytes(file.bytes()),
                              arguments.tokens, arguments.method, arguments.percentile);
  }
  return fmt::format("quantize {} head {} rotate {} {} fold {} keep {} as {} in {}\n{}of {:016x}\n",
                     arguments.scheme, arguments.head, arguments.rotate, arguments.seed,
                     arguments.foldNorms, arguments.keepFloat, toString(dtype), arguments.shardMib,
                     calibration, checkpoint.identity());
}

CheckpointFiles write(const fs::path &folder, QuantizedCheckpoint &checkpoint,
                      const std::string &base, const QuantizeArguments &arguments,
                      const char *what) {
  Progress progress(what);
  const CheckpointFiles files =
      writeCheckpoint(folder, checkpoint, base, uint64_t(arguments.shardMib) << 20,
                      [&](uint64_t done, uint64_t total) { progress.report(done, total); });
  progress.finish();
  return files;
}

/// Runs the model, with its changes if there are any: they move outliers. The changed model is
/// written for that, as float.
ActivationCalibration calibrateChanged(const QuantizeArguments &arguments,
                                       std::span<const int32_t> ids, const fs::path &folder,
                                       const OutputFolder &output, const FloatModel &model,
                                       DType dtype, bool isChanged) {
  const fs::path state = output.work() / "calibration.cbor";
  ActivationCalibration kept = keptCalibration(state);
  if (kept.tokens == ids.size())
    return kept;
  if (!isChanged)
    return calibrateActivations(folder, ids, std::move(kept), state);
  const fs::path changed = output.work() / "changed";
  fs::create_directories(changed);
  QuantizedCheckpoint asFloat(model, schemesFor(model.config(), LinearScheme::Float, ""), dtype,
                              {});
  write(changed, asFloat, "model", arguments, "preparing calibration");
  copyConfig(folder, changed, dtype, model.headWasUntied());
  return calibrateActivations(changed, ids, std::move(kept), state);
}

StaticScales scalesOf(const ActivationCalibration &calibration,
                      const std::vector<LayerSchemes> &schemes, const Settings &settings,
                      double percentile) {
  StaticScales scales;
  for (const auto &[key, statistics] : calibration.statistics)
    if (key.first != noLayer && schemes[key.first][key.second] == LinearScheme::W8A8)
      scales[key] = statistics.scale(settings.method, percentile);
  return scales;
}

void writeText(const fs::path &path, const std::string &text) {
  writeFileAtomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace

static void quantize(const QuantizeArguments &arguments) {
  const Settings settings = check(arguments);
  const Source source = findSource(arguments.model);
  if (source.kind != SourceKind::Model)
    fail(SourcePosition{source.path.string()}, "the folder of a model is expected");
  const fs::path folder = source.directory();
  const ImportRequest request = {.files = {source.path}};
  const ReferenceConfig config = compiler().referenceConfig(request);
  if (!config.schemes.empty())
    fail(SourcePosition{folder.string()}, "the model is quantised already ({})",
         quantDescriptionFile);
  const DType dtype = dtypeOf(arguments.dtype, compiler().summarize(request).dtype);
  const std::vector<LayerSchemes> schemes =
      schemesFor(config, settings.scheme, arguments.keepFloat);
  FloatChanges changes =
      settings.rotates ? quarot(config, uint64_t(arguments.seed)) : FloatChanges();
  changes.foldNorms |= arguments.foldNorms;
  const bool isChanged = changes.foldNorms;
  changes.untieHead = settings.head != LinearScheme::Float;
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const FloatModel model(config, Checkpoint::open(folder), std::move(changes));
  std::vector<int32_t> ids;
  if (!arguments.calibrate.empty())
    ids = calibrationIds(arguments.calibrate, folder, uint64_t(arguments.tokens), config.vocabSize);
  OutputFolder output(arguments.output, folder, taskOf(arguments, checkpoint, dtype));

  ActivationCalibration calibration;
  if (!ids.empty())
    calibration = calibrateChanged(arguments, ids, folder, output, model, dtype, isChanged);
  QuantizedCheckpoint result(model, schemes, dtype,
                             scalesOf(calibration, schemes, settings, arguments.percentile),
                             settings.head);
  const bool isQuantized =
      settings.scheme != LinearScheme::Float || settings.head != LinearScheme::Float;
  const CheckpointFiles written =
      write(output.path(), result, isQuantized ? "quant_model_weights" : "model", arguments,
            isQuantized ? "quantising" : "writing");
  copyConfig(folder, output.path(), dtype, model.headWasUntied());
  if (isQuantized)
    writeText(output.path() / quantDescriptionFile, result.description());
  const CopiedFiles files = copyOtherFiles(folder, output.path(), {"config.json"});
  output.finish();

  Report report = {{"scheme", arguments.scheme},
                   {"head", arguments.head},
                   {"rotate", arguments.rotate},
                   {"fold_norms", isChanged},
                   {"dtype", toString(dtype)},
                   {"quantised_linears", result.quantizedLinears()},
                   {"calibration_tokens", calibration.tokens},
                   {"bytes", written.bytes},
                   {"shards", written.shards},
                   {"shards_kept", written.kept},
                   {"files_copied", files.copied},
                   {"files_left_alone", files.leftAlone}};
  if (settings.device) {
    const CostModel device(*settings.device);
    report["target"] = settings.device->name;
    report["linears"] =
        linearReports(model, schemes, settings.head, result.scales(), calibration, device);
    writeText(arguments.report, report.dump(2) + "\n");
  }
  printReport(arguments.format == ReportFormat::Text ? withoutEmptyLists(report) : report,
              arguments.format);
}

void addQuantizeCommand(CLI::App &app) {
  auto *command = app.add_subcommand(
      "quantize", "Write a float model as a quantised checkpoint, with calibration and rotations");
  auto arguments = std::make_shared<QuantizeArguments>();
  command->add_option("MODEL", arguments->model, "A model directory, or a shipped model's name")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "The folder to write to; work that was interrupted goes on where it was")
      ->required();
  command->add_option(
      "--scheme", arguments->scheme,
      "w8a8-dynamic: int8 weights, activations in int8 with a scale per token; "
      "w8a8-static: with one scale per linear, from calibration; w8: int8 weights alone "
      "(W8A16); none (default: w8a8-dynamic)");
  command->add_option("--head", arguments->head,
                      "w8a8-dynamic: lm_head in int8, too, as a matrix of its own if it was the "
                      "embedding; float (default: float)");
  command->add_option("--keep-float", arguments->keepFloat,
                      "Linears that stay float: down_proj,layers.0,layers.2-3.o_proj");
  command->add_option("--rotate", arguments->rotate,
                      "quarot: rotate the residual stream and the values, so that no channel "
                      "stands out; none (default: none)");
  command->add_flag("--fold-norms", arguments->foldNorms,
                    "Fold the norms' weights into the linears that follow (quarot does)");
  command->add_option("--seed", arguments->seed, "Of the rotations' signs (default: 0)");
  command->add_option("--calibrate", arguments->calibrate,
                      "What to calibrate with: a text file, or a .json file with an array of token "
                      "ids");
  command->add_option("--calibration-tokens", arguments->tokens,
                      "Tokens of it to use (default: 4096)");
  command->add_option("--calibration-method", arguments->method,
                      "How the range of static activations follows from those seen: minmax, "
                      "percentile or mse (default: minmax)");
  command->add_option("--percentile", arguments->percentile,
                      "Of that method: what is above, and as much at the other end, is clipped "
                      "(default: 99.99)");
  command->add_option("--dtype", arguments->dtype,
                      "Of what stays float: bfloat16, float16 or float32 (default: the model's)");
  command->add_option("--shard-size", arguments->shardMib,
                      "MiB of a file of weights (default: 4096)");
  command->add_option("--report", arguments->report,
                      "Write errors, outliers and predicted times of every linear to this JSON "
                      "file, and print them");
  command->add_option("--target", arguments->target,
                      "The NPU whose times the report predicts, or a .yaml file (default: 910b3)");
  addFormatOption(*command, arguments->format);
  command->footer(
      "Embedding, norms and router stay float, and the head unless --head says otherwise; experts "
      "have no static scales: with w8a8-static they are quantised per token.\n"
      "Example:\n  vinci quantize path/to/Qwen3-8B -o Qwen3-8B-w8a8 --scheme w8a8-static --rotate "
      "quarot --calibrate text.txt");
  command->callback([arguments] { quantize(*arguments); });
}

} // namespace vinci
