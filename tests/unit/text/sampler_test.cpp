#include "runtime/text/sampler.h"

#include "runtime/support/philox.h"
#include "tests/unit/text/text_test.h"

#include <cmath>
#include <limits>
#include <map>

namespace vinci {
namespace {

using Logits = std::vector<float>;

int32_t sampleOnce(const Logits &logits, const SamplingParams &params,
                   std::vector<int32_t> context = {}, uint64_t position = 0) {
  return Sampler(static_cast<int64_t>(logits.size())).sample(logits, params, context, position);
}

// Known answers of the Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  using Counter = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestIdOfEqualOnes) {
  EXPECT_EQ(sampleOnce({1, 3, 2}, {}), 1);
  EXPECT_EQ(sampleOnce({1, 3, 3, 0}, {}), 1);
  EXPECT_EQ(sampleOnce({-1, -3}, {}), 0);
  EXPECT_EQ(sampleOnce({5}, {}), 0);
}

TEST(Sampler, RepetitionPenaltyCountsEachTokenOnce) {
  SamplingParams params{.repetitionPenalty = 2};
  EXPECT_EQ(sampleOnce({4, 3, 0}, params), 0);
  EXPECT_EQ(sampleOnce({4, 3, 0}, params, {0}), 1);
  EXPECT_EQ(sampleOnce({4, 1.5, 0}, params, {0, 0, 0}), 0) << "4 / 2, not 4 / 8";
  EXPECT_EQ(sampleOnce({-1, -1.5}, params, {0}), 1) << "negative logits are multiplied";
  params.repetitionPenalty = 0.5; // a reward
  EXPECT_EQ(sampleOnce({4, 3, 0}, params, {1}), 1);
  params.repetitionPenalty = 1e-300;
  EXPECT_EQ(sampleOnce({4, 3e38f, 0}, params, {1}), 1);
}

TEST(Sampler, PenaltyComesBeforeTopK) {
  SamplingParams params{.temperature = 1, .topK = 1, .repetitionPenalty = 10};
  for (uint64_t position = 0; position < 20; ++position)
    EXPECT_EQ(sampleOnce({4, 3, 0}, params, {0}, position), 1);
}

// How often each token is drawn in `draws` positions.
std::map<int32_t, int> histogram(const Logits &logits, const SamplingParams &params, int draws) {
  Sampler sampler(static_cast<int64_t>(logits.size()));
  std::map<int32_t, int> counts;
  for (int position = 0; position < draws; ++position)
    ++counts[sampler.sample(logits, params, {}, static_cast<uint64_t>(position))];
  return counts;
}

void expectDistribution(const Logits &logits, const SamplingParams &params,
                        const std::vector<double> &probabilities) {
  const int draws = 40000;
  std::map<int32_t, int> counts = histogram(logits, params, draws);
  double chiSquare = 0;
  int degrees = -1;
  for (size_t id = 0; id < probabilities.size(); ++id) {
    double expected = probabilities[id] * draws;
    if (expected == 0) {
      EXPECT_EQ(counts.count(static_cast<int32_t>(id)), 0u) << id;
      continue;
    }
    double difference = counts[static_cast<int32_t>(id)] - expected;
    chiSquare += difference * difference / expected;
    ++degrees;
  }
  // Mean `degrees`, variance twice that: four standard deviations above is a chance of about one in
  // a thousand.
  EXPECT_LE(chiSquare, degrees + 4 * std::sqrt(2.0 * degrees));
}

std::vector<double> softmax(std::vector<double> logits, double temperature) {
  double sum = 0;
  for (double &logit : logits)
    sum += logit = std::exp(logit / temperature);
  for (double &logit : logits)
    logit /= sum;
  return logits;
}

TEST(Sampler, DrawsFollowTheDistribution) {
  Logits logits{0, 1, 2, 0.5, -1, 2};
  expectDistribution(logits, {.temperature = 1, .seed = 1}, softmax({0, 1, 2, 0.5, -1, 2}, 1));
  expectDistribution(logits, {.temperature = 0.5, .seed = 2}, softmax({0, 1, 2, 0.5, -1, 2}, 0.5));
  expectDistribution(logits, {.temperature = 3, .seed = 3}, softmax({0, 1, 2, 0.5, -1, 2}, 3));
}

TEST(Sampler, TopKKeepsTiesWithTheLast) {
  double e = std::exp(1.0), e2 = e * e;
  expectDistribution({0, 1, 2, 1, -1}, {.temperature = 1, .topK = 2, .seed = 4},
                     {0, e / (e2 + 2 * e), e2 / (e2 + 2 * e), e / (e2 + 2 * e), 0});
  expectDistribution({0, 1, 2}, {.temperature = 1, .topK = 1, .seed = 5}, {0, 0, 1});
  expectDistribution({0, 1, 2}, {.temperature = 1, .topK = 100, .seed = 6}, softmax({0, 1, 2}, 1));
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  Logits logits{std::log(0.1f), std::log(0.4f), std::log(0.3f), std::log(0.2f)};
  expectDistribution(logits, {.temperature = 1, .topP = 0.39, .seed = 7}, {0, 1, 0, 0});
  expectDistribution(logits, {.temperature = 1, .topP = 0.6, .seed = 8}, {0, 4.0 / 7, 3.0 / 7, 0});
  expectDistribution(logits, {.temperature = 1, .topP = 0.85, .seed = 9},
                     {0, 4.0 / 9, 3.0 / 9, 2.0 / 9});
  expectDistribution(logits, {.temperature = 1, .topK = 2, .topP = 0.5, .seed = 10}, {0, 1, 0, 0});
}

// More than is sorted at once.
TEST(Sampler, TopPOverManyEqualTokens) {
  Logits logits(5000, 0.0f);
  std::map<int32_t, int> counts =
      histogram(logits, {.temperature = 1, .topP = 0.5, .seed = 11}, 4000);
  EXPECT_LT(counts.rbegin()->first, 2501) << "of equal tokens those with the lowest ids are kept";
  EXPECT_GT(counts.rbegin()->first, 2400);
}

TEST(Sampler, DependsOnSeedAndPositionOnly) {
  Logits logits(1000);
  std::mt19937 random(5);
  for (float &logit : logits)
    logit = static_cast<float>(random() % 1000) / 200;
  SamplingParams params{.temperature = 0.8, .topK = 50, .topP = 0.9, .seed = 42};
  Sampler used(1000);
  std::vector<int32_t> forwards, backwards;
  for (uint64_t position = 0; position < 50; ++position)
    forwards.push_back(used.sample(logits, params, {}, position));
  for (uint64_t position = 50; position-- > 0;) {
    Logits other(1000, static_cast<float>(position));
    used.sample(other, {.temperature = 2, .seed = position}, {},
                7); // another sequence of the batch
    backwards.insert(backwards.begin(), sampleOnce(logits, params, {}, position));
  }
  EXPECT_EQ(forwards, backwards);
  params.seed = 43;
  std::vector<int32_t> otherSeed;
  for (uint64_t position = 0; position < 50; ++position)
    otherSeed.push_back(used.sample(logits, params, {}, position));
  EXPECT_NE(forwards, otherSeed);
}

// The same on every machine: these were drawn once and must not change.
TEST(Sampler, KnownDraws) {
  Logits logits{0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<int32_t> drawn;
  for (uint64_t position = 0; position < 12; ++position)
    drawn.push_back(
        sampleOnce(logits, {.temperature = 4, .topP = 0.95, .seed = 20240611}, {}, position));
  EXPECT_EQ(drawn, (std::vector<int32_t>{5, 4, 7, 1, 5, 5, 6, 7, 3, 6, 4, 6}));
}

TEST(Sampler, ExtremeTemperatures) {
  EXPECT_EQ(sampleOnce({1, 3, 2}, {.temperature = 5e-324}), 1);
  EXPECT_EQ(sampleOnce({1, 3.4e38f, -3.4e38f}, {.temperature = 1e-300}), 1);
  expectDistribution({-3, 0, 3}, {.temperature = 1e300, .seed = 12}, {1.0 / 3, 1.0 / 3, 1.0 / 3});
}

TEST(Sampler, BrokenLogitsAreNamed) {
  EXPECT_EQ(errorOf([] {
              sampleOnce({1, std::nanf(""), 2}, {});
            }),
            "error: the logit of token 1 is nan: the model's output is broken (overflow in half "
            "precision, or damaged weights)");
  EXPECT_CONTAINS(errorOf([] { sampleOnce({std::numeric_limits<float>::infinity()}, {}); }),
                  "the logit of token 0 is inf");
  EXPECT_CONTAINS(errorOf([] {
                    sampleOnce({0, -std::numeric_limits<float>::infinity()}, {});
                  }),
                  "the logit of token 1 is -inf");
}

TEST(Sampler, WrongUse) {
  EXPECT_EQ(errorOf([] {
              sampleOnce({1, 2}, {.repetitionPenalty = 2}, {2});
            }),
            "error: token id 2 in the context is not in the vocabulary of 2");
  EXPECT_CONTAINS(errorOf([] {
                    sampleOnce({1, 2}, {.repetitionPenalty = 2}, {-1});
                  }),
                  "token id -1 in the context");
  EXPECT_EQ(errorOf([] {
              Sampler(3).sample(Logits{1, 2}, {}, {}, 0);
            }),
            "internal error: 2 logits for a sampler of 3 tokens");
  EXPECT_EQ(errorOf([] { Sampler(0).sample({}, {}, {}, 0); }),
            "internal error: 0 logits for a sampler of 0 tokens");
}

TEST(Sampler, AWrongContextLeavesNoTrace) {
  Sampler sampler(2);
  SamplingParams params{.repetitionPenalty = 2};
  errorOf([&] { sampler.sample(Logits{4, 3}, params, std::vector<int32_t>{0, 9}, 0); });
  EXPECT_EQ(sampler.sample(Logits{4, 3}, params, std::vector<int32_t>{0}, 0), 1);
}

TEST(SamplingParams, IllegalValuesAreNamed) {
  auto error = [](SamplingParams params) { return errorOf([&] { params.check(); }); };
  double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(error({.temperature = -0.5}),
            "error: temperature is -0.5; a finite number >= 0 is expected (0 chooses greedily)");
  EXPECT_CONTAINS(error({.temperature = nan}), "temperature is nan");
  EXPECT_CONTAINS(error({.temperature = infinity}), "temperature is inf");
  EXPECT_EQ(error({.topK = -1}),
            "error: top_k is -1; an integer >= 0 is expected (0 keeps all tokens)");
  EXPECT_EQ(error({.topP = 0}),
            "error: top_p is 0; a number > 0 and <= 1 is expected (1 keeps all tokens)");
  EXPECT_CONTAINS(error({.topP = 1.01}), "top_p is 1.01");
  EXPECT_CONTAINS(error({.topP = nan}), "top_p is nan");
  EXPECT_EQ(error({.repetitionPenalty = 0}),
            "error: repetition_penalty is 0; a finite number > 0 is expected (1 changes nothing)");
  EXPECT_CONTAINS(error({.repetitionPenalty = -1}), "repetition_penalty is -1");
  EXPECT_CONTAINS(error({.repetitionPenalty = infinity}), "repetition_penalty is inf");
  SamplingParams{}.check();
  SamplingParams{.temperature = 2, .topK = 1, .topP = 1, .repetitionPenalty = 1.1, .seed = ~0ull}
      .check();
}

} // namespace
} // namespace vinci
