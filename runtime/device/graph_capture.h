// Captured graphs: which steps a graph mode captures, for which sizes, and how many sizes a
// device's streams allow.
//
// A graph is captured for one number of tokens, its size; a step with fewer is padded. With
// piecewise capture a size is a graph for each piece between two attentions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// Values match GraphMode of the plan.
enum class GraphMode : uint8_t {
  None,             ///< every kernel is launched by itself
  Piecewise,        ///< all steps, in pieces between attentions
  FullDecodeOnly,   ///< decodes as a whole; steps with prompts kernel by kernel
  FullAndPiecewise, ///< decodes as a whole, steps with prompts in pieces
  Full,             ///< all steps as a whole
};

/// "none", "piecewise", "full-decode-only", "full-and-piecewise", "full".
const char *toString(GraphMode mode);
std::optional<GraphMode> parseGraphMode(std::string_view name);
/// All of them, for messages.
std::string graphModeNames();

/// How the steps of a kind are launched.
enum class CaptureForm : uint8_t { None, Pieces, Whole };
CaptureForm captureOfDecodes(GraphMode mode);
/// Of steps with prompts in them.
CaptureForm captureOfPrefills(GraphMode mode);

/// What is captured.
struct GraphCapture {
  GraphMode mode = GraphMode::None;
  std::vector<uint32_t> sizes; ///< tokens, ascending

  /// The smallest size from `tokens` up to `most`; nullopt if there is none.
  std::optional<uint32_t> sizeFor(uint32_t tokens, uint32_t most) const;
};

/// The sizes that vLLM captures unless told otherwise: 1, 2, 4, then every 8 up to 256 and every 16
/// from there, up to twice `maxBatch` and 512, whichever is less. None exceeds what a step can
/// have, which for decodes is `maxBatch`; that is a size of its own, so that no decode is larger
/// (unless it is above 512).
std::vector<uint32_t> defaultGraphSizes(GraphMode mode, uint32_t maxBatch,
                                        uint32_t maxTokensPerStep);

/// What decides how many streams a captured graph occupies.
struct StreamDemand {
  uint32_t layers = 0;
  uint32_t groups = 0;         ///< kinds of groups of ranks that meet: tensor and data parallelism
  bool expertParallel = false; ///< one more
  bool experts = false;        ///< a model without counts one graph of its own
  bool aiv = false;            ///< the vector cores run collectives
};

/// Streams of a device that captures may occupy, of 2048.
inline constexpr uint32_t usableStreams = 1800;

/// The most sizes that fit into the streams. With collectives on vector cores each graph occupies
/// pf = 1 + groups (+ 1 with expert parallelism) streams, and a dense model takes one size away;
/// otherwise 1 + 2 groups, and 40 are taken by each kind of group. A size is layers + 1 graphs in
/// pieces, 1 as a whole. 0 for GraphMode::None.
uint32_t mostGraphSizes(GraphMode mode, const StreamDemand &demand);

/// `most` of the sizes, evenly spread; the largest is among them. All, if they are no more. `most`
/// is at least 1.
std::vector<uint32_t> thinned(const std::vector<uint32_t> &sizes, uint32_t most);

} // namespace vinci
