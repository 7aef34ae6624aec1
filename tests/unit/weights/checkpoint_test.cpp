#include "runtime/plan/layout.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/checkpoint.h"
#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

TestTensor tensor(const std::string &name, uint64_t size, const std::string &dtype = "F32") {
  return {name, dtype, {size}, std::string(size * (dtype == "F32" ? 4 : 2), '\0')};
}

class Checkpoints : public TemporaryFolder {
protected:
  std::string errorOfOpen() const {
    return messageOf([&] { Checkpoint::open(folder); });
  }
  /// Two shards and their index.
  void writeShards(const std::string &weightMap) const {
    write("one.safetensors", safetensors(std::vector{tensor("a", 1), tensor("b", 2)}));
    write("two.safetensors", safetensors(std::vector{tensor("c", 3)}));
    write("model.safetensors.index.json",
          R"({"metadata":{"total_size":24},"weight_map":)" + weightMap + "}");
  }
};

const char goodMap[] = R"({"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"})";

TEST_F(Checkpoints, OneFile) {
  write("model.safetensors", safetensors(std::vector{tensor("a", 1)}));
  write("other.safetensors", "not looked at");
  Checkpoint checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.tensors().size(), 1u);
  EXPECT_EQ(checkpoint.find("a")->file, (folder / "model.safetensors").string());
  EXPECT_EQ(checkpoint.find("b"), nullptr);
  EXPECT_EQ(checkpoint.name(), folder.string());
}

TEST_F(Checkpoints, TheOnlyFileWhateverItsName) {
  write("weights-of-mine.safetensors", safetensors(std::vector{tensor("a", 1)}));
  EXPECT_NE(Checkpoint::open(folder).find("a"), nullptr);
}

TEST_F(Checkpoints, Shards) {
  writeShards(goodMap);
  Checkpoint checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(checkpoint.find("c")->file, (folder / "two.safetensors").string());
  Checkpoint moved = std::move(checkpoint);
  EXPECT_EQ(moved.find("c")->shape, std::vector<uint64_t>{3});
}

TEST(CheckpointsOfTransformers, Open) {
  const std::filesystem::path data = std::filesystem::path(VINCI_SOURCE_DIR) / "tests/golden/data";
  Checkpoint single = Checkpoint::open(data / "llama-plain");
  EXPECT_EQ(single.files().size(), 1u);
  EXPECT_EQ(single.find("model.embed_tokens.weight")->shape, (std::vector<uint64_t>{300, 64}));
  Checkpoint sharded = Checkpoint::open(data / "qwen3-wide");
  EXPECT_EQ(sharded.files().size(), 10u);
  EXPECT_NE(sharded.find("model.norm.weight"), nullptr);
}

TEST_F(Checkpoints, TheOnlyIndexWhateverItsName) {
  writeShards(goodMap);
  std::filesystem::rename(folder / "model.safetensors.index.json",
                          folder / "quant_model_weights.safetensors.index.json");
  EXPECT_EQ(Checkpoint::open(folder).tensors().size(), 3u);
  write("another.safetensors.index.json", "{}");
  EXPECT_CONTAINS(errorOfOpen(), "but neither model.safetensors.index.json nor param_name_map.json");
  write("model.safetensors", safetensors(std::vector{tensor("a", 1)}));
  EXPECT_EQ(Checkpoint::open(folder).tensors().size(), 1u);
}

TEST_F(Checkpoints, ShardsMayBeLinks) {
  std::filesystem::create_directory(folder / "model");
  write("blob", safetensors(std::vector{tensor("a", 1)}));
  std::filesystem::create_symlink("../blob", folder / "model" / "model.safetensors");
  EXPECT_NE(Checkpoint::open(folder / "model").find("a"), nullptr);
}

TEST_F(Checkpoints, NoWeights) {
  EXPECT_CONTAINS(errorOfOpen(), "holds no weights");
  EXPECT_CONTAINS(messageOf([&] { Checkpoint::open(folder / "absent"); }), "is not a directory");
}

TEST_F(Checkpoints, SeveralFilesWithoutIndex) {
  write("a.safetensors", "");
  write("b.safetensors", "");
  EXPECT_CONTAINS(errorOfOpen(), "holds 2 *.safetensors files, the first \"a.safetensors\" and "
                                 "\"b.safetensors\", but neither model.safetensors.index.json nor "
                                 "param_name_map.json");
}

TEST_F(Checkpoints, IndexMustMakeSense) {
  const std::string index = "model.safetensors.index.json";
  struct {
    std::string content;
    const char *message;
  } cases[] = {
      {"{", "not valid JSON"},
      {"[]", "it has no weight_map"},
      {"{}", "it has no weight_map"},
      {R"({"weight_map":[]})", "it has no weight_map"},
      {R"({"weight_map":{}})", "it has no weight_map"},
      {R"({"weight_map":{"a":3}})", "the shard of tensor \"a\" is 3"},
      {R"({"weight_map":{"a":"x","a":"y"}})", "\"a\""},
  };
  for (const auto &[content, message] : cases) {
    write(index, content);
    EXPECT_CONTAINS(errorOfOpen(), index);
    EXPECT_CONTAINS(errorOfOpen(), message);
  }
}

TEST_F(Checkpoints, MindFormersIndex) {
  for (const std::string &content :
       {std::string(goodMap), std::string(R"({"weight_map":)") + goodMap + "}"}) {
    writeShards(goodMap);
    std::filesystem::remove(folder / "model.safetensors.index.json");
    write("param_name_map.json", content);
    write("hyper_param.safetensors", "not named, not looked at");
    Checkpoint checkpoint = Checkpoint::open(folder);
    EXPECT_EQ(checkpoint.files().size(), 2u);
    EXPECT_EQ(checkpoint.tensors().size(), 3u);
    EXPECT_EQ(checkpoint.find("c")->file, (folder / "two.safetensors").string());
  }
}

TEST_F(Checkpoints, MindFormersIndexMustMakeSense) {
  const std::string index = "param_name_map.json";
  struct {
    std::string content;
    const char *message;
  } cases[] = {
      {"{", "not valid JSON"},
      {"[]", "it is no object of tensors and their shards"},
      {"{}", "it is no object of tensors and their shards"},
      {R"({"weight_map":3})", "it is no object of tensors and their shards"},
      {R"({"a":3})", "the shard of tensor \"a\" is 3"},
      {R"({"a":"../one.safetensors"})", "is not a file inside the model directory"},
      {R"({"a":"three.safetensors"})", "shard \"three.safetensors\" does not exist"},
      {R"({"a":"one.safetensors","d":"one.safetensors"})",
       "tensor \"d\" is not in shard \"one.safetensors\""},
  };
  writeShards(goodMap);
  std::filesystem::remove(folder / "model.safetensors.index.json");
  for (const auto &[content, message] : cases) {
    write(index, content);
    EXPECT_CONTAINS(errorOfOpen(), index);
    EXPECT_CONTAINS(errorOfOpen(), message);
  }
}

TEST_F(Checkpoints, OneIndexOnly) {
  writeShards(goodMap);
  write("param_name_map.json", goodMap);
  EXPECT_EQ(errorOfOpen(), folder.string() +
                               ": error: the folder holds both model.safetensors.index.json and "
                               "param_name_map.json; one of them must go");
}

TEST_F(Checkpoints, IndexMayNotLeaveTheFolder) {
  for (const char *path :
       {"../one.safetensors", "/etc/passwd", "x/../../y", "", "..", "a\\u0000b"}) {
    writeShards(std::string(R"({"a":")") + path + "\"}");
    EXPECT_CONTAINS(errorOfOpen(), "is not a file inside the model directory");
  }
}

TEST_F(Checkpoints, IndexAndShardsMustAgree) {
  writeShards(R"({"a":"three.safetensors"})");
  EXPECT_CONTAINS(errorOfOpen(), "index.json: error: shard \"three.safetensors\" does not exist");
  writeShards(R"({"a":"one.safetensors","d":"one.safetensors"})");
  EXPECT_CONTAINS(errorOfOpen(), "tensor \"d\" is not in shard \"one.safetensors\"");
  writeShards(R"({"a":"two.safetensors","b":"one.safetensors"})");
  EXPECT_CONTAINS(errorOfOpen(), "tensor \"a\" is not in shard \"two.safetensors\" but in " +
                                     (folder / "one.safetensors").string());
}

TEST_F(Checkpoints, TensorsInTwoShards) {
  writeShards(goodMap);
  write("two.safetensors", safetensors(std::vector{tensor("a", 1), tensor("c", 3)}));
  EXPECT_CONTAINS(errorOfOpen(), "two.safetensors: error: tensor \"a\" is in " +
                                     (folder / "one.safetensors").string() + " as well");
}

TEST_F(Checkpoints, ADamagedShardIsNamed) {
  writeShards(goodMap);
  write("two.safetensors", "short");
  EXPECT_CONTAINS(errorOfOpen(), "two.safetensors: error: this is not a safetensors file");
}

TEST_F(Checkpoints, IdentityFollowsTheFiles) {
  writeShards(goodMap);
  uint64_t before = Checkpoint::open(folder).identity();
  EXPECT_EQ(Checkpoint::open(folder).identity(), before);
  auto time = std::filesystem::last_write_time(folder / "two.safetensors");
  std::filesystem::last_write_time(folder / "two.safetensors", time + std::chrono::seconds(1));
  EXPECT_NE(Checkpoint::open(folder).identity(), before);
  write("two.safetensors", safetensors(std::vector{tensor("c", 3, "F16"), tensor("d", 1)}));
  std::filesystem::last_write_time(folder / "two.safetensors", time);
  EXPECT_NE(Checkpoint::open(folder).identity(), before);
}

/// A tensor of zeros.
TestTensor zeros(const std::string &name, const std::string &dtype, std::vector<uint64_t> shape) {
  const uint64_t size = dtype == "I8" ? 1 : dtype == "BF16" || dtype == "F16" ? 2 : dtype == "I64" ? 8 : 4;
  std::string data(*elementCount(shape) * size, '\0');
  return {name, dtype, std::move(shape), std::move(data)};
}

/// The tensors of a static and of a dynamic linear.
const std::vector<RequiredTensor> quantised = {
    {"s.weight", {3, 2}, DType::Int8},      {"s.input_scale", {1}},
    {"s.input_offset", {1}},                {"s.quant_bias", {3}, DType::Int32},
    {"s.deq_scale", {3}},                   {"d.weight", {3, 2}, DType::Int8},
    {"d.weight_scale", {3, 1}}};

TEST_F(Checkpoints, QuantisedLinearsInEitherSpelling) {
  write("model.safetensors",
        safetensors(std::vector{zeros("s.weight", "I8", {3, 2}), zeros("s.input_scale", "BF16", {1}),
                                zeros("s.input_offset", "I8", {1}), zeros("s.quant_bias", "I32", {3}),
                                zeros("s.deq_scale", "I64", {3}), zeros("d.weight", "I8", {3, 2}),
                                zeros("d.weight_scale", "F16", {3, 1})}));
  EXPECT_NO_THROW(checkWeights(quantised, 1, Checkpoint::open(folder)));
  write("model.safetensors",
        safetensors(std::vector{
            zeros("s.weight", "I8", {3, 2}), zeros("s.input_scale", "F32", {}),
            zeros("s.input_offset", "F32", {}), zeros("s.quant_bias", "I32", {3, 1}),
            zeros("s.deq_scale", "F32", {3}), zeros("s.weight_scale", "F32", {3, 1}),
            zeros("s.weight_offset", "F32", {3, 1}), zeros("s.bias", "BF16", {3}),
            zeros("d.weight", "I8", {3, 2}), zeros("d.weight_scale", "F32", {3}),
            zeros("d.weight_offset", "BF16", {3, 1})}));
  EXPECT_NO_THROW(checkWeights(quantised, 1, Checkpoint::open(folder)));
}

TEST_F(Checkpoints, QuantisedLinearsThatAreNone) {
  TestTensor offset = zeros("d.weight_offset", "I8", {3, 1});
  offset.data[1] = 7;
  write("model.safetensors",
        safetensors(std::vector{
            zeros("s.weight", "BF16", {3, 2}), zeros("s.input_scale", "I8", {1}),
            zeros("s.input_offset", "I32", {1}), zeros("s.quant_bias", "I64", {3}),
            zeros("s.deq_scale", "I32", {3}), zeros("d.weight", "I8", {2, 3}),
            zeros("d.weight_scale", "I64", {3, 1}), zeros("d.bias", "F32", {3}), offset}));
  std::string message =
      messageOf([&] { checkWeights(quantised, 1, Checkpoint::open(folder)); });
  EXPECT_EQ(message,
            folder.string() +
                ": error: the checkpoint does not fit the model"
                "\n  surplus (1): \"d.bias\""
                "\n  of another shape (1): \"d.weight\" is [2, 3], expected [3, 2]"
                "\n  of another dtype (6): \"d.weight_scale\" is I64, expected F32 or F16 or BF16, "
                "\"s.deq_scale\" is I32, expected F32 or F16 or BF16 or I64, "
                "\"s.input_offset\" is I32, expected F32 or F16 or BF16 or I8, "
                "\"s.input_scale\" is I8, expected F32 or F16 or BF16, "
                "\"s.quant_bias\" is I64, expected I32, "
                "\"s.weight\" is BF16, expected I8"
                "\n  not zero, as offsets of int8 weights must be (1): \"d.weight_offset\"");
}

} // namespace
} // namespace vinci
