#include "runtime/device/graph_capture.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using Sizes = std::vector<uint32_t>;

constexpr GraphMode modes[] = {GraphMode::None, GraphMode::Piecewise, GraphMode::FullDecodeOnly,
                               GraphMode::FullAndPiecewise, GraphMode::Full};

TEST(GraphMode, NamesReadBack) {
  for (GraphMode mode : modes)
    EXPECT_EQ(parseGraphMode(toString(mode)), mode);
  EXPECT_EQ(parseGraphMode("FULL"), std::nullopt);
  EXPECT_EQ(graphModeNames(), "none, piecewise, full-decode-only, full-and-piecewise and full");
}

TEST(GraphMode, SaysWhatIsCaptured) {
  using enum CaptureForm;
  const CaptureForm decodes[] = {None, Pieces, Whole, Whole, Whole};
  const CaptureForm prefills[] = {None, Pieces, None, Pieces, Whole};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(captureOfDecodes(modes[i]), decodes[i]) << toString(modes[i]);
    EXPECT_EQ(captureOfPrefills(modes[i]), prefills[i]) << toString(modes[i]);
  }
}

TEST(GraphSizes, AreVllmsUpToTheBatch) {
  EXPECT_EQ(defaultGraphSizes(GraphMode::FullDecodeOnly, 20, 512), (Sizes{1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(defaultGraphSizes(GraphMode::FullDecodeOnly, 1, 512), (Sizes{1}));
  EXPECT_EQ(defaultGraphSizes(GraphMode::None, 20, 512), Sizes{});
  // Steps with prompts may have more tokens than there are sequences.
  EXPECT_EQ(defaultGraphSizes(GraphMode::Piecewise, 10, 512), (Sizes{1, 2, 4, 8, 10, 16}));
  EXPECT_EQ(defaultGraphSizes(GraphMode::Full, 10, 12), (Sizes{1, 2, 4, 8, 10}));
  // Every 8 up to 256, then every 16, 512 at most.
  const Sizes many = defaultGraphSizes(GraphMode::FullDecodeOnly, 1000, 1000);
  EXPECT_EQ(many.size(), 3u + 32 + 16);
  EXPECT_EQ(many[34], 256u);
  EXPECT_EQ(many[35], 272u);
  EXPECT_EQ(many.back(), 512u);
}

TEST(GraphSizes, TheNextOneIsTaken) {
  const GraphCapture graphs{GraphMode::Full, {1, 4, 8}};
  EXPECT_EQ(graphs.sizeFor(1, 8), 1u);
  EXPECT_EQ(graphs.sizeFor(2, 8), 4u);
  EXPECT_EQ(graphs.sizeFor(8, 8), 8u);
  EXPECT_EQ(graphs.sizeFor(5, 7), std::nullopt);
  EXPECT_EQ(graphs.sizeFor(9, 100), std::nullopt);
  EXPECT_EQ(GraphCapture().sizeFor(1, 8), std::nullopt);
}

// The published example: 94 layers, tensor parallelism alone, vector cores: floor(1800 / 95 / 2).
TEST(GraphStreams, HoldNineSizesOfQwen3_235B) {
  const StreamDemand demand{.layers = 94, .groups = 1, .experts = true, .aiv = true};
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, demand), 9u);
}

TEST(GraphStreams, FollowTheFormula) {
  StreamDemand demand{
      .layers = 94, .groups = 1, .expertParallel = true, .experts = true, .aiv = true};
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, demand), 6u); // 1800 / 95 / 3
  demand.groups = 2;
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, demand), 4u); // 1800 / 95 / 4
  // A dense model gives one size away: (1800 - 2 * 65) / 65 / 2.
  const StreamDemand dense{.layers = 64, .groups = 1, .aiv = true};
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, dense), 12u);
  // Without vector cores: (1800 - 40) / 65 / 3.
  StreamDemand host = dense;
  host.aiv = false;
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, host), 9u);
  // One rank: (1800 - 29) / 29, and 1800 / 29.
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, {.layers = 28, .aiv = true}), 61u);
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, {.layers = 28}), 62u);
}

TEST(GraphStreams, AWholeGraphIsOne) {
  const StreamDemand demand{.layers = 94, .groups = 1, .experts = true, .aiv = true};
  EXPECT_EQ(mostGraphSizes(GraphMode::FullDecodeOnly, demand), 900u);
  EXPECT_EQ(mostGraphSizes(GraphMode::Full, demand), 900u);
  EXPECT_EQ(mostGraphSizes(GraphMode::FullAndPiecewise, demand), 9u); // 1800 / 96 / 2
  EXPECT_EQ(mostGraphSizes(GraphMode::None, demand), 0u);
  EXPECT_EQ(mostGraphSizes(GraphMode::Piecewise, {.layers = 3000}), 0u);
}

TEST(GraphStreams, SizesAreThinnedEvenly) {
  const Sizes sizes = {1, 2, 4, 8, 16, 24, 32, 40, 48};
  EXPECT_EQ(thinned(sizes, 9), sizes);
  EXPECT_EQ(thinned(sizes, 5), (Sizes{1, 4, 16, 32, 48}));
  EXPECT_EQ(thinned(sizes, 2), (Sizes{1, 48}));
  EXPECT_EQ(thinned(sizes, 1), (Sizes{48}));
}

} // namespace
} // namespace vinci
