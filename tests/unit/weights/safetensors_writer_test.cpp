#include "runtime/weights/safetensors_writer.h"

#include "runtime/support/json.h"
#include "runtime/weights/checkpoint.h"
#include "tests/unit/weights/temporary_folder.h"

namespace vinci {
namespace {

class SafetensorsWriter : public TemporaryFolder {
protected:
  /// As many bytes as the tensor has, all its name's first letter.
  static std::vector<std::byte> letters(const TensorHeader &tensor) {
    return std::vector<std::byte>(tensor.bytes, std::byte(tensor.name[0]));
  }
  std::string contents(const std::string &name) const {
    return readTextFile(folder / name, 1 << 20);
  }
};

TEST_F(SafetensorsWriter, ReadsBack) {
  Shard shard{"a.safetensors",
              {TensorHeader::of("w", DType::BFloat16, {2, 3}),
               TensorHeader::of("scalar", DType::Float32, {}),
               {"packed \"q\"", "I64", {2}, 16},
               TensorHeader::of("empty", DType::Int8, {0, 5}),
               TensorHeader::of("odd", DType::Int8, {3})}};
  writeShard(folder, shard, letters);
  const SafetensorsFile file = SafetensorsFile::open(folder / "a.safetensors");
  EXPECT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.header().size() % 8, 0u);
  for (const TensorHeader &tensor : shard.tensors) {
    const TensorView *found = file.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->dtypeName, tensor.dtypeName);
    EXPECT_EQ(found->shape, tensor.shape);
    const auto expected = letters(tensor);
    EXPECT_TRUE(std::ranges::equal(found->bytes, expected)) << tensor.name;
  }
}

TEST_F(SafetensorsWriter, TheSameTensorsAreTheSameBytes) {
  const Shard shard{"a.safetensors", {TensorHeader::of("w", DType::Int32, {7})}};
  writeShard(folder, shard, letters);
  const std::string first = contents("a.safetensors");
  writeShard(folder, shard, letters);
  EXPECT_EQ(contents("a.safetensors"), first);
  EXPECT_EQ(first.size() - 28,
            8 +
                std::string(R"({"__metadata__":{"format":"pt"},"w":{"dtype":"I32",)"
                            R"("shape":[7],"data_offsets":[0,28]}})")
                        .size() /
                    8 * 8 +
                8);
}

TEST_F(SafetensorsWriter, DividesInOrderAndAlignsWithin) {
  const auto shards = divideIntoShards(
      {TensorHeader::of("b", DType::Int8, {3}), TensorHeader::of("a", DType::Float32, {2}),
       TensorHeader::of("huge", DType::Int8, {50}), TensorHeader::of("c", DType::BFloat16, {1})},
      "model", 11);
  ASSERT_EQ(shards.size(), 3u);
  EXPECT_EQ(shards[0].file, "model-00001-of-00003.safetensors");
  EXPECT_EQ(shards[0].tensors[0].name, "a"); // larger elements first
  EXPECT_EQ(shards[0].tensors[1].name, "b");
  EXPECT_EQ(shards[1].tensors[0].name, "huge"); // more than a shard's, but one tensor
  EXPECT_EQ(shards[2].tensors[0].name, "c");
  EXPECT_EQ(divideIntoShards({TensorHeader::of("b", DType::Int8, {3})}, "m", 11)[0].file,
            "m.safetensors");
}

TEST_F(SafetensorsWriter, ShardsWithTheirIndexAreACheckpoint) {
  const auto shards = divideIntoShards(
      {TensorHeader::of("b", DType::Int8, {3}), TensorHeader::of("a", DType::Int8, {9})}, "quant",
      10);
  for (const Shard &shard : shards)
    writeShard(folder, shard, letters);
  writeIndex(folder, "quant", shards);
  const Checkpoint checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.tensors().size(), 2u);
  const JsonDocument index = JsonDocument::read(folder / "quant.safetensors.index.json");
  EXPECT_EQ(index.root().find("metadata")->find("total_size")->toInteger("total_size"), 12);
}

TEST_F(SafetensorsWriter, KnowsWhatIsWritten) {
  const Shard shard{"a.safetensors", {TensorHeader::of("w", DType::Int32, {7})}};
  EXPECT_FALSE(isWritten(folder, shard));
  writeShard(folder, shard, letters);
  EXPECT_TRUE(isWritten(folder, shard));
  EXPECT_FALSE(isWritten(folder, {"a.safetensors", {TensorHeader::of("v", DType::Int32, {7})}}));
  const std::string whole = contents("a.safetensors");
  write("a.safetensors", whole.substr(0, whole.size() - 1));
  EXPECT_FALSE(isWritten(folder, shard));
}

TEST_F(SafetensorsWriter, NothingIsLeftOfAFileThatFailed) {
  const Shard shard{"a.safetensors", {TensorHeader::of("w", DType::Int32, {7})}};
  EXPECT_CONTAINS(messageOf([&] {
                    writeShard(folder, shard, [](const TensorHeader &) -> std::vector<std::byte> {
                      fail("no values");
                    });
                  }),
                  "no values");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_CONTAINS(messageOf([&] { writeShard(folder / "absent", shard, letters); }),
                  "a.safetensors: error: cannot write");
}

} // namespace
} // namespace vinci
