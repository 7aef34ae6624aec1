#include "runtime/device/routing.h"

#include "runtime/device/cost_model.h"
#include "runtime/support/error.h"

#include <fstream>
#include <gtest/gtest.h>
#include <numeric>

namespace vinci {
namespace {

constexpr uint32_t experts = 128, topK = 8;

std::string messageOf(std::string_view text) {
  try {
    Routing::parse(text, "--routing");
  } catch (const Error &error) {
    return error.what();
  }
  return "no error";
}

std::string fileWith(std::string_view text) {
  const std::string path = testing::TempDir() + "vinci-routing-test.json";
  std::ofstream(path) << text;
  return path;
}

TEST(Routing, ChancesAddUpToTheChoices) {
  for (const char *text : {"balanced", "zipf:0", "zipf:0.5", "zipf:1.2", "zipf:8"}) {
    const std::vector<double> chances = Routing::parse(text, "--routing").chances(experts, topK, 0);
    EXPECT_NEAR(std::accumulate(chances.begin(), chances.end(), 0.0), topK, 1e-6) << text;
    for (double chance : chances) {
      EXPECT_GE(chance, 0) << text;
      EXPECT_LE(chance, 1) << text;
    }
  }
}

TEST(Routing, ZipfOfExponent0IsUniform) {
  const Routing::Work work =
      Routing::parse("zipf:0", "--routing").busiest(experts, experts, topK, 32, 0);
  EXPECT_NEAR(work.hit, CostModel::expectedHits(experts, experts, topK, 32), 1e-6);
  EXPECT_NEAR(work.rows, 32.0 * topK, 1e-6);
}

TEST(Routing, SkewHitsFewerExpertsAndLoadsOneRankMore) {
  double hit = 1e9, rows = 0;
  for (const char *text : {"zipf:0", "zipf:0.5", "zipf:1", "zipf:2"}) {
    const Routing routing = Routing::parse(text, "--routing");
    const Routing::Work whole = routing.busiest(experts, experts, topK, 32, 0);
    EXPECT_LT(whole.hit, hit) << text;
    EXPECT_NEAR(whole.rows, 32.0 * topK, 1e-6) << text;
    hit = whole.hit;
    const Routing::Work rank = routing.busiest(experts, experts / 8, topK, 32, 0);
    EXPECT_GT(rank.rows, rows) << text;
    rows = rank.rows;
  }
}

TEST(Routing, BalancedGivesEachExpertTheSame) {
  const Routing routing = Routing::parse("balanced", "--routing");
  EXPECT_EQ(routing.busiest(experts, experts, topK, 4, 0).hit, 32);
  EXPECT_EQ(routing.busiest(experts, 16, topK, 4, 0).hit, 4);
  EXPECT_EQ(routing.busiest(experts, 16, topK, 1000, 0).hit, 16);
}

TEST(Routing, ATraceDecidesByLayer) {
  const Routing routing = Routing::parse("trace:" + fileWith("[[1,1,1,1],[9,1,0,0]]"), "--routing");
  EXPECT_TRUE(routing.isByLayer());
  EXPECT_EQ(routing.chances(4, 2, 0), (std::vector<double>(4, 0.5)));
  EXPECT_EQ(routing.chances(4, 2, 1), (std::vector<double>{1, 1, 0, 0}));
  for (const auto &[experts, layer, message] :
       {std::tuple(4u, 2u, "the routing has 2 layers; the model has a MoE layer number 2"),
        std::tuple(8u, 0u, "layer 0 of the routing has 4 experts; the model has 8")})
    try {
      routing.chances(experts, 2, layer);
      FAIL() << "was accepted";
    } catch (const Error &error) {
      EXPECT_EQ(error.message(), message);
    }
}

TEST(Routing, EveryMistakeHasItsMessage) {
  const std::string legal =
      "; uniform, balanced, zipf:S with S from 0 to 8, and trace FILE are legal";
  for (const char *text :
       {"", "even", "zipf:", "zipf:-1", "zipf:9", "zipf:1x", "zipf:nan", "trace:"})
    EXPECT_EQ(messageOf(text), fmt::format("error: --routing is '{}'{}", text, legal));
  EXPECT_NE(messageOf("trace:/nowhere.json").find("/nowhere.json"), std::string::npos);
  const std::string path = fileWith("");
  for (const auto &[text, message] :
       {std::pair("[]", ":1:1: error: the routing is an array of 0; an array for each MoE layer is "
                        "expected"),
        std::pair("[3]", ":1:2: error: a layer is 3; an array of counts, one for each expert is "
                         "expected"),
        std::pair("[[1,-2]]", ":1:5: error: a count is -2; a number from 0 is expected"),
        std::pair("[[0,0]]", ":1:2: error: a layer is an array of 2; an expert that was chosen is "
                             "expected")}) {
    fileWith(text);
    EXPECT_EQ(messageOf("trace:" + path), path + message);
  }
}

} // namespace
} // namespace vinci
