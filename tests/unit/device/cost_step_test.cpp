// Whole decode steps of deployments whose speed was published, from the constants of the shipped
// specs: row by row against a calculation by hand, and their sum against the measurement.
#include "tests/unit/device/cost_test.h"

namespace vinci {
namespace {

using namespace test;

Cost matmulCost(uint64_t n, uint64_t k, DType type, VinciDim rows = VINCI_DIM_TOKENS) {
  return {.kind = CostClass::Matmul,
          .weights = type,
          .activations = type,
          .rows = {rows, 1},
          .n = n,
          .k = k,
          .fixedBytes = n * k * byteSize(type),
          .rowBytes = k * byteSize(type) + n * 2};
}

Cost vectorCost(uint64_t rowBytes, VinciDim rows = VINCI_DIM_TOKENS) {
  return {.rows = {rows, 1}, .rowBytes = rowBytes};
}

Cost collectiveCost(uint64_t rowBytes, VinciDim rows = VINCI_DIM_TOKENS) {
  return {.kind = CostClass::Collective, .rows = {rows, 1}, .rowBytes = rowBytes};
}

/// QwQ-32B on four ranks: milliseconds on the device of one decode step.
struct QwqStep {
  double matmuls = 0, attention = 0, vectors = 0, allReduces = 0, head = 0;

  double device() const { return matmuls + attention + vectors + allReduces + head; }

  QwqStep(const CostModel &model, DType type, uint64_t batch) {
    StepRecord step;
    for (uint64_t i = 0; i < batch; ++i)
      step.addSequence(1, 300);
    const CommandContext fourRanks = {.group = model.spec().firstDevices(4)};
    const auto time = [&](const Cost &cost, CollectiveKind kind = CollectiveKind::AllReduce) {
      CommandContext context = fourRanks;
      context.collective = kind;
      return model.time(cost, step, context).us / 1e3;
    };
    const double layers = 64;
    matmuls = layers * (time(matmulCost(1792, 5120, type)) + time(matmulCost(5120, 1280, type)) +
                        time(matmulCost(13824, 5120, type)) + time(matmulCost(5120, 6912, type))) +
              time(matmulCost(38016, 5120, type, VINCI_DIM_LOGIT_ROWS));
    attention = layers * time({.kind = CostClass::Attention,
                               .weights = type,
                               .activations = type,
                               .heads = 10,
                               .kvHeads = 2,
                               .headDim = 128});
    vectors = layers * 8 * time(vectorCost(3 * 5120 * 2));
    allReduces = 2 * layers * time(collectiveCost(5120 * 2));
    head = time(collectiveCost(152064 * 4, VINCI_DIM_LOGIT_ROWS), CollectiveKind::AllGather) +
           time(vectorCost(152064 * 4, VINCI_DIM_LOGIT_ROWS));
  }
};

TEST(CostStep, Qwq32BOnFour910B3) {
  const QwqStep ten(npu(), DType::BFloat16, 10), one(npu(), DType::BFloat16, 1);
  EXPECT_TRUE(isWithin(ten.matmuls, 13.76, 0.02));
  EXPECT_TRUE(isWithin(ten.attention, 2.11, 0.02));
  EXPECT_TRUE(isWithin(ten.vectors, 2.05, 0.09));
  EXPECT_TRUE(isWithin(ten.allReduces, 6.01, 0.01));
  EXPECT_TRUE(isWithin(ten.head, 0.12, 0.12));
  EXPECT_TRUE(isWithin(ten.device(), 24.04, 0.02));
  EXPECT_TRUE(isWithin(one.device(), 23.53, 0.02));
  // With the 4.2 ms that this stack takes between steps: 28.2 and 27.7 ms were measured.
  EXPECT_TRUE(isWithin(ten.device() + 4.2, 28.2, 0.02));
  EXPECT_TRUE(isWithin(one.device() + 4.2, 27.7, 0.02));
}

TEST(CostStep, Qwq32BOnTwo300IDuo) {
  // 15.99 GB at 0.7 of 204.8 GB/s are 112 ms; a step has fixed times and collectives besides.
  const QwqStep step(CostModel(*findDeviceSpec("310p3")), DType::Float16, 1);
  EXPECT_TRUE(isWithin(step.matmuls - 257 * 0.010, 112, 0.01));
  EXPECT_TRUE(isWithin(step.device(), 138, 0.03));
}

/// Qwen3-235B-A22B W8A8 on eight ranks, 32 sequences of 17.4k: microseconds of one layer.
struct ExpertLayer {
  double attention = 0, dense = 0, experts = 0, allReduces = 0, vectors = 0;

  double sum() const { return attention + dense + experts + allReduces + vectors; }

  ExpertLayer(LaunchMode mode, Expansion expansion, double prefetched) {
    const CostModel &model = npu();
    StepRecord step;
    step.mode = mode;
    for (int i = 0; i < 32; ++i)
      step.addSequence(1, 17399);
    const auto time = [&](const Cost &cost, double cachedBytes = 0) {
      return model
          .time(cost, step,
                {.cachedBytes = cachedBytes,
                 .expansion = expansion,
                 .group = model.spec().firstDevices(8)})
          .us;
    };
    const auto quantised = [&](uint64_t n, uint64_t k) {
      return time(vectorCost(3 * k)) + time(matmulCost(n, k, DType::Int8));
    };
    const auto grouped = [&](uint64_t n, uint64_t k, double cachedBytes) {
      return time({.kind = CostClass::GroupedMatmul,
                   .weights = DType::Int8,
                   .activations = DType::Int8,
                   .rows = {VINCI_DIM_TOKENS, 1},
                   .n = n,
                   .k = k,
                   .groups = 128,
                   .experts = 128,
                   .topK = 8,
                   .fixedBytes = 128 * n * k,
                   .rowBytes = k + n * 2},
                  cachedBytes);
    };
    attention = time({.kind = CostClass::Attention, .heads = 8, .kvHeads = 1, .headDim = 128});
    dense = quantised(1280, 4096) + quantised(4096, 1024);
    // Quantisation, gate and up, swiglu, quantisation, down.
    experts = time(vectorCost(3 * 4096)) + grouped(384, 4096, prefetched) +
              2 * time(vectorCost(8 * 3 * 384)) + grouped(4096, 192, 0);
    allReduces = 2 * time(collectiveCost(4096 * 2));
    // Two norms with their residuals, norm of q and k, rope, cache, softmax, choice of experts.
    vectors = 2 * time(vectorCost(4 * 4096 * 2)) + 2 * time(vectorCost(2 * 1280 * 2)) +
              3 * time(vectorCost(4 * 128));
  }
};

/// The step: 94 layers, the output projection, and what vLLM takes between steps.
double expertStep(const ExpertLayer &layer) {
  StepRecord step;
  step.logitRows = 32;
  const double head =
      npu().time(matmulCost(151936 / 8, 4096, DType::BFloat16, VINCI_DIM_LOGIT_ROWS), step).us;
  return (94 * layer.sum() + head) / 1e3 + 1.6;
}

TEST(CostStep, Qwen3235BOnEight910B3) {
  // In a captured graph, collectives on vector cores, 20 MB of the experts prefetched.
  const ExpertLayer layer(LaunchMode::Graph, Expansion::Aiv, 20e6);
  EXPECT_TRUE(isWithin(layer.attention, 248, 0.05));
  EXPECT_TRUE(isWithin(layer.dense, 30, 0.11));
  EXPECT_TRUE(isWithin(layer.experts, 205, 0.03));
  EXPECT_TRUE(isWithin(layer.allReduces, 57, 0.02));
  EXPECT_TRUE(isWithin(layer.vectors, 28, 0.1));
  EXPECT_TRUE(isWithin(expertStep(layer), 55.6, 0.03));
  EXPECT_TRUE(isWithin(expertStep(layer), 57.1, 0.02)); // measured
}

TEST(CostStep, Qwen3235BLaunchedByTheHost) {
  const ExpertLayer layer(LaunchMode::Eager, Expansion::Host, 0);
  EXPECT_TRUE(isWithin(layer.attention, 285, 0.02));
  EXPECT_TRUE(isWithin(layer.dense, 44, 0.03));
  EXPECT_TRUE(isWithin(layer.experts, 231, 0.06));
  EXPECT_TRUE(isWithin(layer.allReduces, 117, 0.01));
  EXPECT_TRUE(isWithin(layer.vectors, 45, 0.06));
  EXPECT_TRUE(isWithin(expertStep(layer), 70.6, 0.02));
}

TEST(CostStep, PrefillOfAShortPromptIsBoundByTheHost) {
  // QwQ-32B, a prompt of 61 tokens: about 31 ms on the device, and 61 ms before the first token at
  // the least, with about 1000 kernels of dynamic shape.
  StepRecord step;
  step.addSequence(61, 0);
  const CommandContext fourRanks = {.group = npu().spec().firstDevices(4)};
  const auto time = [&](const Cost &cost) { return npu().time(cost, step, fourRanks).us / 1e3; };
  const DType type = DType::BFloat16;
  const double device =
      64 * (time(matmulCost(1792, 5120, type)) + time(matmulCost(5120, 1280, type)) +
            time(matmulCost(13824, 5120, type)) + time(matmulCost(5120, 6912, type))) +
      64 * (time({.kind = CostClass::Attention, .heads = 10, .kvHeads = 2, .headDim = 128}) +
            8 * time(vectorCost(3 * 5120 * 2))) +
      128 * time(collectiveCost(5120 * 2));
  EXPECT_TRUE(isWithin(device, 31, 0.12));
  EXPECT_GT(npu().launch(1000, LaunchMode::KernelByKernel).us / 1e3, device);
  EXPECT_TRUE(isWithin(npu().launch(1000, LaunchMode::KernelByKernel).us / 1e3, 61, 0.2));
}

TEST(CostStep, SymbolsScaleWithTheStep) {
  StepRecord step;
  step.addSequence(5, 10);
  step.addSequence(1, 100);
  EXPECT_EQ(step.count({VINCI_DIM_ONE, 7}), 7u);
  EXPECT_EQ(step.count({VINCI_DIM_TOKENS, 2}), 12u);
  EXPECT_EQ(step.count({VINCI_DIM_SEQUENCES, 1}), 2u);
  EXPECT_EQ(step.count({VINCI_DIM_LOGIT_ROWS, 1}), 2u);
  EXPECT_EQ(step.prefillTokens, 5u);
  EXPECT_EQ(step.prefillKvTokens, 15u);
  EXPECT_EQ(step.prefillPairs, 65u);
  EXPECT_EQ(step.decodeKvTokens, 101u);
}

} // namespace
} // namespace vinci
