// Regions in float16 and bfloat16: every rounding of the specification is there, and float16
// overflows where float16 does.
#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

/// The constant that says what the region of `op` computes in.
std::string regionOf(const std::string &op) {
  return op == "attention" ? "softmax" : "compute";
}

/// One region each; split_qkv and append_qkv have two, of rms_norm and rope, and share their code.
/// What rms_norm_quant rounds, int8 hides: fused_test.cpp holds it to rms_norm.
std::vector<KernelSpec> regionSpecs() {
  std::vector<KernelSpec> specs = allSpecs();
  std::erase_if(specs, [](const KernelSpec &spec) {
    return spec.op.ends_with("_qkv") || spec.op == "rms_norm_quant";
  });
  std::erase_if(specs, [](const KernelSpec &spec) {
    const auto region = spec.constants.find(regionOf(spec.op));
    return region == spec.constants.end() || spec.dtype(regionOf(spec.op)) == DType::Float32;
  });
  return specs;
}

/// A case whose inputs are eighths between -1 and 1, but for the table of cosines: products and
/// their sums are exact in float32, so that every order of summation gives the same.
OpCase exactCase(const KernelSpec &spec) {
  OpCase c = makeCase(spec);
  Random random(7);
  const auto names = operandNames(spec);
  for (size_t i = outputCount(spec); i < names.size(); ++i)
    if (names[i] != "table" && c.types[i] == spec.dtype())
      for (uint64_t j = 0; j < c.buffers[i].size() / byteSize(c.types[i]); ++j)
        c.buffers[i].elements(c.types[i]).set(j, random.integer(-8, 9) / 8.0);
  return c;
}

class RegionInType : public testing::TestWithParam<KernelSpec> {
protected:
  /// The share of the output's elements that are not, bit for bit, those of the reference whose
  /// region computes in `region`.
  static double differing(const OpCase &c, const Buffer &out, const std::string &region) {
    OpCase other{c.spec, c.dims, c.buffers, c.types};
    other.spec.constants[regionOf(c.spec.op)] = region;
    const auto names = operandNames(c.spec);
    if (const auto table = std::ranges::find(names, "table"); table != names.end()) {
      // It is in the region's type.
      const size_t index = table - names.begin();
      const DType from = c.types[index], to = *parseDType(region);
      const uint64_t count = c.buffers[index].size() / byteSize(from);
      other.buffers[index] = Buffer(count * byteSize(to));
      for (uint64_t i = 0; i < count; ++i)
        other.buffers[index].elements(to).set(i, c.buffers[index].elements(from).get(i));
    }
    runReference(other.spec, other.buffers, c.dims);
    const uint64_t size = byteSize(c.types[0]), count = out.size() / size;
    uint64_t differences = 0;
    for (uint64_t i = 0; i < count; ++i)
      differences +=
          std::memcmp(out.data() + i * size, other.buffers[0].data() + i * size, size) != 0;
    return static_cast<double>(differences) / static_cast<double>(count);
  }
};

TEST_P(RegionInType, RoundsWhereTheReferenceRounds) {
  const OpCase c = exactCase(GetParam());
  const std::string region = GetParam().text(regionOf(GetParam().op));
  for (const CpuTarget &target : runnableTargets()) {
    std::vector<Buffer> buffers = c.buffers;
    CompiledKernel(c.spec, target).run(buffers, c.dims);
    // exp is right within 1.5 ulp of float32: a weight in thousands falls on the other side.
    const double allowed = c.spec.op == "attention" ? 0.01 : 0;
    EXPECT_LE(differing(c, buffers[0], region), allowed) << target.name;
    // What makes this a test: a kernel that skips the roundings differs.
    EXPECT_GE(differing(c, buffers[0], "float32"), 0.05) << target.name;
  }
}

INSTANTIATE_TEST_SUITE_P(, RegionInType, testing::ValuesIn(regionSpecs()), [](const auto &info) {
  std::string name = symbolName(info.param);
  for (char &letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter)))
      letter = '_';
  return name;
});

/// One row of `values` through rms_norm in float16 with weights of 1.
std::vector<double> normalise(const CpuTarget &target, const std::string &compute,
                              const std::vector<double> &values) {
  const KernelSpec spec = makeSpec("rms_norm", {{"dtype", std::string("float16")},
                                                {"compute", compute},
                                                {"n", static_cast<int64_t>(values.size())},
                                                {"groups", int64_t{1}},
                                                {"bias", int64_t{0}},
                                                {"eps", 1e-6},
                                                {"rows", std::string("tokens")}});
  const uint64_t bytes = values.size() * 2;
  const std::vector<Buffer> buffers = {Buffer(bytes), Buffer(bytes), Buffer(bytes)};
  for (size_t i = 0; i < values.size(); ++i) {
    buffers[1].elements(DType::Float16).set(i, values[i]);
    buffers[2].elements(DType::Float16).set(i, 1);
  }
  CompiledKernel(spec, target).run(buffers, makeDims(1));
  std::vector<double> out;
  for (size_t i = 0; i < values.size(); ++i)
    out.push_back(buffers[0].elements(DType::Float16).get(i));
  return out;
}

TEST(Float16, ANormOfLargeValuesIsInfinite) {
  for (const CpuTarget &target : runnableTargets()) {
    // 300 * 300 is beyond 65504: the mean is infinite, and 1 / sqrt(infinity) is 0.
    EXPECT_EQ(normalise(target, "float16", {300, 300, 300, 300}),
              (std::vector<double>{0, 0, 0, 0}));
    EXPECT_EQ(normalise(target, "float32", {300, 300, 300, 300}),
              (std::vector<double>{1, 1, 1, 1}));
    // 255.875 is the largest float16 whose square is not: 65472 is 65472 in float16.
    EXPECT_EQ(normalise(target, "float16", {255.875, 255.875}), (std::vector<double>{1, 1}));
  }
}

TEST(Float16, SmallSquaresVanishBesideEps) {
  for (const CpuTarget &target : runnableTargets()) {
    // 2^-13 squared is below half of the smallest float16: only eps is left, 17 * 2^-24, and
    // 1 / sqrt of it rounds to 993.5 in float16.
    const std::vector<double> half = normalise(target, "float16", {0x1p-13, 0x1p-13});
    EXPECT_EQ(half[0], reference::roundedTo(DType::Float16, 0x1p-13 * 993.5));
    const std::vector<double> wide = normalise(target, "float32", {0x1p-13, 0x1p-13});
    EXPECT_NEAR(wide[0], 0x1p-13 / std::sqrt(0x1p-26 + 1e-6), 1e-4);
  }
}

TEST(Float16, AScoreBeyondTheLargestIsInfiniteAndItsSoftmaxNotANumber) {
  KernelSpec spec = makeSpec("attention", {{"dtype", std::string("float16")},
                                           {"softmax", std::string("float16")},
                                           {"heads", int64_t{1}},
                                           {"kv_heads", int64_t{1}},
                                           {"head_dim", int64_t{16}},
                                           {"block_size", int64_t{16}},
                                           {"max_blocks", int64_t{1}},
                                           {"scale", 0.25}});
  for (const CpuTarget &target : runnableTargets())
    for (const std::string softmax : {"float32", "float16"}) {
      spec.constants["softmax"] = softmax;
      const std::vector<Buffer> buffers = {Buffer(32), Buffer(32), Buffer(2 * 16 * 16 * 2),
                                           Buffer(8),  Buffer(4),  Buffer(4)};
      for (uint64_t d = 0; d < 16; ++d) { // q . k = 16 * 100 * 100
        buffers[1].elements(DType::Float16).set(d, 100);
        buffers[2].elements(DType::Float16).set(d * 16, 100);
        buffers[2].elements(DType::Float16).set(256 + d, 3);
      }
      buffers[3].ints()[1] = 1;
      buffers[4].ints()[0] = 1;
      CompiledKernel(spec, target).run(buffers, makeDims(1));
      const double out = buffers[0].elements(DType::Float16).get(0);
      if (softmax == "float32")
        EXPECT_EQ(out, 3);
      else
        EXPECT_TRUE(std::isnan(out)) << out;
    }
}

} // namespace
} // namespace vinci::test
