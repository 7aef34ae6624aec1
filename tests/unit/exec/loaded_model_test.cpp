// A whole small model: compiled kernels, packed weights, threads, the engine on top.
#include "runtime/exec/loaded_model.h"

#include "backend/codegen/codegen.h"
#include "backend/plan/plan_writer.h"
#include "runtime/exec/comparison.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"
#include "runtime/serving/engine.h"
#include "runtime/serving/score.h"
#include "runtime/weights/check_weights.h"
#include "tests/unit/exec/allocations.h"
#include "tests/unit/plan/sample_plan.h"
#include "tests/unit/weights/temporary_folder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

namespace vinci {
namespace {

using Ids = std::vector<int32_t>;

std::map<std::string, Attribute> matmul(int64_t n, int64_t k, const char *out, const char *rows) {
  return {{"dtype", "bfloat16"}, {"out_dtype", out}, {"n", n}, {"k", k},
          {"bias", int64_t(0)},  {"rows", rows}};
}
KernelSpec rope(int64_t heads) {
  return {"rope",
          {{"dtype", "bfloat16"},
           {"compute", "float32"},
           {"heads", heads},
           {"head_dim", int64_t(sample::headDim)}}};
}

/// What each kernel of the sample plan (tests/unit/plan/sample_plan.h) is on a rank that has
/// `heads` of the two query heads.
std::vector<KernelSpec> kernelSpecs(int64_t heads) {
  const int64_t one = 1, sixteen = 16, hidden = sample::hidden;
  return {
      {"embedding",
       {{"dtype", "bfloat16"},
        {"hidden", hidden},
        {"vocab", int64_t(40)},
        {"sharded", int64_t(0)},
        {"panels", int64_t(0)},
        {"rows", "tokens"}}},
      {"rope_table", {{"dtype", "float32"}, {"head_dim", sixteen}}},
      {"rms_norm",
       {{"dtype", "bfloat16"},
        {"compute", "float32"},
        {"n", hidden},
        {"groups", one},
        {"bias", int64_t(0)},
        {"eps", 1e-6},
        {"rows", "tokens"}}},
      {"matmul", matmul(heads * sixteen, hidden, "bfloat16", "tokens")},
      {"matmul", matmul(sixteen, hidden, "bfloat16", "tokens")},
      rope(heads),
      {"kv_append",
       {{"dtype", "bfloat16"}, {"kv_heads", one}, {"head_dim", sixteen}, {"block_size", sixteen}}},
      {"attention",
       {{"dtype", "bfloat16"},
        {"softmax", "float32"},
        {"heads", heads},
        {"kv_heads", one},
        {"head_dim", sixteen},
        {"block_size", sixteen},
        {"max_blocks", int64_t(4)},
        {"scale", 0.25}}},
      {"add", {{"dtype", "bfloat16"}, {"n", hidden}, {"rows", "tokens"}}},
      {"gather_rows", {{"dtype", "bfloat16"}, {"n", hidden}}},
      {"matmul", matmul(40, hidden, "float32", "logit_rows")},
  };
}

/// The sample with machine code; ranks share the query heads along the last axis of a mesh.
struct Model {
  fb::PlanT plan;
  std::map<KernelSpec, uint32_t> kernels;
};

Model modelTables(const CpuTarget &cpu, const std::vector<uint32_t> &mesh) {
  Model model{mesh.empty() ? sample::plan() : sample::rankedPlan(mesh), {}};
  fb::PlanT &plan = model.plan;
  const int64_t heads = mesh.empty() ? 2 : 2 / mesh.back();
  // Norm all tokens, then gather: norms have a row per token.
  fb::BodyT &epilogue = *plan.bodies[sample::EpiloguePrefill];
  epilogue.operands = {{fb::Space::Arena, sample::X}, {fb::Space::Arena, sample::Hidden},
                       {fb::Space::Parameter, 0},     {fb::Space::Arena, sample::Rows},
                       {fb::Space::Arena, sample::X}, {fb::Space::Input, sample::LogitIndices},
                       {fb::Space::Output, 0},        {fb::Space::Arena, sample::Rows},
                       {fb::Space::Parameter, 1}};
  const std::vector<KernelSpec> specs = kernelSpecs(heads);
  auto specOf = [&](uint32_t body, uint32_t command, uint32_t kernel) -> KernelSpec {
    // The sample shares what cannot be shared once there is code.
    if (body == sample::Layer && command == sample::RotateK)
      return rope(1);
    if (body == sample::Layer && command == sample::ProjectO)
      return {"matmul", matmul(sample::hidden, heads * 16, "bfloat16", "tokens")};
    if (body == sample::Epilogue && command == 1)
      return {"matmul", matmul(40, sample::hidden, "float32", "tokens")};
    if (body == sample::EpiloguePrefill && command < 2)
      return specs[command == 0 ? sample::RmsNorm : sample::GatherRows];
    return specs[kernel];
  };
  const auto sampleKernels = std::exchange(plan.kernels, {});
  for (uint32_t body = 0; body < plan.bodies.size(); ++body)
    for (uint32_t i = 0; i < plan.bodies[body]->commands.size(); ++i) {
      fb::Command &command = plan.bodies[body]->commands[i];
      fb::TileRule rule = command.tiles();
      auto kernel = uint32_t(plan.kernels.size());
      if (command.kernel() >= specs.size()) { // a collective
        plan.kernels.push_back(std::make_unique<fb::KernelT>(*sampleKernels[command.kernel()]));
      } else {
        const KernelSpec spec = specOf(body, i, command.kernel());
        auto [known, isNew] = model.kernels.emplace(spec, kernel);
        if (isNew) {
          plan.kernels.push_back(std::make_unique<fb::KernelT>());
          plan.kernels.back()->symbol = symbolName(spec);
          plan.kernels.back()->op = spec.op;
          plan.kernels.back()->operands = operandCount(spec);
          plan.kernels.back()->outputs = outputCount(spec);
        }
        kernel = known->second;
        const KernelTiles tiles = tileRule(spec, cpu);
        rule = fb::TileRule(fb::Symbol(tiles.symbol), tiles.scale, tiles.rowBlock, tiles.columns);
      }
      command = fb::Command(kernel, command.operand_first(), command.operand_count(),
                            command.wait_first(), command.wait_count(), command.stream(), rule);
    }
  // The sample's panels are of any type; kernels for bfloat16 have their own.
  for (const auto &weight : plan.weights)
    if (weight->packing == fb::Packing::Panel32 && weight->dtype == fb::DType::BFloat16) {
      weight->packing = fb::Packing::Panel12;
      weight->bytes =
          *packedBytes(weight->shape, DType::BFloat16, fb::Packing::Panel12, weight->count);
    }
  plan.cpu = cpu.name;
  plan.cpu_features = cpu.features;
  return model;
}

/// Compiled once for all tests.
const std::vector<std::byte> &machineCode(const Model &model, const CpuTarget &cpu) {
  static std::map<std::vector<std::string>, std::vector<std::byte>> objects;
  std::vector<std::string> symbols;
  std::vector<KernelSpec> specs;
  for (const auto &[spec, kernel] : model.kernels) {
    symbols.push_back(symbolName(spec));
    specs.push_back(spec);
  }
  auto [found, isNew] = objects.try_emplace(symbols);
  if (isNew)
    found->second = compileKernels(specs, cpu);
  return found->second;
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

  Plan plan(auto &&change, const std::vector<uint32_t> &mesh = {}) const {
    Model model = modelTables(cpu_, mesh);
    std::vector<SegmentData> segments = sample::segments();
    segments[0].bytes = machineCode(model, cpu_);
    change(model.plan);
    return Plan::parse(serializePlan(model.plan, segments), "test.plan");
  }
  Plan planOf(const std::vector<uint32_t> &mesh) const {
    return plan([](fb::PlanT &) {}, mesh);
  }
  Plan plan() const {
    return plan([](fb::PlanT &) {});
  }
  std::unique_ptr<LoadedModel> load(const LoadOptions &options = {}) const {
    return load(plan(), options);
  }
  std::unique_ptr<LoadedModel> load(Plan plan, const LoadOptions &options = {}) const {
    std::vector<Pack> packs = Pack::createAll(plan, Checkpoint::open(folder));
    return std::make_unique<LoadedModel>(std::move(plan), std::move(packs), options);
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
  uint64_t weights = 0;
  for (const fb::Weight *weight : *model->plan().root()->weights())
    weights += weight->bytes();
  EXPECT_GE(model->memoryUse().used, weights + model->plan().root()->arena_bytes());
  EXPECT_EQ(model->ranks(), 1u);
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
  for (const std::vector<uint32_t> &mesh : {std::vector<uint32_t>{}, {2, 2}}) {
    auto model = load(planOf(mesh), {.threads = 2});
    Ids ids = {1}, position = {0}, slot = {0}, start = {0, 1}, context = {1}, blocks = {0, 0, 0, 0};
    StepInputs inputs = {ids, position, slot, start, context, blocks, {}};
    for (int i = 0; i < 20; ++i)
      model->step(EntryKind::Decode, inputs);
    uint64_t before = test::allocationCount();
    for (int i = 0; i < 100; ++i)
      model->step(EntryKind::Decode, inputs);
    EXPECT_EQ(test::allocationCount(), before) << Mesh(mesh).ranks() << " ranks";
  }
}

TEST_F(Loaded, ReplayedGraphsHaveTheSameBits) {
  const auto requests = [] {
    std::vector<Request> requests;
    for (int32_t i = 0; i < 5; ++i) {
      requests.emplace_back();
      requests.back().promptIds = someIds(size_t(1 + i * 5 % 11));
      requests.back().promptIds[0] = i;
      requests.back().maxTokens = uint32_t(4 + i);
    }
    return requests;
  }();
  const auto serve = [&](LoadedModel &model, GraphUse &use) {
    Engine engine(model);
    for (const Request &request : requests)
      engine.submit(request);
    std::vector<Ids> ids;
    for (const Result &result : engine.run())
      ids.push_back(result.outputIds);
    use = engine.graphUse();
    return ids;
  };
  for (const std::vector<uint32_t> &mesh : {std::vector<uint32_t>{}, {2}}) {
    GraphUse use;
    auto eager = load(planOf(mesh), {.threads = 2});
    const std::vector<Ids> expected = serve(*eager, use);
    EXPECT_EQ(eager->replays(), 0u);
    for (fb::GraphMode mode : {fb::GraphMode::Piecewise, fb::GraphMode::FullDecodeOnly,
                               fb::GraphMode::FullAndPiecewise, fb::GraphMode::Full}) {
      auto model = load(plan(
                            [&](fb::PlanT &plan) {
                              plan.graphs = std::make_unique<fb::GraphsT>();
                              plan.graphs->mode = mode;
                              plan.graphs->sizes = {3, 8};
                            },
                            mesh),
                        {.threads = 2});
      EXPECT_EQ(serve(*model, use), expected) << int(mode);
      EXPECT_GT(use.replayed, 0u);
      EXPECT_GT(use.paddedTokens, 0u);
      const uint64_t replayed = use.replayed;
      EXPECT_EQ(model->replays(), replayed) << int(mode);
      model->setReplay(false);
      EXPECT_EQ(serve(*model, use), expected) << int(mode);
      EXPECT_EQ(model->replays(), replayed) << int(mode);
    }
  }
}

TEST_F(Loaded, ThePlansArenaIsWhatAStepAtTheLimitsWrites) {
  const Ids ids = someIds(8), positions = {0, 1, 2, 3, 4, 5, 6, 7}, start = {0, 8}, context = {8},
            blocks = {0, 0, 0, 0};
  const StepInputs inputs = {ids, positions, positions, start, context, blocks, positions};
  for (const std::vector<uint32_t> &mesh : {std::vector<uint32_t>{}, {2}}) {
    auto model = load(planOf(mesh), {.threads = 1});
    auto poisoned = load(planOf(mesh), {.threads = 1, .poison = true});
    const auto expected = model->step(EntryKind::Prefill, inputs);
    const auto logits = poisoned->step(EntryKind::Prefill, inputs);
    EXPECT_TRUE(std::ranges::equal(logits, expected));
    EXPECT_EQ(poisoned->arenaHighWater(), poisoned->plan().root()->arena_bytes());
  }
}

TEST_F(Loaded, TracedStepsHaveTheSameBits) {
  Ids ids = {3, 1, 7}, position = {0, 1, 2}, slot = {0, 1, 2}, start = {0, 3}, context = {3},
      blocks = {0, 0, 0, 0}, rows = {2, 0};
  StepInputs inputs = {ids, position, slot, start, context, blocks, {}};
  StepInputs withRows = inputs;
  withRows.logitIndices = rows;
  for (const std::vector<uint32_t> &mesh : {std::vector<uint32_t>{}, {2}, {2, 2}})
    for (EntryKind kind : {EntryKind::Prefill, EntryKind::Score}) {
      const StepInputs &step = kind == EntryKind::Prefill ? withRows : inputs;
      auto run = load(planOf(mesh), {.threads = 2}),
           traced = load(planOf(mesh), {.threads = kind == EntryKind::Prefill ? 1u : 3u});
      std::span<const float> expected = run->step(kind, step);
      const auto tensors = tensorsOf(*traced->plan().root(), *traced->plan().entry(toString(kind)));
      uint32_t commands = 0;
      std::vector<float> last;
      std::span<const float> logits =
          traced->tracedStep(kind, step, [&](const TracedCommand &command) {
            EXPECT_EQ(command.ordinal, commands++);
            EXPECT_EQ(command.ranks.size(), traced->ranks());
            const PlanTensor *tensor =
                tensors.at(command.ordinal).empty() ? nullptr : &tensors[command.ordinal].back();
            if (tensor && tensor->name == "lm_head") {
              const auto *values = static_cast<const float *>(command.output(0, 0));
              last.assign(values, values + tensor->rows.in(command.dims()) * tensor->columns);
            }
          });
      EXPECT_EQ(commands, tensors.size());
      EXPECT_EQ(logits.size(), (kind == EntryKind::Prefill ? 2u : 3u) * 40);
      EXPECT_TRUE(std::ranges::equal(logits, expected));
      EXPECT_TRUE(std::ranges::equal(logits, last));
    }
}

TEST_F(Loaded, RanksCompareWithOneDevice) {
  Ids ids = {3, 1, 7}, position = {0, 1, 2}, slot = {0, 1, 2}, start = {0, 3}, context = {3},
      blocks = {0, 0, 0, 0};
  StepInputs inputs = {ids, position, slot, start, context, blocks, {}};
  auto one = load({.threads = 1}), four = load(planOf({2, 2}), {.threads = 1});
  Comparison comparison(*one, *four, 5e-2);
  comparison.step(EntryKind::Score, inputs, inputs);
  EXPECT_EQ(comparison.firstBeyond(), nullptr);
  EXPECT_TRUE(comparison.replicas().empty());
  // Prologue 2, layers 9 each, epilogue 2, logits.
  EXPECT_EQ(comparison.tensors().size(), 23u);
  EXPECT_EQ(comparison.tensors().back().tensor.name, "logits");
  EXPECT_EQ(comparison.notCompared(SideA).unmatched, 0u);
  EXPECT_EQ(comparison.notCompared(SideB).unmatched, 0u);
  EXPECT_EQ(comparison.notCompared(SideB).partialSums, 2u);

  // Rounding shows in what two ranks add up; with no tolerance that is the first difference.
  Comparison strict(*one, *four, 0);
  strict.step(EntryKind::Score, inputs, inputs);
  ASSERT_TRUE(strict.firstBeyond());
  EXPECT_EQ(strict.firstBeyond()->tensor.key(), "0:o");
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
  EXPECT_EQ(messageOf([&] { load({.threads = 1, .deviceMemoryBytes = 4096}); }),
            "test.plan: error: the weights need 32192 bytes, but the device has 4096");
  std::string message = messageOf([&] { load({.threads = 1, .deviceMemoryBytes = 42768}); });
  EXPECT_EQ(message, "test.plan: error: the KV cache of 8 blocks needs 16384 bytes, but the device "
                     "has 42768, of which 6480 are left beside weights and activations: compile "
                     "with --kv-blocks 3 or less (16 tokens a block), which may need a smaller "
                     "--max-seq-len");
  EXPECT_EQ(messageOf([&] {
              load(planOf({2, 2}), {.threads = 1, .deviceMemoryBytes = 4096});
            }),
            "test.plan: error: the weights need 28032 bytes on each of 4 ranks, but a device has "
            "4096");
  EXPECT_CONTAINS(messageOf([&] { load(planOf({2}), {.threads = 1, .deviceMemoryBytes = 34000}); }),
                  "needs 16384 bytes on each of 2 ranks, but a device has 34000, of which ");
}

// Memory that this machine has only once: a plan of enough ranks for their weights to exceed it.
TEST_F(Loaded, RanksShareTheMachinesMemory) {
  Plan large = plan([](fb::PlanT &tables) { tables.limits->kv_blocks = 1 << 26; }, {4096, 2});
  const std::string message = messageOf([&] { LoadedModel::requireMemory(large); });
  EXPECT_CONTAINS(message, " bytes on each of 8192 ranks, but a device has ");
  EXPECT_CONTAINS(message, ", its share of this machine's ");
}

/// The logits of all tokens of one text.
std::vector<float> logitsOf(LoadedModel &model, const Ids &ids) {
  std::vector<float> all;
  Engine engine(model, {3});
  Request request;
  request.promptIds = ids;
  request.maxTokens = 4;
  request.onLogits = [&](uint32_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  };
  engine.submit(request);
  engine.run();
  return all;
}

TEST_F(Loaded, RanksTogetherAreTheModel) {
  const Ids ids = someIds(20);
  const std::vector<float> expected = logitsOf(*load({.threads = 2}), ids);
  // One rank computes the same commands; its all_reduce is of itself.
  EXPECT_EQ(logitsOf(*load(planOf({1}), {.threads = 2}), ids), expected);

  auto two = load(planOf({2}), {.threads = 2});
  EXPECT_EQ(two->ranks(), 2u);
  const std::vector<float> shared = logitsOf(*two, ids);
  ASSERT_EQ(shared.size(), expected.size());
  double difference = 0, square = 0;
  for (size_t i = 0; i < shared.size(); ++i) {
    difference += std::pow(shared[i] - expected[i], 2);
    square += std::pow(expected[i], 2);
  }
  EXPECT_LT(difference, square * 1e-3) << "as much as bfloat16 of two sums";
  EXPECT_NE(shared, expected) << "a sum of two halves rounds elsewhere";

  // Whatever else the mesh has, and however many threads there are, the bits are the same.
  for (const std::vector<uint32_t> &mesh : {std::vector<uint32_t>{2}, {2, 2}, {8, 2}})
    for (uint32_t threads : {1, 2, 5})
      EXPECT_EQ(logitsOf(*load(planOf(mesh), {.threads = threads}), ids), shared)
          << Mesh(mesh).ranks() << " ranks, " << threads << " threads";
}

/// Two groups of two ranks, with as many tokens and not.
TEST_F(Loaded, GroupsHaveStepsOfTheirOwn) {
  const auto groupsOf = [](fb::PlanT &plan) { plan.data_axes = {0}; };
  auto together = load(plan(groupsOf, {2, 2}), {.threads = 2});
  EXPECT_EQ(together->limits().dataGroups, 2u);
  const Ids ids[] = {{3, 1, 7}, {9}}, positions[] = {{0, 1, 2}, {0}}, slots[] = {{0, 1, 2}, {16}},
            starts[] = {{0, 3}, {0, 1}}, contexts[] = {{3}, {1}},
            blocks[] = {{0, 0, 0, 0}, {1, 0, 0, 0}}, rows[] = {{2, 0}, {0}};
  for (EntryKind kind : {EntryKind::Prefill, EntryKind::Score}) {
    std::vector<StepInputs> groups;
    for (size_t i = 0; i < 2; ++i)
      groups.push_back({ids[i], positions[i], slots[i], starts[i], contexts[i], blocks[i],
                        kind == EntryKind::Prefill ? std::span<const int32_t>(rows[i])
                                                   : std::span<const int32_t>()});
    const auto same = [&](std::span<const float> group, const StepInputs &inputs) {
      auto alone = load(planOf({2}), {.threads = 2});
      return std::ranges::equal(group, alone->step(kind, inputs));
    };
    const auto logits = together->stepGroups(kind, groups);
    ASSERT_EQ(logits.size(), 2u);
    EXPECT_TRUE(same(logits[0], groups[0]));
    EXPECT_TRUE(same(logits[1], groups[1]));
    // One of them waits.
    const std::vector<StepInputs> second = {StepInputs{}, groups[1]};
    const auto ofSecond = together->stepGroups(kind, second);
    EXPECT_TRUE(ofSecond[0].empty());
    EXPECT_TRUE(same(ofSecond[1], groups[1]));
  }
  EXPECT_EQ(messageOf([&] { together->stepGroups(EntryKind::Decode, std::vector<StepInputs>(2)); }),
            "error: the step has 0 tokens; legal: 1 to 8 (max_tokens_per_step)");
  EXPECT_EQ(messageOf([&] { together->stepGroups(EntryKind::Decode, std::vector<StepInputs>(1)); }),
            "error: the step has 1 groups of inputs, but needs 2");
}

/// Each rank turns by frequencies of its own: those of rank 0 decide its logits.
TEST_F(Loaded, ConstantsOfRanks) {
  auto withTables = [&](std::vector<float> frequencies) {
    Model model = modelTables(cpu_, {2});
    std::vector<SegmentData> segments = sample::segments();
    segments[0].bytes = machineCode(model, cpu_);
    model.plan.constants[0]->per_rank = true;
    segments[1].bytes.assign(64 + model.plan.constants[0]->bytes, std::byte(0));
    for (size_t rank = 0; rank < 2; ++rank)
      for (uint64_t i = 0; i < model.plan.constants[0]->bytes; i += sizeof(float))
        std::memcpy(segments[1].bytes.data() + rank * 64 + i, &frequencies[rank], sizeof(float));
    return Plan::parse(serializePlan(model.plan, segments), "test.plan");
  };
  const Ids ids = someIds(12);
  auto logits = [&](std::vector<float> frequencies) {
    return logitsOf(*load(withTables(frequencies)), ids);
  };
  EXPECT_EQ(logits({1, 1}), logitsOf(*load(planOf({2})), ids));
  EXPECT_NE(logits({1, 2}), logits({1, 1}));
  EXPECT_NE(logits({2, 1}), logits({1, 2}));
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
