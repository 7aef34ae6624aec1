#include "runtime/serving/score.h"

#include "tests/unit/serving/toy_model.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace test;

std::vector<int32_t> someIds(size_t count) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i)
    ids.push_back(int32_t(i * i * 31 % 97));
  return ids;
}

TEST(Score, WindowsStartAfresh) {
  std::vector<int32_t> ids = someIds(26); // windows of 10, 10, 6; the last id has no target
  ToyModel model(smallLimits());
  size_t done = 0;
  Score result = score(model, ids, 10, [&](size_t count) {
    EXPECT_GT(count, done);
    done = count;
  });
  ASSERT_EQ(result.logsumexp.size(), 26u);
  ASSERT_EQ(result.nll.size(), 25u);
  EXPECT_EQ(done, 26u);
  double sum = 0;
  for (size_t i = 0; i < 26; ++i) {
    size_t start = i / 10 * 10;
    std::vector<float> row =
        ToyModel::logitsAfter(std::span(ids).subspan(start, i + 1 - start), 97);
    double expected = 0;
    for (float logit : row)
      expected += std::exp(double(logit));
    expected = std::log(expected);
    EXPECT_NEAR(result.logsumexp[i], expected, 1e-5) << i;
    if (i == 25)
      break;
    EXPECT_NEAR(result.nll[i], expected - row[size_t(ids[i + 1])], 1e-5) << i;
    sum += expected - row[size_t(ids[i + 1])];
  }
  EXPECT_NEAR(result.meanNll(), sum / 25, 1e-6);
}

TEST(Score, OneIdHasALogsumexpAndNoTarget) {
  ToyModel model(smallLimits());
  Score result = score(model, someIds(1), 10);
  EXPECT_EQ(result.logsumexp.size(), 1u);
  EXPECT_TRUE(result.nll.empty());
  EXPECT_TRUE(std::isnan(result.meanNll()));
}

TEST(Score, DoesNotDependOnTheStepSize) {
  std::vector<int32_t> ids = someIds(60);
  ModelLimits limits = smallLimits();
  ToyModel model(limits);
  Score expected = score(model, ids, 17);
  for (uint32_t tokens : {1, 7, 40}) {
    limits.maxTokensPerStep = tokens;
    ToyModel other(limits);
    Score result = score(other, ids, 17);
    EXPECT_EQ(result.nll, expected.nll);
    EXPECT_EQ(result.logsumexp, expected.logsumexp);
    for (const ToyModel::Step &step : other.steps)
      EXPECT_LE(step.tokens, tokens);
  }
}

TEST(Score, DoesNotDependOnTheNumberOfGroups) {
  const std::vector<int32_t> ids = someIds(60);
  ModelLimits limits = smallLimits();
  ToyModel model(limits);
  const Score expected = score(model, ids, 17);
  for (uint32_t groups : {2, 3, 5}) {
    limits.dataGroups = groups;
    ToyModel other(limits);
    std::vector<size_t> done;
    const Score result = score(other, ids, 17, [&](size_t ids) { done.push_back(ids); });
    EXPECT_EQ(result.nll, expected.nll);
    EXPECT_EQ(result.logsumexp, expected.logsumexp);
    EXPECT_LT(other.steps.size(), model.steps.size());
    EXPECT_EQ(done.back(), ids.size());
  }
}

TEST(Score, SurvivesLargeLogits) {
  class Flat final : public StepRunner {
  public:
    const ModelLimits &limits() const override { return limits_; }
    std::span<const std::span<const float>>
    stepGroups(EntryKind, std::span<const StepInputs> groups) override {
      ofGroup_ = std::span(logits_).first(groups[0].tokenIds.size() * 2);
      return {&ofGroup_, 1};
    }
    ModelLimits limits_ = {2, 4, 4, 1, 1, 4};
    std::vector<float> logits_ = std::vector<float>(8, 1e6f);
    std::span<const float> ofGroup_;
  } model;
  std::vector<int32_t> ids = {0, 1};
  EXPECT_NEAR(score(model, ids, 4).nll[0], std::log(2.0), 1e-6);
}

TEST(Score, NamesWhatItCannotDo) {
  ModelLimits limits = smallLimits();
  limits.kvBlocks = 3;
  ToyModel model(limits);
  std::vector<int32_t> ids = someIds(30);
  EXPECT_EQ(messageOf([&] { score(model, std::span(ids).first(0), 8); }),
            "there are no ids to score; at least 1 is needed");
  EXPECT_EQ(messageOf([&] { score(model, ids, 0); }),
            "a window of 0 ids; legal: 1 to 40 (max_seq_len)");
  EXPECT_EQ(messageOf([&] { score(model, ids, 41); }),
            "a window of 41 ids; legal: 1 to 40 (max_seq_len)");
  EXPECT_EQ(messageOf([&] { score(model, ids, 13); }),
            "a window of 13 ids needs 4 KV blocks of 4 tokens; the plan has 3 (kv_blocks)");
  EXPECT_EQ(messageOf([&] { score(model, std::span(ids).first(12), 40); }), "no error")
      << "12 inputs are one short window";
  ids[7] = 97;
  EXPECT_EQ(messageOf([&] { score(model, ids, 8); }),
            "ids[7] is 97; legal: 0 to 96 (vocab_size - 1)");
  ids[7] = -1;
  EXPECT_EQ(messageOf([&] { score(model, ids, 8); }),
            "ids[7] is -1; legal: 0 to 96 (vocab_size - 1)");
}

} // namespace
} // namespace vinci
