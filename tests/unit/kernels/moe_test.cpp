// Mixtures of experts: what equal candidates and other ranks' experts come to, and that a fused
// kernel gives the bits of its steps.
#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <limits>

namespace vinci::test {
namespace {

using namespace std::string_literals;

constexpr int64_t topK = 3, rowsPerToken = 2;

/// The buffers of an op after it has run: `outputs` empty ones, then `inputs`.
std::vector<Buffer> run(const KernelSpec &spec, const std::vector<uint64_t> &outputs,
                        const std::vector<Buffer> &inputs, const CpuTarget &target, Dims dims) {
  std::vector<Buffer> buffers;
  for (const uint64_t bytes : outputs) {
    buffers.emplace_back(bytes);
    buffers.back().fill(std::byte{0xFF}); // NaN, if it were read
  }
  buffers.insert(buffers.end(), inputs.begin(), inputs.end());
  CompiledKernel(spec, target).run(buffers, dims);
  return buffers;
}

template <typename T> std::vector<T> contentOf(const Buffer &buffer) {
  const T *values = reinterpret_cast<const T *>(buffer.data());
  return {values, values + buffer.size() / sizeof(T)};
}

template <typename T> Buffer bufferOf(const std::vector<T> &values) {
  Buffer buffer(values.size() * sizeof(T));
  std::ranges::copy(values, reinterpret_cast<T *>(buffer.data()));
  return buffer;
}

TEST(TopK, TakesTheLowestIndexFirstAmongEquals) {
  const KernelSpec spec = makeSpec(
      "top_k", {{"num_experts", int64_t{5}}, {"top_k", topK}, {"rows_per_token", int64_t{1}}});
  const Buffer x = bufferOf<float>({2, 7, 7, 2, 7, /**/ 1, 1, 1, 1, 1});
  for (const CpuTarget &target : runnableTargets()) {
    const auto buffers = run(spec, {2 * topK * 4, 2 * topK * 4}, {x}, target, makeDims(2));
    EXPECT_EQ(contentOf<int32_t>(buffers[1]), (std::vector{1, 2, 4, 0, 1, 2})) << target.name;
    EXPECT_EQ(contentOf<float>(buffers[0]), (std::vector<float>{7, 7, 7, 1, 1, 1})) << target.name;
  }
}

/// A rank with experts 2 and 3: the pairs of others are left out.
TEST(Argsort, ListsThePairsOfARankInTheOrderOfItsExperts) {
  const std::map<std::string, Attribute> constants = {{"num_experts", int64_t{2}},
                                                      {"top_k", int64_t{2}},
                                                      {"rows_per_token", int64_t{1}},
                                                      {"sharded", int64_t{1}}};
  const Buffer experts = bufferOf<int32_t>({3, 0, 2, 3, 4, 2}), first = bufferOf<int32_t>({2});
  for (const CpuTarget &target : runnableTargets()) {
    const auto sorted =
        run(makeSpec("argsort", constants), {24}, {experts, first}, target, makeDims(3));
    EXPECT_EQ(contentOf<int32_t>(sorted[0]), (std::vector{2, 5, 0, 3, -1, -1})) << target.name;
    const auto counted =
        run(makeSpec("expert_offsets", constants), {12}, {experts, first}, target, makeDims(3));
    EXPECT_EQ(contentOf<int32_t>(counted[0]), (std::vector{0, 2, 4})) << target.name;
    const auto inverse = run(makeSpec("inverse_permutation", {{"rows_per_token", int64_t{2}}}),
                             {24}, {sorted[0]}, target, makeDims(3));
    EXPECT_EQ(contentOf<int32_t>(inverse[0]), (std::vector{2, -1, 0, 3, -1, 1})) << target.name;
  }
}

/// Logits with equals, infinities and NaN among them.
TEST(MoeRoute, GivesTheBitsOfItsSteps) {
  for (const int64_t numExperts : {5, 16, 77})
    for (const int64_t normalize : {0, 1}) {
      const std::map<std::string, Attribute> constants = {
          {"num_experts", numExperts}, {"top_k", topK}, {"rows_per_token", rowsPerToken}};
      KernelSpec fused = makeSpec("moe_route", constants);
      fused.constants["norm_topk_prob"] = normalize;
      OpCase c = makeCase(fused);
      Buffer &logits = c.buffers[2];
      const uint64_t bytes = c.buffers[0].size(), rows = logits.size() / 4 / numExperts;
      for (uint64_t i = 0; i < logits.size() / 4; i += 3)
        logits.floats()[i] = 0.5f;
      std::fill_n(logits.floats() + numExperts, numExperts, 1.0f);
      logits.floats()[2 * numExperts] = std::numeric_limits<float>::quiet_NaN();
      logits.floats()[3 * numExperts + 1] = -std::numeric_limits<float>::infinity();
      logits.floats()[4 * numExperts + 2] = 1e30f;
      ASSERT_GT(rows, 4u);
      for (const CpuTarget &target : runnableTargets()) {
        const auto expected = run(fused, {bytes, bytes}, {logits}, target, c.dims);
        const auto softmax =
            run(makeSpec("softmax", {{"n", numExperts}, {"rows_per_token", rowsPerToken}}),
                {logits.size()}, {logits}, target, c.dims);
        const auto best =
            run(makeSpec("top_k", constants), {bytes, bytes}, {softmax[0]}, target, c.dims);
        const auto weights =
            run(makeSpec("normalize_rows", {{"n", topK}, {"rows_per_token", rowsPerToken}}),
                {bytes}, {best[0]}, target, c.dims);
        EXPECT_TRUE((normalize != 0 ? weights[0] : best[0]) == expected[0]) << target.name;
        EXPECT_TRUE(best[1] == expected[1]) << target.name;
      }
    }
}

TEST(MoeSort, GivesTheBitsOfItsSteps) {
  for (const int64_t numExperts : {1, 12, 300})
    for (const int64_t sharded : {0, 1}) {
      const std::map<std::string, Attribute> constants = {{"num_experts", numExperts},
                                                          {"top_k", topK},
                                                          {"rows_per_token", rowsPerToken},
                                                          {"sharded", sharded}};
      const OpCase c = makeCase(makeSpec("moe_sort", constants));
      const std::vector<Buffer> inputs(c.buffers.begin() + 3, c.buffers.end());
      const uint64_t bytes = c.buffers[0].size(), offsetBytes = c.buffers[2].size();
      for (const CpuTarget &target : runnableTargets()) {
        const auto expected = run(c.spec, {bytes, bytes, offsetBytes}, inputs, target, c.dims);
        const auto order = run(makeSpec("argsort", constants), {bytes}, inputs, target, c.dims);
        const auto inverse =
            run(makeSpec("inverse_permutation", {{"rows_per_token", rowsPerToken * topK}}), {bytes},
                {order[0]}, target, c.dims);
        const auto offsets =
            run(makeSpec("expert_offsets", constants), {offsetBytes}, inputs, target, c.dims);
        EXPECT_TRUE(order[0] == expected[0]) << target.name;
        EXPECT_TRUE(inverse[0] == expected[1]) << target.name;
        EXPECT_TRUE(offsets[0] == expected[2]) << target.name;
      }
    }
}

/// Rows that are not there; and products that round to a negative zero, before which a zero is
/// added or not.
TEST(MoeCombine, GivesTheBitsOfItsSteps) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"}) {
    const std::map<std::string, Attribute> constants = {
        {"dtype", dtype}, {"n", int64_t{77}}, {"top_k", topK}, {"rows_per_token", rowsPerToken}};
    const OpCase c = makeCase(makeSpec("moe_combine", constants));
    const Buffer &y = c.buffers[1], &positions = c.buffers[2], &weights = c.buffers[3];
    ASSERT_TRUE(std::ranges::count(contentOf<int32_t>(positions), -1) > 0);
    if (dtype != "float16")
      for (uint64_t i = 0; i < 77; ++i) {
        y.elements(c.spec.dtype()).set(i, -1e-30);
        weights.floats()[i] = 1e-30f;
      }
    for (const CpuTarget &target : runnableTargets()) {
      const auto expected =
          run(c.spec, {c.buffers[0].size()}, {y, positions, weights}, target, c.dims);
      const auto choices = run(
          makeSpec("unpermute_tokens",
                   {{"dtype", dtype}, {"n", int64_t{77}}, {"rows_per_token", rowsPerToken * topK}}),
          {y.size()}, {y, positions}, target, c.dims);
      const auto sum = run(makeSpec("weighted_sum", constants), {c.buffers[0].size()},
                           {choices[0], weights}, target, c.dims);
      EXPECT_TRUE(sum[0] == expected[0]) << dtype << ", " << target.name;
    }
  }
}

KernelSpec withoutGather(KernelSpec spec) {
  spec.constants["gather"] = int64_t{0};
  spec.constants["top_k"] = topK * rowsPerToken;
  spec.constants["rows_per_token"] = int64_t{1};
  return spec;
}

TEST(GroupedMatmul, GathersTheRowsThatPermuteTokensGives) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"}) {
    const std::map<std::string, Attribute> rows = {
        {"dtype", dtype}, {"n", int64_t{80}}, {"top_k", topK}, {"rows_per_token", rowsPerToken}};
    std::map<std::string, Attribute> constants = rows;
    constants.merge(std::map<std::string, Attribute>{
        {"k", int64_t{80}}, {"num_experts", int64_t{12}}, {"gather", int64_t{1}}});
    const OpCase c = makeCase(makeSpec("grouped_matmul", constants));
    for (const CpuTarget &target : runnableTargets()) {
      std::vector<Buffer> inputs(c.buffers.begin() + 1, c.buffers.end());
      const uint64_t bytes = c.buffers[0].size(); // n = k: rows of the product and of its input
      const auto expected = run(c.spec, {bytes}, inputs, target, c.dims);
      inputs[0] =
          run(makeSpec("permute_tokens", rows), {bytes}, {inputs[0], inputs[1]}, target, c.dims)[0];
      EXPECT_TRUE(run(withoutGather(c.spec), {bytes}, inputs, target, c.dims)[0] == expected[0])
          << dtype << ", " << target.name;
    }
  }
}

/// Rows are quantised one by one, so before they are gathered as well as after.
TEST(GroupedDynamicQuantMatmul, GathersTheRowsThatPermuteTokensGives) {
  for (const std::string dtype : {"float32", "bfloat16", "float16"}) {
    const OpCase c =
        makeCase(makeSpec("grouped_dynamic_quant_matmul", {{"dtype", dtype},
                                                           {"n", int64_t{80}},
                                                           {"k", int64_t{80}},
                                                           {"num_experts", int64_t{12}},
                                                           {"top_k", topK},
                                                           {"rows_per_token", rowsPerToken},
                                                           {"gather", int64_t{1}}}));
    const auto quantize = [&](int64_t perToken) {
      return makeSpec("dynamic_quantize", {{"dtype", dtype},
                                           {"n", int64_t{80}},
                                           {"rows", fmt::format("tokens*{}", perToken)},
                                           {"parts", int64_t{1}},
                                           {"row_max", int64_t{0}}});
    };
    const OpCase tokens = makeCase(quantize(rowsPerToken));
    const Buffer &x = tokens.buffers[2];
    const uint64_t rows = c.dims[VINCI_DIM_TOKENS] * rowsPerToken;
    for (const CpuTarget &target : runnableTargets()) {
      std::vector<Buffer> inputs(c.buffers.begin() + 1, c.buffers.end());
      const uint64_t bytes = c.buffers[0].size();
      auto quantized = run(quantize(rowsPerToken), {rows * 80, rows * 4}, {x}, target, c.dims);
      inputs[0] = quantized[0], inputs[1] = quantized[1];
      const auto expected = run(c.spec, {bytes}, inputs, target, c.dims);
      const auto permuted = run(makeSpec("permute_tokens", {{"dtype", dtype},
                                                            {"n", int64_t{80}},
                                                            {"top_k", topK},
                                                            {"rows_per_token", rowsPerToken}}),
                                {x.size() * topK}, {x, inputs[2]}, target, c.dims);
      quantized = run(quantize(rowsPerToken * topK), {rows * topK * 80, rows * topK * 4},
                      {permuted[0]}, target, c.dims);
      inputs[0] = quantized[0], inputs[1] = quantized[1];
      EXPECT_TRUE(run(withoutGather(c.spec), {bytes}, inputs, target, c.dims)[0] == expected[0])
          << dtype << ", " << target.name;
    }
  }
}

} // namespace
} // namespace vinci::test
