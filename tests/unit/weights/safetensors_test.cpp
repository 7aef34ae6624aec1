#include "runtime/weights/safetensors.h"

#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

std::string errorOf(const std::string &file) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(file.data(), file.size()));
  return messageOf([&] { SafetensorsFile::parse(bytes, "m.safetensors"); });
}

std::string entry(const std::string &name, const std::string &fields) {
  return fmt::format("\"{}\":{{{}}}", name, fields);
}

std::string object(const std::vector<std::string> &members) {
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

const std::string twoFloats(8, '\0');

TEST(Safetensors, ReadsWhatIsThere) {
  std::string header =
      object({R"("__metadata__":{"format":"pt"})",
              entry("b", R"("dtype":"BF16","shape":[2,3],"data_offsets":[4,16])"),
              entry("a", R"("dtype":"F32","shape":[],"data_offsets":[0,4])"),
              entry("empty", R"("dtype":"F16","shape":[0,7],"data_offsets":[4,4])"),
              entry("odd", R"("dtype":"F4","shape":[4],"data_offsets":[16,18])")}) +
      "   "; // writers pad the header
  std::string file = safetensors(header, "0123456789abcdefgh");
  SafetensorsFile found =
      SafetensorsFile::parse(std::as_bytes(std::span(file.data(), file.size())), "m.safetensors");
  ASSERT_EQ(found.tensors().size(), 4u);
  EXPECT_EQ(found.tensors()[0].name, "a"); // in the order of the data
  EXPECT_EQ(found.metadata().at("format"), "pt");
  EXPECT_EQ(found.fileBytes(), file.size());
  EXPECT_EQ(found.header().size(), 8 + header.size());
  const TensorView *b = found.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::BFloat16);
  EXPECT_EQ(b->dtypeName, "BF16");
  EXPECT_EQ(shapeToString(b->shape), "[2, 3]");
  EXPECT_EQ(b->bytes.size(), 12u);
  EXPECT_EQ(char(b->bytes[0]), '4'); // in place, not a copy
  EXPECT_EQ(b->file, "m.safetensors");
  EXPECT_EQ(found.find("a")->shape.size(), 0u);
  EXPECT_EQ(found.find("odd")->dtype, std::nullopt);
  EXPECT_EQ(found.find("c"), nullptr);
}

TEST(Safetensors, EveryDtypeOfTheFormatIsKnown) {
  for (const char *name : {"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16", "F16",
                           "BF16", "I32", "U32", "F32", "F64", "I64", "U64", "C64"}) {
    std::string header =
        object({entry("a", fmt::format(R"("shape":[0],"data_offsets":[0,0],"dtype":"{}")", name))});
    EXPECT_EQ(errorOf(safetensors(header, "")), "") << name;
  }
}

struct Case {
  const char *name;
  std::string header;
  std::string data;
  const char *message;
};

class SafetensorsHeader : public testing::TestWithParam<Case> {};

TEST_P(SafetensorsHeader, IsRefused) {
  std::string message = errorOf(safetensors(GetParam().header, GetParam().data));
  EXPECT_EQ(message.substr(0, 13), "m.safetensors");
  EXPECT_CONTAINS(message, GetParam().message);
}

const Case headerCases[] = {
    {"NoJson", "not json", "", "its header is no JSON object"},
    {"Empty", "", "", "its header is no JSON object"},
    {"Array", "[]", "", "its header is no JSON object"},
    {"Cut", "{\"a\":", "", "not valid JSON"},
    {"Trailing", "{} {}", "", "not valid JSON"},
    {"InvalidUtf8", "{\"\xff\":{}}", "", "not valid JSON"},
    {"Nested", std::string(R"({"a":{"shape":[[)"), "", "nest"},
    {"DeeplyNested",
     [] {
       std::string s;
       for (int i = 0; i < 100000; ++i)
         s += "{\"a\":";
       return s;
     }(),
     "", "nest"},
    {"TensorTwice",
     object({entry("a", R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"),
             entry("a", R"("dtype":"F32","shape":[1],"data_offsets":[4,8])")}),
     twoFloats, "\"a\""},
    {"FieldTwice", R"({"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}})", "",
     "dtype"},
    {"NoObject", R"({"a":3})", "", "tensor \"a\" is 3; an object of dtype, shape and data_offsets"},
    {"MetadataNoObject", R"({"__metadata__":[]})", "", "__metadata__"},
    {"MetadataNoText", R"({"__metadata__":{"a":1}})", "", "a value of __metadata__"},
    {"UnknownKey", R"({"a":{"dtype":"F32","kind":1}})", "",
     "tensor \"a\", a key is \"kind\" (a string); dtype, shape or data_offsets is expected"},
    {"NoDtype", R"({"a":{"shape":[1],"data_offsets":[0,4]}})", "", "tensor \"a\": dtype is absent"},
    {"NoShape", R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "",
     "tensor \"a\": shape is absent"},
    {"NoOffsets", R"({"a":{"dtype":"F32","shape":[1]}})", "",
     "tensor \"a\": data_offsets is absent"},
    {"DtypeNoText", R"({"a":{"dtype":7}})", "", "tensor \"a\", dtype is 7"},
    {"UnknownDtype", R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", "",
     "tensor \"a\": its dtype \"Q4\" is unknown to the safetensors format"},
    {"ShapeNoArray", R"({"a":{"shape":4}})", "", "tensor \"a\", shape is 4"},
    {"ShapeNegative", R"({"a":{"shape":[-4,16]}})", "", "tensor \"a\", shape is -4"},
    {"ShapeFraction", R"({"a":{"shape":[1.5]}})", "", "tensor \"a\", shape is 1.5"},
    {"ShapeText", R"({"a":{"shape":["1"]}})", "", "tensor \"a\", shape is \"1\""},
    {"ShapeLong", R"({"a":{"shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}})", "",
     "an array of at most 16 sizes"},
    {"ShapeBeyondInt64", R"({"a":{"shape":[18446744073709551616]}})", "", "tensor \"a\", shape"},
    {"OffsetsOne", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "",
     "data_offsets has 1 elements, expected 2"},
    {"OffsetsBackwards", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", twoFloats,
     "data_offsets [4, 0] run backwards"},
    {"OffsetsOutside", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", twoFloats,
     "tensor \"a\": data_offsets [4, 12] end outside the 8 bytes of data"},
    {"SpanTooLong", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", twoFloats,
     "data_offsets [0, 8] hold 8 bytes, shape [1] of F32 takes 4"},
    {"ShapeOverflow",
     R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", twoFloats,
     "takes more than any file has"},
    {"ShapeOverflowByBits",
     R"({"a":{"dtype":"F32","shape":[35184372088832],"data_offsets":[0,8]}})", twoFloats,
     "takes more than any file has"},
    {"BrokenBytes", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "0",
     "takes no whole number"},
    {"Overlap",
     object({entry("a", R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"),
             entry("b", R"("dtype":"F32","shape":[1],"data_offsets":[2,6])")}),
     twoFloats, "tensor \"b\" overlaps tensor \"a\""},
    {"Same",
     object({entry("a", R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"),
             entry("b", R"("dtype":"F32","shape":[2],"data_offsets":[0,8])")}),
     twoFloats, "tensor \"b\" overlaps tensor \"a\""},
    {"Hole", object({entry("a", R"("dtype":"F32","shape":[1],"data_offsets":[4,8])")}), twoFloats,
     "4 bytes of data before tensor \"a\" belong to no tensor"},
    {"Tail", object({entry("a", R"("dtype":"F32","shape":[1],"data_offsets":[0,4])")}), twoFloats,
     "4 bytes of data at the end of the file belong to no tensor"},
};

INSTANTIATE_TEST_SUITE_P(Cases, SafetensorsHeader, testing::ValuesIn(headerCases),
                         [](const auto &info) { return info.param.name; });

TEST(Safetensors, LengthIsCheckedBeforeTheHeader) {
  EXPECT_CONTAINS(errorOf(""), "is not a safetensors file: it has 0 bytes");
  EXPECT_CONTAINS(errorOf("1234567"), "it has 7 bytes");
  uint64_t length = uint64_t(1) << 60;
  std::string bomb(reinterpret_cast<const char *>(&length), sizeof length);
  EXPECT_CONTAINS(
      errorOf(bomb + "{}"),
      "its header claims 1152921504606846976 bytes, the most that is legal is 100000000");
  length = 1000;
  std::string truncated(reinterpret_cast<const char *>(&length), sizeof length);
  EXPECT_CONTAINS(errorOf(truncated + "{}"),
                  "is truncated: its header has 1000 bytes, the file 10");
}

using SafetensorsOnDisk = TemporaryFolder;

TEST_F(SafetensorsOnDisk, ViewsOutliveMoves) {
  write("m.safetensors", safetensors({{"a", "F32", {2}, bytesOf(std::vector<float>{1, 2})}}));
  SafetensorsFile file = SafetensorsFile::open(folder / "m.safetensors");
  SafetensorsFile moved = std::move(file);
  float second;
  std::memcpy(&second, moved.find("a")->bytes.data() + 4, sizeof second);
  EXPECT_EQ(second, 2.0f);
}

} // namespace
} // namespace vinci
