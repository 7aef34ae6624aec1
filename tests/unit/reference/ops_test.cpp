// Each operation against numbers that were worked out by hand.
#include "runtime/reference/ops.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci {
namespace {

void expectNear(const Matrix &a, const Matrix &b, double tolerance = 1e-6) {
  ASSERT_EQ(a.rows, b.rows);
  ASSERT_EQ(a.columns, b.columns);
  for (uint64_t i = 0; i < a.values.size(); ++i)
    EXPECT_NEAR(a.values[i], b.values[i], tolerance) << "element " << i;
}

TEST(ReferenceOps, EmbeddingTakesRows) {
  const std::vector<int32_t> ids = {2, 0, 2};
  EXPECT_EQ(ops::embedding(ids, {3, 2, {1, 2, 3, 4, 5, 6}}), Matrix(3, 2, {5, 6, 1, 2, 5, 6}));
}

TEST(ReferenceOps, RmsNormGoesOverTheRowOrOverHeads) {
  // mean(9, 16) = 12.5, and with eps 0.75 * 12.5 the root of 21.875.
  const Matrix x(1, 4, {3, 4, 0, 10});
  const float root = std::sqrt(21.875f);
  const float second = std::sqrt(59.375f);
  expectNear(ops::rmsNorm(x, {2, 1, {1, 2}}, 9.375), {1, 4, {3 / root, 8 / root, 0, 20 / second}});
  const float whole = std::sqrt(31.25f);
  expectNear(ops::rmsNorm(x, {4, 1, {1, 1, 1, 1}}, 0),
             {1, 4, {3 / whole, 4 / whole, 0, 10 / whole}});
}

TEST(ReferenceOps, LinearMultipliesWithTheTransposeAndAddsTheBias) {
  const Matrix x(2, 3, {1, 2, 3, 0, -1, 1}), weight(2, 3, {1, 0, 2, -1, 1, 1}),
      bias(2, 1, {10, 20});
  EXPECT_EQ(ops::linear(x, weight, nullptr), Matrix(2, 2, {7, 4, 2, 0}));
  EXPECT_EQ(ops::linear(x, weight, &bias), Matrix(2, 2, {17, 24, 12, 20}));
}

TEST(ReferenceOps, LinearSumsInDouble) {
  // In float32, 1 is lost beside 1e8.
  EXPECT_EQ(ops::linear({1, 3, {1e8f, 1, -1e8f}}, {1, 3, {1, 1, 1}}, nullptr), Matrix(1, 1, {1}));
}

TEST(ReferenceOps, RopeRotatesHalvesByPosition) {
  // Two heads of 4; the frequencies are 1 and 100^(-2/4) = 0.1.
  const Matrix x(2, 8, {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 0, 0, 1, 0});
  const double c0 = std::cos(1.0), s0 = std::sin(1.0), c1 = std::cos(0.1), s1 = std::sin(0.1);
  const Matrix y = ops::rope(x, 4, 100);
  for (uint64_t i = 0; i < 8; ++i)
    EXPECT_EQ(y.at(0, i), x.at(0, i)); // position 0
  expectNear({1, 8, {y.values.begin() + 8, y.values.end()}},
             {1,
              8,
              {float(c0 - 3 * s0), float(2 * c1 - 4 * s1), float(3 * c0 + s0),
               float(4 * c1 + 2 * s1), float(-s0), 0, float(c0), 0}});
}

TEST(ReferenceOps, AttentionIsCausalAndSharesKeyValueHeads) {
  // Two query heads of 1 on one KV head: weights of token 1 are softmax(q * k).
  const Matrix q(2, 2, {5, 7, 1, 0}), k(2, 1, {0, 1}), v(2, 1, {10, 20});
  const double e = std::exp(1.0);
  expectNear(ops::attention(q, k, v, 1), {2, 2, {10, 10, float((10 + 20 * e) / (1 + e)), 15}},
             1e-5);
}

TEST(ReferenceOps, AttentionUsesTheHeadOfItsGroupAndScales) {
  // Four query heads of 2 on two KV heads; the scale is 1 / sqrt(2).
  const Matrix q(2, 8, {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 2});
  const Matrix k(2, 4, {0, 0, 0, 0, 1, 0, 0, 1}), v(2, 4, {0, 0, 0, 0, 1, 2, 3, 4});
  const auto weight = [](double score) { return 1 / (1 + std::exp(-score / std::sqrt(2.0))); };
  const double first = weight(1), zero = 0.5, fourth = weight(2);
  const Matrix y = ops::attention(q, k, v, 2);
  expectNear({1, 8, {y.values.begin() + 8, y.values.end()}},
             {1,
              8,
              {float(first), float(2 * first), float(zero), float(2 * zero), float(3 * zero),
               float(4 * zero), float(3 * fourth), float(4 * fourth)}});
}

TEST(ReferenceOps, Elementwise) {
  expectNear(ops::silu({1, 3, {0, 1, -2}}),
             {1, 3, {0, float(1 / (1 + std::exp(-1.0))), float(-2 / (1 + std::exp(2.0)))}});
  EXPECT_EQ(ops::multiply({1, 2, {2, 3}}, {1, 2, {5, -1}}), Matrix(1, 2, {10, -3}));
  EXPECT_EQ(ops::add({1, 2, {2, 3}}, {1, 2, {5, -1}}), Matrix(1, 2, {7, 2}));
}

TEST(ReferenceOps, RouteChoosesTheMostProbable) {
  const auto logOf = [](double p) { return float(std::log(p)); };
  // The second token has three equals: the lowest numbers win, by no margin.
  const Matrix logits(2, 4, {logOf(0.1), logOf(0.4), logOf(0.2), logOf(0.3), 1, 1, -9, 1});
  const ops::Routing plain = ops::route(logits, 2, false), normalized = ops::route(logits, 2, true);
  EXPECT_EQ(plain.experts, IntMatrix(2, 2, {1, 3, 0, 1}));
  EXPECT_EQ(normalized.experts, plain.experts);
  EXPECT_NEAR(plain.weights.at(0, 0), 0.4, 1e-6);
  EXPECT_NEAR(plain.weights.at(0, 1), 0.3, 1e-6);
  EXPECT_NEAR(normalized.weights.at(0, 0), 4.0 / 7, 1e-6);
  EXPECT_NEAR(normalized.weights.at(0, 1), 3.0 / 7, 1e-6);
  EXPECT_NEAR(plain.margins[0], 0.1, 1e-6);
  EXPECT_EQ(plain.margins[1], 0);
}

TEST(ReferenceOps, RouteToAllExpertsIsNoChoice) {
  EXPECT_TRUE(std::isinf(ops::route({1, 2, {0, 5}}, 2, true).margins[0]));
}

TEST(ReferenceOps, CombineWeighsChoices) {
  const std::vector<Matrix> choices = {{2, 2, {1, 2, 3, 4}}, {2, 2, {10, 20, 30, 40}}};
  EXPECT_EQ(ops::combine(choices, {2, 2, {1, 0.5f, 0, 1}}), Matrix(2, 2, {6, 12, 30, 40}));
}

} // namespace
} // namespace vinci
