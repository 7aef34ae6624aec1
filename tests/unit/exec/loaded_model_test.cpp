// A whole small model: compiled kernels, packed weights, threads, the engine on top.
#include "runtime/exec/loaded_model.h"

#include "backend/codegen/codegen.h"
#include "backend/plan/plan_writer.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/serving/engine.h"
#include "runtime/serving/score.h"
#include "runtime/weights/check_weights.h"
#include "tests/unit/exec/allocations.h"
#include "tests/unit/plan/sample_plan.h"
#include "tests/unit/weights/temporary_folder.h"

#include <algorithm>
#include <map>
#include <random>

namespace vinci {
namespace {

using Ids = std::vector<int32_t>;

std::map<std::string, Attribute> matmul(int64_t n, const char *out, const char *rows) {
  return {{"dtype", "bfloat16"}, {"out_dtype", out},   {"n", n},
          {"k", int64_t(32)},    {"bias", int64_t(0)}, {"rows", rows}};
}

/// The sample plan (tests/unit/plan/sample_plan.h) with machine code: what each of its kernels is.
std::vector<KernelSpec> kernelSpecs() {
  const int64_t one = 1, two = 2, sixteen = 16, hidden = sample::hidden;
  return {
      {"embedding", {{"dtype", "bfloat16"}, {"hidden", hidden}, {"vocab", int64_t(40)}}},
      {"rope_table", {{"dtype", "float32"}, {"head_dim", sixteen}}},
      {"rms_norm",
       {{"dtype", "bfloat16"},
        {"compute", "float32"},
        {"n", hidden},
        {"groups", one},
        {"eps", 1e-6},
        {"rows", "tokens"}}},
      {"matmul", matmul(32, "bfloat16", "tokens")},
      {"matmul", matmul(16, "bfloat16", "tokens")},
      {"rope",
       {{"dtype", "bfloat16"}, {"compute", "float32"}, {"heads", two}, {"head_dim", sixteen}}},
      {"kv_append",
       {{"dtype", "bfloat16"}, {"kv_heads", one}, {"head_dim", sixteen}, {"block_size", sixteen}}},
      {"attention",
       {{"dtype", "bfloat16"},
        {"softmax", "float32"},
        {"heads", two},
        {"kv_heads", one},
        {"head_dim", sixteen},
        {"block_size", sixteen},
        {"max_blocks", int64_t(4)},
        {"scale", 0.25}}},
      {"add", {{"dtype", "bfloat16"}, {"n", hidden}, {"rows_per_token", one}}},
      {"gather_rows", {{"dtype", "bfloat16"}, {"n", hidden}}},
      {"matmul", matmul(40, "float32", "logit_rows")},
      // Two more than the sample has: it shares what cannot be shared once there is code.
      {"rope",
       {{"dtype", "bfloat16"}, {"compute", "float32"}, {"heads", one}, {"head_dim", sixteen}}},
      {"matmul", matmul(40, "float32", "tokens")},
  };
}

fb::PlanT modelTables(const CpuTarget &cpu) {
  const uint32_t ropeK = sample::kernelCount, lmHeadOfTokens = ropeK + 1;
  fb::PlanT plan = sample::plan();
  std::vector<KernelSpec> specs = kernelSpecs();
  plan.kernels.resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    plan.kernels[i] = std::make_unique<fb::KernelT>();
    plan.kernels[i]->symbol = symbolName(specs[i]);
    plan.kernels[i]->op = specs[i].op;
    plan.kernels[i]->operands = operandCount(specs[i]);
    plan.kernels[i]->outputs = outputCount(specs[i]);
  }
  auto use = [&](uint32_t body, uint32_t command, uint32_t kernel) {
    fb::Command &old = plan.bodies[body]->commands[command];
    KernelTiles tiles = tileRule(specs[kernel], cpu);
    old = fb::Command(
        kernel, old.operand_first(), old.operand_count(), old.wait_first(), old.wait_count(),
        old.stream(),
        fb::TileRule(fb::Symbol(tiles.symbol), tiles.scale, tiles.rowBlock, tiles.columns));
  };
  for (uint32_t body = 0; body < plan.bodies.size(); ++body)
    for (uint32_t i = 0; i < plan.bodies[body]->commands.size(); ++i)
      use(body, i, plan.bodies[body]->commands[i].kernel());
  use(sample::Layer, sample::RotateK, ropeK);
  use(sample::Epilogue, 1, lmHeadOfTokens);
  // Norm all tokens, then gather: norms have a row per token.
  fb::BodyT &epilogue = *plan.bodies[sample::EpiloguePrefill];
  epilogue.operands = {{fb::Space::Arena, sample::X}, {fb::Space::Arena, sample::Hidden},
                       {fb::Space::Parameter, 0},     {fb::Space::Arena, sample::Rows},
                       {fb::Space::Arena, sample::X}, {fb::Space::Input, sample::LogitIndices},
                       {fb::Space::Output, 0},        {fb::Space::Arena, sample::Rows},
                       {fb::Space::Parameter, 1}};
  use(sample::EpiloguePrefill, 0, sample::RmsNorm);
  use(sample::EpiloguePrefill, 1, sample::GatherRows);
  plan.cpu = cpu.name;
  plan.cpu_features = cpu.features;
  return plan;
}

/// Compiled once for all tests.
const std::vector<std::byte> &machineCode(const CpuTarget &cpu) {
  static const std::vector<std::byte> object = compileKernels(kernelSpecs(), cpu);
  return object;
}

class Loaded : public TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    std::mt19937 random(1);
    std::vector<TestTensor> tensors;
    for (const RequiredTensor &required : requiredTensors(*plan().root())) {
      size_t count = 1;
      for (uint64_t size : required.shape)
        count *= size;
      std::vector<float> values(count);
      for (float &value : values) // norms are 1, the rest is spread round 0
        value = required.shape.size() == 1 ? 1.0f : (float(random() % 2001) - 1000) / 1500;
      tensors.push_back({required.name, "F32", required.shape, bytesOf(values)});
    }
    write("model.safetensors", safetensors(tensors));
  }

  Plan plan(auto &&change) const {
    fb::PlanT tables = modelTables(cpu_);
    std::vector<SegmentData> segments = sample::segments();
    segments[0].bytes = machineCode(cpu_);
    change(tables);
    return Plan::parse(serializePlan(tables, segments), "test.plan");
  }
  Plan plan() const {
    return plan([](fb::PlanT &) {});
  }
  std::unique_ptr<LoadedModel> load(const LoadOptions &options = {}) const {
    return load(plan(), options);
  }
  std::unique_ptr<LoadedModel> load(Plan plan, const LoadOptions &options = {}) const {
    Pack pack = Pack::create(plan, Checkpoint::open(folder));
    return std::make_unique<LoadedModel>(std::move(plan), std::move(pack), options);
  }

  CpuTarget cpu_ = resolveCpu("native");
};

Ids someIds(size_t count) {
  Ids ids;
  for (size_t i = 0; i < count; ++i)
    ids.push_back(int32_t(i * i * 7 % 40));
  return ids;
}

TEST_F(Loaded, KnowsItsLimitsAndMemory) {
  auto model = load({.threads = 2});
  EXPECT_EQ(model->limits().vocabSize, 40u);
  EXPECT_EQ(model->limits().maxSeqLen, 64u);
  EXPECT_EQ(model->limits().maxTokensPerStep, 8u);
  EXPECT_EQ(model->limits().blockSize, 16u);
  EXPECT_EQ(model->threads(), 2u);
  EXPECT_GE(model->memoryUse().used,
            model->pack().totalBytes() + model->plan().root()->arena_bytes());
}

TEST_F(Loaded, ThreadsDoNotChangeABit) {
  Ids ids = someIds(50);
  auto one = load({.threads = 1});
  Score expected = score(*one, ids, 32);
  for (float value : expected.logsumexp)
    ASSERT_TRUE(std::isfinite(value));
  EXPECT_NE(expected.nll[3], expected.nll[4]);
  for (uint32_t threads : {2, 3, 16}) {
    auto many = load({.threads = threads});
    for (int repeat = 0; repeat < 3; ++repeat)
      EXPECT_EQ(score(*many, ids, 32).nll, expected.nll) << threads << " threads";
  }
}

TEST_F(Loaded, EveryWayThroughTheEntriesGivesTheSameLogits) {
  auto model = load({.threads = 2});
  Ids ids = someIds(30);
  std::vector<std::vector<float>> expected;
  Ids output;
  for (uint32_t chunk : {8, 1, 3}) {
    std::vector<std::vector<float>> rows;
    Engine engine(*model, {chunk});
    Request request;
    request.promptIds = ids;
    request.maxTokens = 8;
    request.onLogits = [&](uint32_t, std::span<const float> logits) {
      rows.emplace_back(logits.begin(), logits.end());
    };
    engine.submit(request);
    request.onLogits = nullptr; // once more, with prefill in place of score
    engine.submit(request);
    std::vector<Result> results = engine.run();
    EXPECT_EQ(results[0].outputIds, results[1].outputIds) << "chunk " << chunk;
    ASSERT_EQ(rows.size(), 37u);
    if (expected.empty()) {
      expected = rows;
      output = results[0].outputIds;
    }
    EXPECT_EQ(rows, expected) << "chunk " << chunk;
    EXPECT_EQ(results[0].outputIds, output) << "chunk " << chunk;
  }
}

TEST_F(Loaded, BatchesEqualLoneRuns) {
  auto model = load({.threads = 2});
  Engine engine(*model, {5});
  auto request = [](int32_t i) {
    Request result;
    result.promptIds = someIds(size_t(3 + i * 5 % 11));
    result.promptIds[0] = i;
    result.maxTokens = uint32_t(4 + i);
    return result;
  };
  for (int32_t i = 0; i < 7; ++i)
    engine.submit(request(i));
  std::vector<Result> together = engine.run();
  for (int32_t i = 0; i < 7; ++i) {
    engine.submit(request(i));
    EXPECT_EQ(together[size_t(i)].outputIds, engine.run()[0].outputIds) << i;
  }
}

TEST_F(Loaded, StepsDoNotAllocate) {
  auto model = load({.threads = 2});
  Ids ids = {1}, position = {0}, slot = {0}, start = {0, 1}, context = {1}, blocks = {0, 0, 0, 0};
  StepInputs inputs = {ids, position, slot, start, context, blocks, {}};
  for (int i = 0; i < 20; ++i)
    model->step(EntryKind::Decode, inputs);
  uint64_t before = test::allocationCount();
  for (int i = 0; i < 100; ++i)
    model->step(EntryKind::Decode, inputs);
  EXPECT_EQ(test::allocationCount(), before);
}

TEST_F(Loaded, BadInputsNeverReachTheKernels) {
  auto model = load({.threads = 1});
  Ids ids = {40}, position = {0}, slot = {0}, start = {0, 1}, context = {1}, blocks = {0, 0, 0, 0};
  EXPECT_EQ(messageOf([&] {
              model->step(EntryKind::Decode, {ids, position, slot, start, context, blocks, {}});
            }),
            "error: token_ids[0] is 40; legal: 0 to 39");
}

TEST_F(Loaded, WhatDoesNotFitTheDeviceIsNamed) {
  std::string message = messageOf([&] { load({.threads = 1, .deviceMemoryBytes = 4096}); });
  EXPECT_CONTAINS(message, "npu0: out of device memory: weights needs ");
  EXPECT_CONTAINS(message, " bytes, 4096 of 4096 are free");
  message = messageOf([&] { load({.threads = 1, .deviceMemoryBytes = 40000}); });
  EXPECT_CONTAINS(message, "needs 16384 bytes, but ");
  EXPECT_CONTAINS(message, "compile with --kv-blocks ");
}

TEST_F(Loaded, APlanForAnotherProcessorIsRefused) {
  Plan foreign = plan([](fb::PlanT &tables) { tables.cpu_features = {"avx2", "sve"}; });
  std::string message = messageOf([&] { load(std::move(foreign)); });
  EXPECT_CONTAINS(message, "test.plan");
  EXPECT_CONTAINS(message, "sve");
}

TEST_F(Loaded, AKernelThatTheObjectLacksIsNamed) {
  Plan lacking = plan([](fb::PlanT &tables) { tables.kernels[3]->symbol = "matmul_missing"; });
  std::string message = messageOf([&] { load(std::move(lacking)); });
  EXPECT_CONTAINS(message, "test.plan");
  EXPECT_CONTAINS(message, "matmul_missing");
}

} // namespace
} // namespace vinci
