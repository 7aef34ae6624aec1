#include "tools/vinci/activation_calibration.h"

#include "runtime/exec/whole_tensor.h"
#include "runtime/plan/atomic_file.h"
#include "runtime/plan/mapped_file.h"
#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"
#include "runtime/support/json.h"
#include "runtime/text/utf8.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/load.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/resources.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tbb/parallel_for.h>

namespace vinci {

namespace {

using InputKey = std::pair<uint64_t, LinearGroup>;

std::optional<InputKey> inputIn(const PlanTensor &tensor) {
  if (tensor.form != TensorForm::Plain)
    return std::nullopt;
  if (tensor.layer < 0)
    return tensor.name == inputOf(LinearGroup::Head)
               ? std::optional(InputKey{noLayer, LinearGroup::Head})
               : std::nullopt;
  for (LinearGroup group : linearGroups)
    if (tensor.name == inputOf(group))
      return InputKey{uint64_t(tensor.layer), group};
  return std::nullopt;
}

class Collector {
public:
  Collector(const LoadedModel &model, uint64_t tokens, ActivationCalibration from)
      : mesh_(*model.plan().root()), stride_(std::max<uint64_t>(tokens / calibrationSamples, 1)),
        tensors_(
            tensorsOf(*model.plan().root(), *model.plan().entry(toString(EntryKind::Prefill)))),
        result_(std::move(from)) {}

  void take(const TracedCommand &command) {
    for (const PlanTensor &tensor : tensors_[command.ordinal])
      if (const auto key = inputIn(tensor)) {
        const void *values = command.output(0, tensor.output);
        add(*key, gatherTensor(tensor, mesh_, tensor.rows.in(command.dims()), {&values, 1}));
      }
  }

  ActivationCalibration &result() { return result_; }

private:
  void add(InputKey key, const WholeTensor &rows) {
    ActivationStatistics &statistics =
        result_.statistics.try_emplace(key, rows.columns).first->second;
    Matrix &samples = result_.samples.try_emplace(key, 0, rows.columns).first->second;
    const auto row = [&](uint64_t t) {
      return std::span<const double>(&rows.values[t * rows.columns], rows.columns);
    };
    const uint64_t stride = key.first == noLayer ? 1 : stride_;
    for (uint64_t t = 0; t < rows.rows && samples.rows < calibrationSamples; ++t)
      if ((statistics.rows() + t) % stride == 0) {
        samples.values.insert(samples.values.end(), row(t).begin(), row(t).end());
        ++samples.rows;
      }
    // Parts of a fixed size, merged in their order: the same bits on any number of threads.
    constexpr uint64_t partRows = 32;
    std::vector<ActivationStatistics> parts((rows.rows + partRows - 1) / partRows,
                                            ActivationStatistics(rows.columns));
    tbb::parallel_for(size_t(0), parts.size(), [&](size_t part) {
      const uint64_t end = std::min((part + 1) * partRows, rows.rows);
      for (uint64_t t = part * partRows; t < end; ++t)
        parts[part].add(row(t));
    });
    for (const ActivationStatistics &part : parts)
      statistics.merge(part);
  }

  Mesh mesh_;
  uint64_t stride_;
  std::vector<std::vector<PlanTensor>> tensors_;
  ActivationCalibration result_;
};

} // namespace

std::vector<int32_t> calibrationIds(const std::filesystem::path &file,
                                    const std::filesystem::path &model, uint64_t most,
                                    uint64_t vocabSize) {
  constexpr size_t maxTextBytes = size_t(64) << 20;
  std::vector<int32_t> ids;
  if (file.extension() == ".json") {
    ids = readIdsFile(file);
  } else {
    const std::string text = readTextFile(file, maxTextBytes);
    if (const size_t invalid = findInvalidUtf8(text); invalid != std::string::npos)
      fail(SourcePosition{file.string()},
           "this is no text: byte {} is not UTF-8; a text, or a .json file with an array of token "
           "ids, is expected",
           invalid);
    ids = PromptEncoder(model).fromText(text).ids;
  }
  if (ids.empty())
    fail(SourcePosition{file.string()}, "there are no tokens in it to calibrate with");
  ids.resize(std::min<uint64_t>(ids.size(), most));
  for (int32_t id : ids)
    if (uint64_t(id) >= vocabSize)
      fail(SourcePosition{file.string()},
           "token id {} is outside the vocabulary; legal: 0 to {} (vocab_size - 1)", id,
           vocabSize - 1);
  return ids;
}

/// As CBOR, whose numbers are exact.
static void keep(const ActivationCalibration &calibration, const std::filesystem::path &state) {
  nlohmann::json inputs = nlohmann::json::array();
  for (const auto &[key, statistics] : calibration.statistics)
    inputs.push_back({{"layer", key.first},
                      {"group", key.second},
                      {"statistics", statistics.toJson()},
                      {"samples", calibration.samples.at(key).values}});
  const nlohmann::json kept = {{"tokens", calibration.tokens}, {"inputs", std::move(inputs)}};
  const std::vector<uint8_t> bytes = nlohmann::json::to_cbor(kept);
  writeFileAtomically(state, std::as_bytes(std::span(bytes)));
}

ActivationCalibration keptCalibration(const std::filesystem::path &state) {
  ActivationCalibration calibration;
  if (!std::filesystem::exists(state))
    return calibration;
  try {
    const MappedFile file = MappedFile::open(state);
    const auto *bytes = reinterpret_cast<const uint8_t *>(file.bytes().data());
    const nlohmann::json kept = nlohmann::json::from_cbor(bytes, bytes + file.bytes().size());
    kept.at("tokens").get_to(calibration.tokens);
    for (const nlohmann::json &input : kept.at("inputs")) {
      const std::pair key{input.at("layer").get<uint64_t>(), input.at("group").get<LinearGroup>()};
      const auto found = calibration.statistics.emplace(
          key, ActivationStatistics::fromJson(input.at("statistics")));
      const uint64_t columns = found.first->second.channelMax().size();
      auto values = input.at("samples").get<std::vector<float>>();
      const uint64_t rows = values.size() / columns;
      calibration.samples.emplace(key, Matrix(rows, columns, std::move(values)));
    }
  } catch (const nlohmann::json::exception &) {
    fail(SourcePosition{state.string()},
         "this is not what a calibration has kept; remove the folder and begin anew");
  }
  return calibration;
}

ActivationCalibration calibrateActivations(const std::filesystem::path &folder,
                                           std::span<const int32_t> ids, ActivationCalibration from,
                                           const std::filesystem::path &state) {
  const uint64_t longest = compiler().summarize({.files = {folder}}).maxPositionEmbeddings;
  const uint64_t window = std::min({calibrationWindow, uint64_t(ids.size()), longest});
  CompileFlags flags;
  flags.passes = "-all";
  flags.degrees.tp = 1;
  flags.sequenceParallel = false;
  flags.maxBatch = 1;
  flags.maxSeqLen = flags.maxTokensPerStep = int64_t(window);
  flags.noCache = findCacheDirectory().empty();
  ReadyPlan ready = preparePlan(folder.string(), "", flags);
  ready.cacheDirectory.clear(); // nobody asks for these packed weights again
  const auto model = load(std::move(ready), {});
  const ModelLimits &limits = model->limits();
  std::vector<int32_t> blocks(limits.blocksFor(uint32_t(window)));
  std::iota(blocks.begin(), blocks.end(), 0);
  StepBatch batch(limits);
  const uint64_t begin = from.tokens;
  Collector collector(*model, ids.size(), std::move(from));
  Progress progress("calibrating");
  constexpr std::chrono::seconds betweenKeeps{30}; // what an interruption costs
  auto lastKept = std::chrono::steady_clock::now();
  for (uint64_t first = begin; first < ids.size(); first += window) {
    const auto part = ids.subspan(first, std::min<uint64_t>(window, ids.size() - first));
    batch.clear();
    batch.add(part, 0, uint32_t(part.size()), blocks, true);
    model->tracedStep(EntryKind::Prefill, batch.inputs(EntryKind::Prefill),
                      [&](const TracedCommand &command) { collector.take(command); });
    collector.result().tokens = first + part.size();
    progress.report(first + part.size(), ids.size());
    if (const auto now = std::chrono::steady_clock::now();
        now - lastKept >= betweenKeeps || collector.result().tokens == ids.size()) {
      keep(collector.result(), state);
      lastKept = now;
    }
  }
  progress.finish();
  return std::move(collector.result());
}

} // namespace vinci
