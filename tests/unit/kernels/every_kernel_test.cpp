// What holds for every op: right numbers, whole and disjoint tiles, the same bits for every order
// and every target.
#include "tests/unit/kernels/op_cases.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

class EveryKernel : public testing::TestWithParam<KernelSpec> {
protected:
  /// The outputs after all tiles have run on `target`.
  static std::vector<Buffer> outputsOf(const OpCase &c, const CpuTarget &target, bool reversed) {
    std::vector<Buffer> buffers = c.buffers;
    CompiledKernel(c.spec, target).run(buffers, c.dims, reversed);
    buffers.resize(outputCount(c.spec));
    return buffers;
  }

  static std::vector<Buffer> referenceOutputs(const OpCase &c) {
    std::vector<Buffer> buffers = c.buffers;
    runReference(c.spec, buffers, c.dims);
    buffers.resize(outputCount(c.spec));
    return buffers;
  }

  /// Roundings of the output's type that the op makes, and float32 error relative to terms of
  /// size 1. A float32 may fall on the other side of a tie: one unit of the last place, two
  /// roundings. Where a region rounds on the way, so may what follows from it.
  static double tolerance(const OpCase &c, DType type) {
    // A quantised value may be the next one, and of a 16-bit type, which rounds before, the one
    // after it: what is compared are units (see floorOf).
    if (quantisesResults(c) && type == DType::Int8)
      return (c.spec.dtype() == DType::Float32 ? 1.01 : 2.01) / unitFloor;
    // Integers are exact, and what the ops on int8 do in float32 is fixed operation by operation.
    const bool floatSums = c.spec.op.find("weight_quant") != std::string::npos;
    if (type == DType::Int32 ||
        (c.spec.op.find("quant") != std::string::npos && !quantisesResults(c) && !floatSums))
      return 0;
    if (c.spec.op.ends_with("_qkv"))
      return 16 * roundingError(type) + 2e-6; // a norm and a rotation of what it rounded
    const bool rounds = symbolName(c.spec).find("_compute_") != std::string::npos ||
                        symbolName(c.spec).find("_softmax_") != std::string::npos;
    const bool norm = c.spec.op.find("norm") != std::string::npos;
    const bool gates = c.spec.op.find("swiglu") != std::string::npos;
    const double roundings = rounds ? 8 : norm || gates ? 4 : 2.02;
    // Scales are float32, of rows that were rounded to the kernel's type.
    return roundings * roundingError(quantisesResults(c) ? c.spec.dtype() : type) + 2e-6;
  }

  /// Fused: something that is not exact, as int8.
  static bool quantisesResults(const OpCase &c) { return c.spec.op.ends_with("_quant"); }

  /// Targets that multiply bfloat16 in pairs have bits of their own in such products.
  static bool multipliesPairs(const OpCase &c, const CpuTarget &target) {
    if (c.spec.op == "attention")
      return target.has("amx-tile") && c.spec.dtype() == DType::BFloat16;
    return target.has("avx512bf16") && c.spec.op.find("matmul") != std::string::npos &&
           c.spec.op.find("quant") == std::string::npos && c.spec.dtype() == DType::BFloat16;
  }

  static constexpr double unitFloor = 1e6;
  /// What errors are relative to, beside the value. Sums of k terms of both signs err by how large
  /// they were on the way, not by what is left; products of two such sums by their product.
  static double floorOf(const OpCase &c, DType type) {
    if (quantisesResults(c) && type == DType::Int8)
      return unitFloor;
    if (c.spec.op == "grouped_matmul_swiglu")
      return static_cast<double>(c.spec.integer("k"));
    const bool isProduct = c.spec.op.ends_with("matmul") || c.spec.op == "matmul_all_reduce";
    return isProduct ? std::sqrt(static_cast<double>(c.spec.integer("k"))) : 0.1;
  }
};

TEST_P(EveryKernel, AgreesWithReference) {
  const OpCase c = makeCase(GetParam());
  const std::vector<Buffer> expected = referenceOutputs(c);
  for (const CpuTarget &target : runnableTargets(c.spec)) {
    const std::vector<Buffer> actual = outputsOf(c, target, false);
    for (size_t i = 0; i < actual.size(); ++i) {
      const uint64_t count = actual[i].size() / byteSize(c.types[i]);
      EXPECT_LE(largestError(actual[i].elements(c.types[i]), expected[i].elements(c.types[i]),
                             count, floorOf(c, c.types[i])),
                tolerance(c, c.types[i]))
          << target.name << ", output " << i;
    }
  }
}

TEST_P(EveryKernel, GivesTheSameBitsInAnyTileOrderAndOnAnyTarget) {
  const OpCase c = makeCase(GetParam());
  const auto targets = runnableTargets(c.spec);
  const std::vector<Buffer> first = outputsOf(c, targets[0], false);
  for (const CpuTarget &target : targets) {
    const std::vector<Buffer> outputs = outputsOf(c, target, false);
    EXPECT_TRUE(outputsOf(c, target, true) == outputs) << target.name << ", reversed";
    if (!multipliesPairs(c, target))
      EXPECT_TRUE(outputs == first) << target.name;
  }
}

TEST_P(EveryKernel, WritesEachOutputByteInExactlyOneTile) {
  const OpCase c = makeCase(GetParam());
  for (const CpuTarget &target : runnableTargets(c.spec)) {
    const CompiledKernel kernel(c.spec, target);
    std::vector<std::vector<uint32_t>> writes;
    for (uint32_t i = 0; i < outputCount(c.spec); ++i)
      writes.emplace_back(c.buffers[i].size(), 0);
    for (uint32_t tile = 0; tile < kernel.tiles(c.dims); ++tile) {
      // A byte that is the same whatever was there before has been written.
      std::vector<Buffer> low = c.buffers, high = c.buffers;
      for (uint32_t i = 0; i < writes.size(); ++i) {
        low[i].fill(std::byte{0x15});
        high[i].fill(std::byte{0x2A});
      }
      kernel.runTile(low, c.dims, tile);
      kernel.runTile(high, c.dims, tile);
      for (uint32_t i = 0; i < writes.size(); ++i)
        for (uint64_t b = 0; b < writes[i].size(); ++b)
          writes[i][b] += low[i].data()[b] == high[i].data()[b];
    }
    for (uint32_t i = 0; i < writes.size(); ++i) {
      const bool partial = operandNames(c.spec)[i] == "cache"; // only the slots of this step
      for (uint64_t b = 0; b < writes[i].size(); ++b)
        ASSERT_TRUE(writes[i][b] == 1 || (partial && writes[i][b] == 0))
            << target.name << ": byte " << b << " of output " << i << " is written by "
            << writes[i][b] << " tiles";
    }
  }
}

TEST_P(EveryKernel, LeavesItsInputsAlone) {
  const OpCase c = makeCase(GetParam());
  for (const CpuTarget &target : runnableTargets(c.spec)) {
    std::vector<Buffer> buffers = c.buffers;
    CompiledKernel(c.spec, target).run(buffers, c.dims);
    for (size_t i = outputCount(c.spec); i < buffers.size(); ++i)
      EXPECT_TRUE(buffers[i] == c.buffers[i]) << target.name << ", buffer " << i;
  }
}

TEST_P(EveryKernel, DoesNothingWithoutRows) {
  OpCase c = makeCase(GetParam());
  if (tileRule(c.spec, runnableTargets(c.spec)[0]).symbol == VINCI_DIM_ONE)
    return; // the offsets of experts are an output even then, and sorting is one tile
  c.dims = makeDims(0, 0, 0);
  for (const CpuTarget &target : runnableTargets(c.spec))
    EXPECT_EQ(CompiledKernel(c.spec, target).tiles(c.dims), 0u);
}

INSTANTIATE_TEST_SUITE_P(, EveryKernel, testing::ValuesIn(allSpecs()), [](const auto &info) {
  std::string name = symbolName(info.param);
  for (char &letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter)))
      letter = '_';
  return name;
});

} // namespace
} // namespace vinci::test
