// Runs a model over ids and collects what its linears read.
#pragma once

#include "runtime/quantize/activation_statistics.h"
#include "runtime/quantize/schemes.h"
#include "runtime/reference/matrix.h"

#include <filesystem>
#include <map>
#include <span>
#include <utility>

namespace vinci {

/// The layer that lm_head is under.
inline constexpr uint64_t noLayer = UINT64_MAX;
/// By layer and group. The inputs of the experts' down_proj are those of all experts together;
/// those of lm_head are of the last token of each window.
template <typename T> using OfInputs = std::map<std::pair<uint64_t, LinearGroup>, T>;

struct ActivationCalibration {
  OfInputs<ActivationStatistics> statistics;
  OfInputs<Matrix> samples; ///< at most calibrationSamples rows, evenly from all
  uint64_t tokens = 0;
};
inline constexpr uint64_t calibrationSamples = 32;
/// Ids that see each other; every window begins anew.
inline constexpr uint64_t calibrationWindow = 512;

/// The token ids of `file`: a JSON array of them if it ends in .json, else text for the model's
/// tokenizer. At most `most`. Throws Error if there are none, or one is outside the vocabulary.
std::vector<int32_t> calibrationIds(const std::filesystem::path &file,
                                    const std::filesystem::path &model, uint64_t most,
                                    uint64_t vocabSize);

/// Compiles the float model in `folder` without fusions, for one device, and runs it in its own
/// dtype, from where `from` has come to. What has been seen is kept in the file `state`, now and
/// then and at the end.
ActivationCalibration calibrateActivations(const std::filesystem::path &folder,
                                           std::span<const int32_t> ids, ActivationCalibration from,
                                           const std::filesystem::path &state);

/// What a run over the same ids has kept in the file `state`; nothing if there is no such file.
/// Throws Error if it holds anything else.
ActivationCalibration keptCalibration(const std::filesystem::path &state);

} // namespace vinci
