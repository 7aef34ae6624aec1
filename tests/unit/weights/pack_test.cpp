// Packs of the sample plan (tests/unit/plan/sample_plan.h) from a checkpoint with known values.
#include "runtime/weights/pack.h"

#include "runtime/support/half.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/packing.h"
#include "tests/unit/plan/sample_plan.h"
#include "tests/unit/weights/temporary_folder.h"

#include <algorithm>
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
    return Pack::create(plan, Checkpoint::open(folder), options);
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
  Pack pack = Pack::create(plan, Checkpoint::open(folder), options);
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
  for (uint64_t place : {uint64_t(0), uint64_t(8), uint64_t(70), uint64_t(4096), size - 100}) {
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
        expectGood(Pack::create(plan, Checkpoint::open(folder), options));
    });
  for (std::thread &thread : threads)
    thread.join();
  auto files = std::filesystem::directory_iterator(cache);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_TRUE(pack().fromCache());
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
    weight.source = source;
    weight.shape = shape;
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
    std::vector<TestTensor> tensors = {
        {"l.weight", "I8", {2, 5}, "\1\2\3\4\5\xff\xfe\xfd\xfc\xfb"},
        form,
        {"l.input_offset", "I8", {1}, "\xf9"},
        {"l.quant_bias", "I32", {2}, "\1\2\3\4\5\6\7\x88"}};
    for (const RequiredTensor &required : requiredTensors(*plan.root()))
      if (!required.name.starts_with("l."))
        tensors.push_back({required.name, "BF16", required.shape,
                           std::string(*elementCount(required.shape) * 2, '\0')});
    write("model.safetensors", safetensors(tensors));
    Pack pack = Pack::create(plan, Checkpoint::open(folder));
    EXPECT_EQ(std::memcmp(pack.weight(1), scales.data(), 8), 0) << form.dtype;
    const float offset = -7;
    EXPECT_EQ(std::memcmp(pack.weight(2), &offset, 4), 0);
    EXPECT_EQ(std::memcmp(pack.weight(3), "\1\2\3\4\5\6\7\x88", 8), 0);
    EXPECT_EQ(int8_t(pack.weight(0)[64 + 4]), -5); // row 1, k = 4: in the second step of four
  }
}

TEST_F(Packs, ValuesThatOverflow) {
  std::vector<TestTensor> tensors;
  for (const RequiredTensor &required : requiredTensors(*plan.root())) {
    std::vector<float> values(*elementCount(required.shape), 0.0f);
    if (required.name == "model.norm.weight")
      values[3] = values[9] = 1e30f;
    tensors.push_back({required.name, "F32", required.shape, bytesOf(values)});
  }
  write("model.safetensors", safetensors(tensors));
  fb::PlanT tables = sample::plan();
  for (auto &weight : tables.weights)
    weight->dtype = fb::DType::Float16;
  plan = Plan::parse(serializePlan(tables, sample::segments()), "half.plan");
  EXPECT_CONTAINS(messageOf([&] { pack(); }), "model.safetensors: error: tensor "
                                              "\"model.norm.weight\": 2 of its 32 values overflow "
                                              "float16");
}

} // namespace
} // namespace vinci
