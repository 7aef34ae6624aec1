// Rows of a matmul do not depend on each other: the same bits alone, in any batch, and whoever else
// is in it.
#include "tests/unit/kernels/op_cases.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

struct Matmul {
  KernelSpec spec;
  int64_t n, k;
  DType type;

  Matmul(const std::string &dtype, int64_t columns, int64_t depth)
      : spec(matmulSpec(dtype, columns, depth)), n(columns), k(depth), type(*parseDType(dtype)) {}

  uint64_t rowBytes(int64_t elements) const { return elements * byteSize(type); }

  Buffer weights(uint64_t seed) const {
    Buffer buffer(reference::panelElements(n, k, type) * byteSize(type));
    Random random(seed);
    packWeight(randomMatrix(random, n, k, type), n, k, type, buffer.data());
    return buffer;
  }

  /// out for `rows` rows of x, from row `first` on.
  Buffer run(const CpuTarget &target, const Buffer &x, const Buffer &w, uint64_t first,
             uint64_t rows) const {
    Buffer part(rows * rowBytes(k));
    std::memcpy(part.data(), x.data() + first * rowBytes(k), part.size());
    const std::vector<Buffer> buffers = {Buffer(rows * rowBytes(n)), part, w};
    CompiledKernel(spec, target).run(buffers, makeDims(rows));
    return buffers[0];
  }
};

class MatmulRows : public testing::TestWithParam<std::string> {};

TEST_P(MatmulRows, AreTheSameBitsInEveryBatch) {
  constexpr uint64_t rows = 103; // more than a row block; leaves remainders of every size
  for (const auto &[n, k] : {std::pair{300, 176}, {96, 600}}) {
    const Matmul matmul(GetParam(), n, k);
    Buffer x(rows * matmul.rowBytes(k));
    Random(7).fill(x.elements(matmul.type), rows * k);
    const Buffer w = matmul.weights(8);
    for (const CpuTarget &target : runnableTargets()) {
      const Buffer all = matmul.run(target, x, w, 0, rows);
      for (const uint64_t batch : {1, 2, 3, 4, 5, 6, 7, 13, 16, 29, 97})
        for (const uint64_t first : {0, 2, 6}) {
          const Buffer part = matmul.run(target, x, w, first, batch);
          EXPECT_EQ(std::memcmp(part.data(), all.data() + first * matmul.rowBytes(n), part.size()),
                    0)
              << target.name << " rows " << first << "+" << batch;
        }
    }
  }
}

TEST_P(MatmulRows, AreNotTouchedByInfinitiesAndNaNsOfOtherRows) {
  const Matmul matmul(GetParam(), 300, 176);
  constexpr uint64_t rows = 9;
  Buffer x(rows * matmul.rowBytes(matmul.k));
  Random(9).fill(x.elements(matmul.type), rows * matmul.k);
  const Buffer w = matmul.weights(10);
  for (const CpuTarget &target : runnableTargets()) {
    const Buffer clean = matmul.run(target, x, w, 0, rows);
    Buffer dirty = x;
    for (int64_t i = 0; i < matmul.k; ++i)
      dirty.elements(matmul.type).set(4 * matmul.k + i, i % 2 == 0 ? NAN : INFINITY);
    const Buffer mixed = matmul.run(target, dirty, w, 0, rows);
    const uint64_t row = matmul.rowBytes(matmul.n);
    EXPECT_EQ(std::memcmp(mixed.data(), clean.data(), 4 * row), 0) << target.name;
    EXPECT_EQ(std::memcmp(mixed.data() + 5 * row, clean.data() + 5 * row, 4 * row), 0)
        << target.name;
    EXPECT_TRUE(std::isnan(mixed.elements(matmul.type).get(4 * matmul.n)));
  }
}

/// The runtime's packing and the references, which the kernels are held against, lay weights out
/// alike.
TEST_P(MatmulRows, ReadWeightsAsTheRuntimePacksThem) {
  for (const auto &[n, k] : {std::pair{300, 176}, {33, 31}, {1, 1}}) {
    const Matmul matmul(GetParam(), n, k);
    Random random(4);
    const Buffer matrix = randomMatrix(random, n, k, matmul.type);
    Buffer packed(reference::panelElements(n, k, matmul.type) * byteSize(matmul.type));
    packWeight(matrix, n, k, matmul.type, packed.data());
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column)
        ASSERT_EQ(reference::panelValue(packed.elements(matmul.type), 0, n, k, row, column),
                  matrix.elements(matmul.type).get(row * k + column))
            << n << "x" << k << ", " << row << ", " << column;
  }
}

INSTANTIATE_TEST_SUITE_P(, MatmulRows, testing::Values("float32", "bfloat16", "float16"),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace vinci::test
