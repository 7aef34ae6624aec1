#include "runtime/support/lengths.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>

namespace vinci {
namespace {

LengthDistribution parse(std::string_view text) {
  return LengthDistribution::parse(text, "input_tokens", {"d.json", 3, 7});
}

std::string errorOf(std::string_view text) {
  try {
    parse(text);
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

struct Sample {
  double mean = 0;
  int64_t least = LengthDistribution::largest, most = 0;
  std::map<int64_t, int> counts;
};

Sample sample(std::string_view text, int size = 100000) {
  const LengthDistribution lengths = parse(text);
  Sample result;
  for (int i = 0; i < size; ++i) {
    const int64_t length = lengths.sample(7, uint64_t(i), RandomStream::InputTokens);
    result.mean += double(length) / size;
    result.least = std::min(result.least, length);
    result.most = std::max(result.most, length);
    ++result.counts[length];
  }
  return result;
}

TEST(Lengths, Fixed) {
  EXPECT_EQ(parse("fixed:512").mean(), 512);
  const Sample drawn = sample("fixed:512", 1000);
  EXPECT_EQ(drawn.counts, (std::map<int64_t, int>{{512, 1000}}));
  EXPECT_EQ(parse("fixed:2147483647").sample(0, 0, RandomStream::InputTokens), 2147483647);
}

TEST(Lengths, UniformGivesEveryLengthEquallyOften) {
  EXPECT_EQ(parse("uniform:3-6").mean(), 4.5);
  const Sample drawn = sample("uniform:3-6");
  ASSERT_EQ(drawn.counts.size(), 4u);
  for (int64_t length = 3; length <= 6; ++length)
    EXPECT_NEAR(drawn.counts.at(length), 25000, 500) << length;
}

TEST(Lengths, Normal) {
  EXPECT_EQ(parse("normal:300,50").mean(), 300);
  const LengthDistribution lengths = parse("normal:300,50");
  double sum = 0, squares = 0;
  constexpr int size = 100000;
  for (uint64_t i = 0; i < size; ++i) {
    const auto length = double(lengths.sample(1, i, RandomStream::OutputTokens));
    sum += length;
    squares += length * length;
  }
  EXPECT_NEAR(sum / size, 300, 0.6);
  EXPECT_NEAR(std::sqrt(squares / size - sum / size * sum / size), 50, 0.5);
  EXPECT_EQ(sample("normal:2,10", 1000).least, 1); // there are no lengths below
  EXPECT_EQ(sample("normal:40,0", 1000).counts, (std::map<int64_t, int>{{40, 1000}}));
}

// gsm8k's questions as QwQ-32B tokenizes them have a mean of 60.89 tokens.
TEST(Lengths, QuantilesOfPublishedPromptsHaveTheirMean) {
  const std::string text = "quantiles:0=25,0.5=63.41,0.75=71,0.9=87.2,0.99=110.05,1=139";
  EXPECT_NEAR(parse(text).mean(), 60.89, 0.005);
  const Sample drawn = sample(text);
  EXPECT_NEAR(drawn.mean, 60.89, 0.2);
  EXPECT_GE(drawn.least, 25);
  EXPECT_LE(drawn.most, 139);
  int below = 0;
  for (auto [length, count] : drawn.counts)
    below += length <= 71 ? count : 0;
  EXPECT_NEAR(below, 75000, 2500); // a token is three hundredths of the requests there
}

TEST(Lengths, QuantilesMayStayAtALength) {
  const std::string text = "quantiles:0=70,0.28362=512,1=512";
  EXPECT_NEAR(parse(text).mean(), 449.32, 0.01);
  const Sample drawn = sample(text);
  EXPECT_NEAR(drawn.mean, 449.32, 1);
  EXPECT_NEAR(drawn.counts.at(512), 71638, 600);
}

TEST(Lengths, ListIsInItsOrderAndStartsAgain) {
  const LengthDistribution lengths = LengthDistribution::list({7, 2147483647, 1});
  const int64_t expected[] = {7, 2147483647, 1, 7, 2147483647, 1, 7};
  for (uint64_t seed : {0u, 9u})
    for (RandomStream stream : {RandomStream::InputTokens, RandomStream::OutputTokens})
      for (uint64_t i = 0; i < std::size(expected); ++i)
        EXPECT_EQ(lengths.sample(seed, i, stream), expected[i]);
  EXPECT_EQ(LengthDistribution::list({3, 4, 6}).mean(), 13.0 / 3);
  EXPECT_EQ(LengthDistribution::list({5}).sample(1, 1u << 31, RandomStream::InputTokens), 5);
}

TEST(Lengths, ListHasLengths) {
  EXPECT_THROW(LengthDistribution::list({}), Error);
  EXPECT_THROW(LengthDistribution::list({1, 0}), Error);
  EXPECT_THROW(LengthDistribution::list({2147483648}), Error);
}

// Who may read files does so before.
TEST(Lengths, FilesAreReadElsewhere) {
  const std::string message = errorOf("file:prompts.jsonl");
  EXPECT_TRUE(
      message.starts_with("d.json:3:7: error: input_tokens is \"file:prompts.jsonl\"; a file "
                          "of prompts is read for --input-len and --output-len"))
      << message;
  EXPECT_NE(message.find("quantiles:0=A"), std::string::npos);
}

TEST(Lengths, DependOnSeedIndexAndStreamOnly) {
  const LengthDistribution lengths = parse("uniform:1-1000000");
  const auto at = [&](uint64_t seed, uint64_t index, RandomStream stream) {
    return lengths.sample(seed, index, stream);
  };
  const int64_t length = at(1, 2, RandomStream::InputTokens);
  EXPECT_EQ(at(1, 2, RandomStream::InputTokens), length);
  EXPECT_NE(at(2, 2, RandomStream::InputTokens), length);
  EXPECT_NE(at(1, 3, RandomStream::InputTokens), length);
  EXPECT_NE(at(1, 2, RandomStream::OutputTokens), length);
}

TEST(Lengths, RefusesWhatIsNone) {
  const std::string fixed = "; fixed:N takes an integer from 1 to 2147483647";
  const std::string uniform =
      "; uniform:A-B takes two integers from 1 to 2147483647, the smaller first";
  const std::string normal = "; normal:MEAN,DEVIATION takes a mean from 1 and a deviation from 0, "
                             "both to 2147483647";
  const std::string kinds =
      "; fixed:N, uniform:A-B, normal:MEAN,DEVIATION or quantiles:0=A,…,1=B is expected";
  const std::string quantile =
      " is no quantile: PROBABILITY=TOKENS, from 0 to 1 and from 1 to 2147483647, is expected";
  for (const auto &[text, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", kinds},
           {"512", kinds},
           {"gamma:3", kinds},
           {"fixed", fixed},
           {"fixed:", fixed},
           {"fixed:0", fixed},
           {"fixed:-3", fixed},
           {"fixed:4k", fixed},
           {"fixed:2.5", fixed},
           {"fixed:2147483648", fixed},
           {"uniform:3", uniform},
           {"uniform:9-3", uniform},
           {"uniform:0-3", uniform},
           {"uniform:3-x", uniform},
           {"uniform:3-4-5", uniform},
           {"normal:300", normal},
           {"normal:0,5", normal},
           {"normal:300,-1", normal},
           {"normal:nan,1", normal},
           {"normal:300,inf", normal},
           {"quantiles:", R"(; "")" + quantile},
           {"quantiles:0=1,half=2", R"(; "half=2")" + quantile},
           {"quantiles:0=1,1=2,", R"(; "")" + quantile},
           {"quantiles:0=0,1=2", R"(; "0=0")" + quantile},
           {"quantiles:0=1,1.5=2", R"(; "1.5=2")" + quantile},
           {"quantiles:0=1,nan=2", R"(; "nan=2")" + quantile},
           {"quantiles:0.1=1,1=2", "; the first quantile must be 0=, the smallest length"},
           {"quantiles:0=1,0.9=2", "; the last quantile must be 1=, the largest length"},
           {"quantiles:0=1,0.5=7,0.4=8,1=9",
            "; 0.4=8 cannot follow 0.5=7: probabilities rise and lengths do not fall"},
           {"quantiles:0=3,1=2",
            "; 1=2 cannot follow 0=3: probabilities rise and lengths do not fall"},
       })
    EXPECT_EQ(errorOf(text), "d.json:3:7: error: input_tokens is \"" + text + "\"" + reason);

  std::string many = "quantiles:0=1";
  for (int i = 1; i <= 4096; ++i)
    many += fmt::format(",{}=2", i / 4096.0);
  EXPECT_NE(errorOf(many).find("at most 4096 quantiles are read"), std::string::npos);
}

} // namespace
} // namespace vinci
