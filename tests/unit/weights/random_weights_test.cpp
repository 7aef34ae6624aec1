// Made-up weights: of the right shapes, finite, the same twice, and laid out as a checkpoint's
// would be.
#include "runtime/weights/random_weights.h"

#include "runtime/support/half.h"
#include "runtime/weights/pack.h"
#include "tests/unit/plan/sample_plan.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <set>

namespace vinci {
namespace {

size_t indexOf(const Plan &plan, std::string_view name) {
  for (uint32_t i = 0; i < plan.root()->weights()->size(); ++i)
    if (plan.root()->weights()->Get(i)->name()->string_view() == name)
      return i;
  ADD_FAILURE() << "no weight " << name;
  return 0;
}

TEST(RandomWeights, HaveEveryTensorInItsShape) {
  const Plan plan = Plan::parse(sample::bytes(), "sample.plan");
  const RandomWeights weights(*plan.root(), 1);
  for (const RequiredTensor &required : requiredTensors(*plan.root())) {
    const auto found = weights.sources().find(required.name);
    ASSERT_NE(found, weights.sources().end()) << required.name;
    EXPECT_EQ(found->second.tensor->shape, required.shape);
    EXPECT_EQ(found->second.slice.rows, required.shape[0]);
    EXPECT_EQ(found->second.slice.columns, required.shape.size() == 2 ? required.shape[1] : 1);
  }
}

TEST(RandomWeights, AreSmallAndOfManyValues) {
  const Plan plan = Plan::parse(sample::bytes(), "sample.plan");
  const std::vector<Pack> packs = Pack::createRandom(plan, 1);
  ASSERT_EQ(packs.size(), 1u);
  const size_t index = indexOf(plan, "layers.0.q");
  const auto *bits = reinterpret_cast<const uint16_t *>(packs[0].weight(index));
  std::set<uint16_t> values;
  for (size_t i = 0; i < packs[0].bytes(index).size() / 2; ++i) {
    EXPECT_LT(std::abs(floatOfBFloat16(bits[i])), 0.036f);
    values.insert(bits[i]);
  }
  EXPECT_GT(values.size(), 100u);
  // Norms are ones.
  const size_t norm = indexOf(plan, "layers.0.norm");
  const auto *ones = reinterpret_cast<const uint16_t *>(packs[0].weight(norm));
  EXPECT_EQ(floatOfBFloat16(ones[0]), 1.0f);
}

TEST(RandomWeights, DependOnTheSeedAlone) {
  const Plan plan = Plan::parse(sample::bytes(), "sample.plan");
  const std::vector<Pack> a = Pack::createRandom(plan, 1), b = Pack::createRandom(plan, 1),
                          c = Pack::createRandom(plan, 2);
  bool differ = false;
  for (size_t i = 0; i < a[0].size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(a[0].bytes(i), b[0].bytes(i))) << i;
    differ |= !std::ranges::equal(a[0].bytes(i), c[0].bytes(i));
  }
  EXPECT_TRUE(differ);
}

TEST(RandomWeights, ArePackedForTheRanksThatAreAskedFor) {
  fb::PlanT tables = sample::rankedPlan({2});
  const Plan plan = Plan::parse(serializePlan(tables, sample::segments()), "two.plan");
  PackOptions options;
  options.ranks = {1, 1};
  const std::vector<Pack> all = Pack::createRandom(plan, 1),
                          second = Pack::createRandom(plan, 1, options);
  ASSERT_EQ(all.size(), 2u);
  ASSERT_EQ(second.size(), 1u);
  for (size_t i = 0; i < all[1].size(); ++i)
    EXPECT_TRUE(std::ranges::equal(all[1].bytes(i), second[0].bytes(i))) << i;
}

} // namespace
} // namespace vinci
