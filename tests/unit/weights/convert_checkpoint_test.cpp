#include "runtime/weights/convert_checkpoint.h"

#include "runtime/support/half.h"
#include "tests/unit/weights/temporary_folder.h"

#include <limits>

namespace vinci {
namespace {

class ConvertCheckpoint : public TemporaryFolder {
protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    std::filesystem::create_directories(folder / "from");
    std::filesystem::create_directories(folder / "to");
  }
  void writeSource(const std::vector<TestTensor> &tensors) const {
    write("from/model.safetensors", safetensors(tensors));
  }
  Conversion convert(DType dtype, bool saturate = false) const {
    return convertCheckpoint(Checkpoint::open(folder / "from"), folder / "to", {dtype, saturate},
                             [](uint64_t, uint64_t) {});
  }
  std::vector<uint16_t> halves(const std::string &name) const {
    const Checkpoint checkpoint = Checkpoint::open(folder / "to");
    const TensorView *tensor = checkpoint.find(name);
    std::vector<uint16_t> values(tensor->bytes.size() / 2);
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }
};

TEST_F(ConvertCheckpoint, CountsWhatIsLost) {
  writeSource({{"small", "F32", {3}, bytesOf(std::vector<float>{1e-9f, 0, 0.5f})},
               {"kept", "F16", {1}, std::string("\x00\x3c", 2)},
               {"fine", "F32", {1}, bytesOf(std::vector<float>{-1})},
               {"ids", "I64", {1}, std::string(8, '\1')}});
  const Conversion done = convert(DType::Float16);
  EXPECT_EQ(done.converted, 2u);
  EXPECT_EQ(done.unchanged, 1u);
  EXPECT_EQ(done.leftAlone, (std::vector<std::string>{"ids (I64)"}));
  ASSERT_EQ(done.losses.size(), 1u);
  EXPECT_EQ(done.losses[0].tensor, "small");
  EXPECT_EQ(done.losses[0].loss.underflows, 1u);
  EXPECT_EQ(halves("small"), (std::vector<uint16_t>{0, 0, 0x3800}));
  EXPECT_EQ(halves("kept"), (std::vector<uint16_t>{0x3c00}));
}

TEST_F(ConvertCheckpoint, ValuesThatAreTooLarge) {
  const float infinity = std::numeric_limits<float>::infinity();
  writeSource({{"w", "F32", {4}, bytesOf(std::vector<float>{1e6f, -7e4f, infinity, 1})}});
  EXPECT_CONTAINS(messageOf([&] { convert(DType::Float16); }),
                  "tensor \"w\": 2 of 4 values are beyond the range of float16; --saturate");
  EXPECT_TRUE(std::filesystem::is_empty(folder / "to"));
  const Conversion done = convert(DType::Float16, true);
  EXPECT_EQ(done.losses.at(0).loss.overflows, 2u);
  EXPECT_EQ(halves("w"), (std::vector<uint16_t>{0x7bff, 0xfbff, 0x7c00, 0x3c00}));
}

TEST_F(ConvertCheckpoint, GoesOnWhereItWas) {
  const std::string one = safetensors({{"a", "BF16", {1}, std::string(2, '\1')}});
  const std::string two = safetensors({{"b", "BF16", {2}, std::string(4, '\2')}});
  write("from/one.safetensors", one);
  write("from/two.safetensors", two);
  write("from/model.safetensors.index.json",
        R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  EXPECT_EQ(convert(DType::Float32).shardsKept, 0u);
  std::filesystem::remove(folder / "to" / "two.safetensors");
  const Conversion again = convert(DType::Float32);
  EXPECT_EQ(again.shardsKept, 1u);
  EXPECT_EQ(again.converted, 2u);
  const Checkpoint result = Checkpoint::open(folder / "to");
  EXPECT_EQ(result.find("b")->dtype, DType::Float32);
  EXPECT_EQ(result.files().size(), 2u);
}

} // namespace
} // namespace vinci
