#include "runtime/device/graph_capture.h"

#include <algorithm>
#include <array>

namespace vinci {

static constexpr std::array names = {"none", "piecewise", "full-decode-only", "full-and-piecewise",
                                     "full"};
static constexpr uint32_t largestDefault = 512;

const char *toString(GraphMode mode) {
  return names[size_t(mode)];
}

std::optional<GraphMode> parseGraphMode(std::string_view name) {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? std::nullopt
                              : std::optional(GraphMode(uint8_t(found - names.begin())));
}

std::string graphModeNames() {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + std::string(names[i]);
  return text;
}

CaptureForm captureOfDecodes(GraphMode mode) {
  return mode == GraphMode::None        ? CaptureForm::None
         : mode == GraphMode::Piecewise ? CaptureForm::Pieces
                                        : CaptureForm::Whole;
}

CaptureForm captureOfPrefills(GraphMode mode) {
  switch (mode) {
  case GraphMode::Piecewise:
  case GraphMode::FullAndPiecewise:
    return CaptureForm::Pieces;
  case GraphMode::Full:
    return CaptureForm::Whole;
  case GraphMode::None:
  case GraphMode::FullDecodeOnly:
    break;
  }
  return CaptureForm::None;
}

std::optional<uint32_t> GraphCapture::sizeFor(uint32_t tokens, uint32_t most) const {
  const auto found = std::ranges::lower_bound(sizes, tokens);
  return found == sizes.end() || *found > most ? std::nullopt : std::optional(*found);
}

std::vector<uint32_t> defaultGraphSizes(GraphMode mode, uint32_t maxBatch,
                                        uint32_t maxTokensPerStep) {
  if (mode == GraphMode::None)
    return {};
  const bool onlyDecodes = captureOfPrefills(mode) == CaptureForm::None;
  const uint64_t most = std::min<uint64_t>(
      {2 * uint64_t(maxBatch), largestDefault, onlyDecodes ? maxBatch : maxTokensPerStep});
  std::vector<uint32_t> sizes;
  for (uint32_t size : {1u, 2u, 4u})
    if (size <= most)
      sizes.push_back(size);
  for (uint32_t size = 8; size <= most; size += size < 256 ? 8 : 16)
    sizes.push_back(size);
  if (maxBatch <= largestDefault && !std::ranges::binary_search(sizes, maxBatch))
    sizes.insert(std::ranges::upper_bound(sizes, maxBatch), maxBatch);
  return sizes;
}

uint32_t mostGraphSizes(GraphMode mode, const StreamDemand &demand) {
  const bool inPieces = captureOfDecodes(mode) == CaptureForm::Pieces ||
                        captureOfPrefills(mode) == CaptureForm::Pieces;
  const bool asWhole = captureOfDecodes(mode) == CaptureForm::Whole;
  const int64_t graphs = (inPieces ? demand.layers + 1 : 0) + (asWhole ? 1 : 0);
  if (graphs == 0)
    return 0;
  int64_t streams = usableStreams, perGraph = 1;
  if (demand.aiv) {
    perGraph += demand.groups + (demand.expertParallel ? 1 : 0);
    if (!demand.experts)
      streams -= perGraph * graphs;
  } else {
    perGraph += 2 * demand.groups;
    streams -= 40 * int64_t(demand.groups);
  }
  return uint32_t(std::max<int64_t>(streams, 0) / graphs / perGraph);
}

std::vector<uint32_t> thinned(const std::vector<uint32_t> &sizes, uint32_t most) {
  if (sizes.size() <= most)
    return sizes;
  std::vector<uint32_t> kept;
  if (most == 1)
    kept.push_back(sizes.back());
  for (uint32_t i = 0; most > 1 && i < most; ++i)
    kept.push_back(sizes[i * (sizes.size() - 1) / (most - 1)]);
  return kept;
}

} // namespace vinci
