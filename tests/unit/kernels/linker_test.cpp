// Objects that are not what compileKernels makes: refused with an error, never a crash.
#include "backend/codegen/codegen.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/exec/kernel_linker.h"
#include "runtime/support/error.h"
#include "tests/unit/kernels/op_cases.h"

#include <gtest/gtest.h>

namespace vinci::test {
namespace {

std::vector<std::byte> smallObject() {
  const KernelSpec specs[] = {
      makeSpec("rope_table", {{"dtype", std::string("float32")}, {"head_dim", int64_t{24}}}),
      makeSpec("moe_route", {{"num_experts", int64_t{12}},
                             {"top_k", int64_t{3}},
                             {"norm_topk_prob", int64_t{1}},
                             {"rows_per_token", int64_t{1}}})};
  return compileKernels(specs, resolveCpu("avx2"));
}

std::string messageFor(std::span<const std::byte> object) {
  try {
    KernelLibrary::link(object, "model.plan");
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::User);
    EXPECT_EQ(error.position().file, "model.plan");
    return error.message();
  }
  return "linked";
}

std::span<const std::byte> bytesOf(std::string_view text) {
  return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

TEST(KernelLibrary, NamesAMissingKernel) {
  const KernelLibrary library = KernelLibrary::link(smallObject(), "model.plan");
  EXPECT_NE(library.find("rope_table_float32_head_dim24"), nullptr);
  try {
    library.find("rope_table_head_dim32");
    FAIL();
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "model.plan: error: kernel \"rope_table_head_dim32\" is not in the "
                               "plan's object, which defines 2 kernels");
  }
}

TEST(KernelLibrary, RefusesWhatIsNoObject) {
  EXPECT_TRUE(messageFor({}).starts_with("malformed kernel object: "));
  EXPECT_TRUE(messageFor(bytesOf("not an object")).starts_with("malformed kernel object: "));
  EXPECT_EQ(messageFor(bytesOf(std::string(4096, 'x'))),
            "malformed kernel object: it is not a 64-bit little-endian ELF file");
  auto object = smallObject();
  object[16] = std::byte{2}; // e_type: executable
  EXPECT_EQ(messageFor(object), "malformed kernel object: it is not a relocatable x86-64 object");
}

TEST(KernelLibrary, SurvivesEveryTruncation) {
  const auto object = smallObject();
  for (size_t size = 0; size < object.size(); size += 7)
    EXPECT_NE(messageFor(std::span(object).first(size)), "linked") << size;
}

TEST(KernelLibrary, SurvivesFlippedBytes) {
  const auto object = smallObject();
  Random random(11);
  for (int round = 0; round < 3000; ++round) {
    auto damaged = object;
    for (int flips = 0; flips < 3; ++flips) {
      // Half of the flips go where the structure is: the header, and the tables at the end.
      const auto size = static_cast<int32_t>(object.size());
      const int32_t at = round % 2 == 0 ? random.integer(0, size)
                         : flips == 0   ? random.integer(16, 64)
                                        : random.integer(size / 2, size);
      damaged[at] = static_cast<std::byte>(random.bits());
    }
    messageFor(damaged); // linked or refused
  }
}

TEST(CpuFeatures, NamesWhatTheHostLacks) {
  const std::vector<std::string> required = {"avx2", "avx512f", "avx512bw"};
  const std::vector<std::string> host = {"avx2", "f16c", "fma", "sse2"};
  EXPECT_NO_THROW(checkFeatures(std::vector<std::string>{"avx2"}, host, "model.plan"));
  try {
    checkFeatures(required, host, "model.plan");
    FAIL();
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(),
                 "model.plan: error: its kernels need the processor features avx512f, avx512bw, "
                 "which this host lacks (it has avx2, f16c, fma); compile the model again for "
                 "this host");
  }
  EXPECT_THROW(checkFeatures(required, {}, "model.plan"), Error);
  EXPECT_NO_THROW(checkHostFeatures(resolveCpu("native").features, "model.plan"));
}

} // namespace
} // namespace vinci::test
