// Packs of the sample plan (tests/unit/plan/sample_plan.h) from a checkpoint with known values.
#include "runtime/weights/pack.h"

#include "runtime/support/half.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/packing.h"
#include "tests/unit/plan/sample_plan.h"
#include "tests/unit/weights/temporary_folder.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <thread>

namespace vinci {
namespace {

class Packs : public TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    cache = folder / "cache" / "deep";
    writeCheckpoint(0);
  }

  /// Every tensor of the plan in float32, element i of tensor t being (t + i + first) % 97.
  void writeCheckpoint(int first) {
    std::vector<TestTensor> tensors;
    for (const RequiredTensor &required : requiredTensors(*plan.root())) {
      uint64_t count = *elementCount(required.shape);
      std::vector<float> values(count);
      for (uint64_t i = 0; i < count; ++i)
        values[i] = float((tensors.size() + i + first) % 97);
      tensors.push_back({required.name, "F32", required.shape, bytesOf(values)});
    }
    write("model.safetensors", safetensors(tensors));
  }

  Pack pack() {
    warnings.clear();
    PackOptions options;
    options.cacheDir = cache;
    options.warning = [this](const std::string &message) { warnings.push_back(message); };
    return Pack::create(plan, Checkpoint::open(folder), 0, options);
  }

  std::filesystem::path packFile() const {
    for (const auto &entry : std::filesystem::directory_iterator(cache))
      return entry.path();
    return {};
  }

  /// All weights are where they belong, whatever way they came.
  void expectGood(const Pack &pack, int first = 0) {
    // Element (3, 5) of layers.0.q, tensor 2 of the checkpoint, in Panel32.
    size_t index = 2;
    ASSERT_EQ(plan.root()->weights()->Get(uint32_t(index))->name()->string_view(), "layers.0.q");
    uint16_t bits;
    std::memcpy(&bits, pack.weight(index) + 2 * (5 / 2 * 32 + 3 * 2 + 1), sizeof bits);
    EXPECT_EQ(floatOfBFloat16(bits), float((2 + 3 * 32 + 5 + first) % 97));
    // Slice 1 of the stack begins after the padded slice 0; the last row's padding is zero.
    index = pack.size() - 1;
    size_t slice = 32 * 64 * 2;
    ASSERT_EQ(pack.bytes(index).size(), 2 * slice);
    std::memcpy(&bits, pack.weight(index) + slice, sizeof bits);
    EXPECT_EQ(floatOfBFloat16(bits), float((14 + first) % 97));
    std::span<const std::byte> end = pack.bytes(index).last(64);
    EXPECT_TRUE(std::ranges::all_of(end, [](std::byte b) { return b == std::byte{0}; }));
    for (size_t i = 0; i < pack.size(); ++i) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(pack.weight(i)) % 64, 0u);
      EXPECT_EQ(pack.bytes(i).size(), plan.root()->weights()->Get(uint32_t(i))->bytes());
    }
  }

  Plan plan = Plan::parse(sample::bytes(), "sample.plan");
  std::filesystem::path cache;
  std::vector<std::string> warnings;
};

TEST_F(Packs, WithoutACache) {
  uint64_t lastDone = 0, lastTotal = 0;
  PackOptions options;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, lastDone);
    lastDone = done, lastTotal = total;
  };
  Pack pack = Pack::create(plan, Checkpoint::open(folder), 0, options);
  expectGood(pack);
  EXPECT_FALSE(pack.fromCache());
  EXPECT_EQ(lastDone, pack.totalBytes());
  EXPECT_EQ(lastTotal, pack.totalBytes());
  EXPECT_EQ(pack.size(), plan.root()->weights()->size());
  EXPECT_FALSE(std::filesystem::exists(cache));
  Pack moved = std::move(pack);
  expectGood(moved);
}

TEST_F(Packs, SecondStartReadsTheFile) {
  expectGood(pack());
  Pack second = pack();
  EXPECT_TRUE(second.fromCache());
  EXPECT_TRUE(warnings.empty());
  expectGood(second);
}

TEST_F(Packs, AnotherCheckpointIsAnotherPack) {
  pack();
  writeCheckpoint(7);
  std::filesystem::last_write_time(folder / "model.safetensors",
                                   std::filesystem::file_time_type::clock::now() +
                                       std::chrono::hours(1));
  Pack second = pack();
  EXPECT_FALSE(second.fromCache());
  expectGood(second, 7);
}

TEST_F(Packs, DamagedFilesAreFoundAndReplaced) {
  pack();
  std::filesystem::path path = packFile();
  uint64_t size = std::filesystem::file_size(path);
  // Magic, version, a hash, the first and the last weight.
  for (uint64_t place : {uint64_t(0), uint64_t(8), uint64_t(85), uint64_t(4096), size - 100}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(long(place));
    char byte = char(file.get() ^ 0x40);
    file.seekp(long(place));
    file.put(byte);
    file.close();
    Pack repaired = pack();
    EXPECT_FALSE(repaired.fromCache()) << place;
    ASSERT_EQ(warnings.size(), 1u) << place;
    EXPECT_EQ(warnings[0], path.string() + ": the pack file is damaged, packing the weights again");
    expectGood(repaired);
    EXPECT_TRUE(pack().fromCache());
  }
}

TEST_F(Packs, TruncatedFilesAreFoundAndReplaced) {
  pack();
  std::filesystem::path path = packFile();
  for (uint64_t size : {0, 10, 64, 100, 4096, 5000}) {
    std::filesystem::resize_file(path, size);
    expectGood(pack());
    EXPECT_EQ(warnings.size(), 1u) << size;
    EXPECT_TRUE(pack().fromCache()) << size;
  }
}

TEST_F(Packs, AnUnusableCacheIsAWarning) {
  write("cache", "a file where the folder should be");
  expectGood(pack());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_CONTAINS(warnings[0], "the packed weights are not cached: ");
}

TEST_F(Packs, ManyAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      PackOptions options;
      options.cacheDir = cache;
      for (int round = 0; round < 5; ++round)
        expectGood(Pack::create(plan, Checkpoint::open(folder), 0, options));
    });
  for (std::thread &thread : threads)
    thread.join();
  auto files = std::filesystem::directory_iterator(cache);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_TRUE(pack().fromCache());
}

TEST_F(Packs, OfEveryRank) {
  const Pack whole = pack();
  fb::PlanT tables = sample::rankedPlan({3, 2});
  plan = Plan::parse(serializePlan(tables, sample::segments()), "ranks.plan");
  uint64_t lastDone = 0;
  PackOptions options;
  options.cacheDir = cache;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, lastDone);
    lastDone = done;
    EXPECT_EQ(total % 6, 0u);
  };
  for (bool again : {false, true}) {
    std::vector<Pack> packs = Pack::createAll(plan, Checkpoint::open(folder), options);
    ASSERT_EQ(packs.size(), 6u);
    EXPECT_EQ(lastDone, 6 * packs[0].totalBytes());
    lastDone = 0;
    for (uint32_t rank = 0; rank < 6; ++rank) {
      // Ranks that differ in the first axis alone hold the same, and share a file.
      EXPECT_EQ(packs[rank].fromCache(), again || rank >= 2);
      // A half of q's 32 rows is half a panel, the other half is zero: tiles of 16 of 512 elements.
      const std::byte *q = packs[rank].weight(2), *allOfQ = whole.weight(2);
      EXPECT_EQ(std::memcmp(q, allOfQ + rank % 2 * 1024, 1024), 0) << rank;
      EXPECT_EQ(std::memcmp(packs[rank].weight(1), whole.weight(1), 64), 0);
      const size_t experts = whole.size() - 1, slice = 32 * 64 * 2;
      EXPECT_EQ(packs[rank].bytes(experts).size(), slice);
      EXPECT_EQ(
          std::memcmp(packs[rank].weight(experts), whole.weight(experts) + rank % 2 * slice, slice),
          0);
      const Pack alone = Pack::create(plan, Checkpoint::open(folder), rank);
      for (size_t i = 0; i < alone.size(); ++i)
        EXPECT_TRUE(std::ranges::equal(alone.bytes(i), packs[rank].bytes(i))) << rank << " " << i;
    }
  }
}

TEST_F(Packs, InAFolderOfTheirOwn) {
  fb::PlanT tables = sample::rankedPlan({2, 2});
  plan = Plan::parse(serializePlan(tables, sample::segments()), "ranks.plan");
  const std::vector<Pack> packs = Pack::createAll(plan, Checkpoint::open(folder));
  EXPECT_FALSE(Pack::arePacksIn(folder));
  for (uint32_t rank = 0; rank < 4; ++rank)
    EXPECT_EQ(packs[rank].write(folder, plan, rank),
              folder / fmt::format("rank-0000{}.pack", rank));
  EXPECT_TRUE(Pack::arePacksIn(folder));
  std::filesystem::remove(folder / "model.safetensors");
  uint64_t lastDone = 0, lastTotal = 0;
  PackOptions options;
  options.progress = [&](uint64_t done, uint64_t total) { lastDone = done, lastTotal = total; };
  const std::vector<Pack> read = Pack::readAll(plan, folder, options);
  EXPECT_EQ(lastDone, 4 * packs[0].totalBytes());
  EXPECT_EQ(lastTotal, lastDone);
  ASSERT_EQ(read.size(), 4u);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    EXPECT_TRUE(read[rank].fromCache());
    for (size_t i = 0; i < packs[rank].size(); ++i)
      EXPECT_TRUE(std::ranges::equal(read[rank].bytes(i), packs[rank].bytes(i))) << i;
  }
  // As many ranks, laid out otherwise: what ranks 1 and 2 hold is another part.
  tables = sample::rankedPlan({4, 1});
  const Plan other = Plan::parse(serializePlan(tables, sample::segments()), "other.plan");
  EXPECT_EQ(messageOf([&] { Pack::readAll(other, folder); }),
            (folder / "rank-00000.pack").string() +
                ": error: these weights were packed for another plan than other.plan: pack them "
                "again for it");
}

TEST_F(Packs, WeightsThatDoNotFit) {
  write("model.safetensors", safetensors({{"model.norm.weight", "F32", {2}, std::string(8, 0)}}));
  std::string message = messageOf([&] { pack(); });
  EXPECT_CONTAINS(message, "missing (14): \"model.embed_tokens.weight\", ");
  EXPECT_CONTAINS(message, "\"model.norm.weight\" is [2], expected [32]");
}

TEST_F(Packs, TensorsOfAQuantisedLinear) {
  fb::PlanT tables = sample::plan();
  auto set = [&](size_t i, const char *source, std::vector<uint64_t> shape, fb::DType dtype,
                 fb::Packing packing) {
    fb::WeightT &weight = *tables.weights[i];
    weight.pieces[0]->source = source;
    weight.shape = weight.pieces[0]->shape = shape;
    weight.dtype = dtype;
    weight.packing = packing;
    weight.bytes = *packedBytes(shape, toDType(dtype), packing);
  };
  set(0, "l.weight", {2, 5}, fb::DType::Int8, fb::Packing::Panel32);
  set(1, "l.deq_scale", {2}, fb::DType::Float32, fb::Packing::Rows);
  set(2, "l.input_offset", {1}, fb::DType::Float32, fb::Packing::Rows);
  set(3, "l.quant_bias", {2}, fb::DType::Int32, fb::Packing::Rows);
  plan = Plan::parse(serializePlan(tables, sample::segments()), "quantised.plan");

  const std::vector<float> scales = {0.25f, -3.5e-5f};
  std::string wide; // the floats, with something else above them
  for (size_t i = 0; i < scales.size(); ++i)
    wide += bytesOf(std::span(scales).subspan(i, 1)) + std::string("\1\0\0\x7f", 4);
  const std::vector<TestTensor> forms = {{"l.deq_scale", "F32", {2}, bytesOf(scales)},
                                         {"l.deq_scale", "I64", {2}, wide}};
  for (const TestTensor &form : forms) {
    std::vector<TestTensor> tensors = {{"l.weight", "I8", {2, 5}, "\1\2\3\4\5\xff\xfe\xfd\xfc\xfb"},
                                       form,
                                       {"l.input_offset", "I8", {1}, "\xf9"},
                                       {"l.quant_bias", "I32", {2}, "\1\2\3\4\5\6\7\x88"}};
    for (const RequiredTensor &required : requiredTensors(*plan.root()))
      if (!required.name.starts_with("l."))
        tensors.push_back({required.name, "BF16", required.shape,
                           std::string(*elementCount(required.shape) * 2, '\0')});
    write("model.safetensors", safetensors(tensors));
    Pack pack = Pack::create(plan, Checkpoint::open(folder), 0);
    EXPECT_EQ(std::memcmp(pack.weight(1), scales.data(), 8), 0) << form.dtype;
    const float offset = -7;
    EXPECT_EQ(std::memcmp(pack.weight(2), &offset, 4), 0);
    EXPECT_EQ(std::memcmp(pack.weight(3), "\1\2\3\4\5\6\7\x88", 8), 0);
    EXPECT_EQ(int8_t(pack.weight(0)[64 + 4]), -5); // row 1, k = 4: in the second step of four
  }
}

TEST_F(Packs, TensorsThatMustBeEqual) {
  fb::PlanT tables = sample::plan();
  fb::WeightT &scale = *tables.weights[1];
  scale.pieces[0]->source = "q.input_scale";
  scale.pieces[0]->shape = scale.shape = {1};
  scale.dtype = fb::DType::Float32;
  scale.bytes = 4;
  scale.equal = {"k.input_scale", "v.input_scale"};
  plan = Plan::parse(serializePlan(tables, sample::segments()), "equal.plan");
  auto packedWith = [&](float v) {
    std::vector<TestTensor> tensors;
    for (const RequiredTensor &required : requiredTensors(*plan.root()))
      if (!required.name.ends_with("scale"))
        tensors.push_back({required.name, "BF16", required.shape,
                           std::string(*elementCount(required.shape) * 2, '\0')});
    const std::vector<float> same = {0.5f}, other = {v};
    tensors.push_back({"q.input_scale", "F32", {1}, bytesOf(same)});
    tensors.push_back({"k.input_scale", "BF16", {1}, std::string("\0\x3f", 2)}); // 0.5
    tensors.push_back({"v.input_scale", "F32", {1}, bytesOf(other)});
    write("model.safetensors", safetensors(tensors));
    return messageOf([&] { pack(); });
  };
  EXPECT_EQ(packedWith(0.5f), "");
  EXPECT_EQ(
      packedWith(0.25f),
      folder.string() +
          ": error: the checkpoint does not fit the plan: \"q.input_scale\" (0.5) and "
          "\"v.input_scale\" (0.25) differ, and the plan reads the one for both; compile it with "
          "--passes -merge-quantize");
  // They are required like any other, and packs of plans that differ in them are not exchanged.
  write("model.safetensors", safetensors({{"q.input_scale", "F32", {1}, std::string(4, 0)}}));
  EXPECT_CONTAINS(messageOf([&] { pack(); }), "\"k.input_scale\"");
}

TEST_F(Packs, OneTensorInTwoShapes) {
  fb::PlanT tables = sample::plan();
  for (auto &weight : tables.weights)
    if (weight->name == "layers.0.k")
      weight->pieces[0]->source = "model.layers.0.q.weight";
  plan = Plan::parse(serializePlan(tables, sample::segments()), "shapes.plan");
  EXPECT_EQ(messageOf([&] { pack(); }),
            "error: two weights of the plan make tensor "
            "\"model.layers.0.q.weight\" of shape [32, 32] and of [16, 32]");
}

class HalfPacks : public Packs {
protected:
  void SetUp() override {
    Packs::SetUp();
    fb::PlanT tables = sample::plan();
    for (auto &weight : tables.weights)
      weight->dtype = fb::DType::Float16;
    plan = Plan::parse(serializePlan(tables, sample::segments()), "half.plan");
  }

  /// Ones, but for the first `count` values of the tensors named.
  struct Values {
    std::string name;
    size_t count;
    float value;
  };
  void writeValues(const std::vector<Values> &exceptions, const std::string &dtype = "F32") {
    std::vector<TestTensor> tensors;
    for (const RequiredTensor &required : requiredTensors(*plan.root())) {
      std::vector<float> values(*elementCount(required.shape), 1.0f);
      for (const Values &exception : exceptions)
        if (exception.name == required.name)
          std::fill_n(values.begin(), exception.count, exception.value);
      std::string data = bytesOf(values);
      if (dtype == "F16") {
        data.resize(values.size() * 2);
        convertElements(std::as_bytes(std::span(values)).data(), DType::Float32,
                        reinterpret_cast<std::byte *>(data.data()), DType::Float16, values.size());
      }
      tensors.push_back({required.name, dtype, required.shape, data});
    }
    write("model.safetensors", safetensors(tensors));
  }
};

/// Values of all tensors, each once.
uint64_t totalValues(const Plan &plan) {
  uint64_t total = 0;
  for (const RequiredTensor &required : requiredTensors(*plan.root()))
    total += *elementCount(required.shape);
  return total;
}

TEST_F(HalfPacks, ValuesThatOverflow) {
  writeValues({{"model.norm.weight", 2, 1e30f}});
  EXPECT_EQ(
      messageOf([&] { pack(); }),
      (folder / "model.safetensors").string() +
          fmt::format(
              ": error: cast to float16: 2 of {} values (in 1 tensor; most in tensor "
              "\"model.norm.weight\") overflow; compile the model for a dtype of a larger range",
              totalValues(plan)));
  writeValues({{"model.norm.weight", 2, 1e30f},
               {"model.experts.1.weight", 5, -7e4f},
               {"lm_head.weight", 4, 65520}});
  EXPECT_CONTAINS(
      messageOf([&] { pack(); }),
      fmt::format(
          "11 of {} values (in 3 tensors; most in tensor \"model.experts.1.weight\") overflow",
          totalValues(plan)));
  EXPECT_TRUE(warnings.empty());
  EXPECT_FALSE(std::filesystem::exists(cache));
}

TEST_F(HalfPacks, ValuesThatBecomeZeroAreAWarningOnce) {
  writeValues({{"model.norm.weight", 2, 1e-30f},
               {"model.experts.0.weight", 3, -1e-9f},
               {"lm_head.weight", 3, 0}});
  EXPECT_FALSE(pack().fromCache());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            fmt::format("cast to float16: 5 of {} values (in 2 tensors; most in tensor "
                        "\"model.experts.0.weight\") become zero",
                        totalValues(plan)));
  EXPECT_TRUE(pack().fromCache());
  EXPECT_TRUE(warnings.empty());
}

TEST_F(HalfPacks, ATiedEmbeddingCountsOnce) {
  fb::PlanT tables = sample::plan();
  for (auto &weight : tables.weights) {
    weight->dtype = fb::DType::Float16;
    if (weight->pieces[0]->source == "lm_head.weight")
      weight->pieces[0]->source = "model.embed_tokens.weight";
  }
  plan = Plan::parse(serializePlan(tables, sample::segments()), "tied.plan");
  writeValues({{"model.embed_tokens.weight", 4, 1e-30f}});
  pack();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_CONTAINS(warnings[0], fmt::format("4 of {} values (in 1 tensor;", totalValues(plan)));
}

TEST_F(HalfPacks, NothingLostNothingSaid) {
  writeValues({{"model.norm.weight", 2, 6e-8f}});
  pack();
  EXPECT_TRUE(warnings.empty());
}

TEST_F(HalfPacks, WhatIsNotCastIsNotCounted) {
  writeValues({{"model.norm.weight", 2, INFINITY}}, "F16");
  pack();
  EXPECT_TRUE(warnings.empty());
}

TEST_F(Packs, OtherDtypesDoNotWarn) {
  std::vector<TestTensor> tensors;
  for (const RequiredTensor &required : requiredTensors(*plan.root()))
    tensors.push_back({required.name, "F32", required.shape,
                       bytesOf(std::vector<float>(*elementCount(required.shape), 1e-30f))});
  write("model.safetensors", safetensors(tensors));
  pack();
  EXPECT_TRUE(warnings.empty());
}

/// The sample plan with Hugging Face's names for its attention, in `heads` KV heads; and its
/// tensors in one layer's w_qkv. What the heads are changes no shape, but where the rows lie.
class JoinedPacks : public Packs {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    cache = folder / "cache";
    plan = planOf(1);
    std::vector<TestTensor> tensors;
    auto add = [&](const std::string &name, std::vector<uint64_t> shape) {
      std::vector<float> values(*elementCount(shape));
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = float(i / shape.back() % 128);
      tensors.push_back({name, "F32", shape, bytesOf(values)});
    };
    add("model.tok_embeddings.embedding_weight", {sample::vocabulary, sample::hidden});
    add("model.norm_out.weight", {sample::hidden});
    add("lm_head.weight", {sample::vocabulary, sample::hidden});
    for (int i = 0; i < 2; ++i) {
      std::string layer = fmt::format("model.layers.{}.", i);
      add(layer + "attention_norm.weight", {sample::hidden});
      add(layer + "attention.w_qkv.weight", {sample::hidden + 2 * sample::headDim, sample::hidden});
      add(layer + "attention.wo.weight", {sample::hidden, sample::hidden});
    }
    write("model.safetensors", safetensors(tensors));
  }

  static Plan planOf(uint32_t heads) {
    fb::PlanT tables = sample::plan();
    tables.weights.pop_back(); // the stack
    tables.model->num_key_value_heads = tables.kv_cache->num_key_value_heads = heads;
    tables.kv_cache->head_dim = sample::headDim / heads;
    tables.kv_cache->bytes_per_block =
        *kvBlockBytes(heads, sample::headDim / heads, tables.kv_cache->block_size, DType::BFloat16);
    for (auto &weight : tables.weights)
      for (auto [from, to] : {std::pair{"0.norm", "0.input_layernorm"},
                              {"1.norm", "1.input_layernorm"},
                              {".q.", ".self_attn.q_proj."},
                              {".k.", ".self_attn.k_proj."},
                              {".v.", ".self_attn.v_proj."},
                              {".o.", ".self_attn.o_proj."}})
        if (size_t at = weight->pieces[0]->source.find(from); at != std::string::npos)
          weight->pieces[0]->source.replace(at, std::strlen(from), to);
    return Plan::parse(serializePlan(tables, sample::segments()), "joined.plan");
  }

  /// Column 0 of a Panel32 weight of layer 0: the numbers of the file's rows.
  std::vector<float> rowsOf(const Pack &pack, const std::string &name, size_t rows) const {
    size_t index = 0;
    while (plan.root()->weights()->Get(uint32_t(index))->name()->string_view() !=
           "layers.0." + name)
      ++index;
    std::vector<float> found;
    for (size_t row = 0; row < rows; ++row) {
      uint16_t bits;
      std::memcpy(&bits, pack.weight(index) + 2 * (row / 16 * 512 + row % 16 * 2), sizeof bits);
      found.push_back(floatOfBFloat16(bits));
    }
    return found;
  }
};

std::vector<float> range(float first, float count) {
  std::vector<float> values;
  for (float value = first; value < first + count; ++value)
    values.push_back(value);
  return values;
}

TEST_F(JoinedPacks, RowsComeFromTheirHeads) {
  Pack oneHead = pack();
  EXPECT_EQ(rowsOf(oneHead, "q", 32), range(0, 32));
  EXPECT_EQ(rowsOf(oneHead, "k", 16), range(32, 16));
  EXPECT_EQ(rowsOf(oneHead, "v", 16), range(48, 16));
  plan = planOf(2);
  Pack twoHeads = pack();
  EXPECT_FALSE(twoHeads.fromCache()); // same shapes, same file
  std::vector<float> expected = range(0, 16), second = range(32, 16);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(rowsOf(twoHeads, "q", 32), expected);
  expected = range(24, 8), second = range(56, 8);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(rowsOf(twoHeads, "v", 16), expected);
  EXPECT_TRUE(pack().fromCache());
  plan = planOf(1);
  Pack again = pack();
  EXPECT_TRUE(again.fromCache());
  EXPECT_EQ(rowsOf(again, "v", 16), range(48, 16));
}

} // namespace
} // namespace vinci
