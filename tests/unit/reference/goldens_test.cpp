// The reference against transformers: every checkpoint with a golden.json.
#include "frontend/huggingface/config.h"
#include "runtime/reference/reference_model.h"
#include "tools/compiler/reference_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vinci {
namespace {

namespace fs = std::filesystem;

/// Where transformers' two best logits are closer than this, rounding may choose the other token.
constexpr double closeCall = 0.01;
constexpr double logitTolerance = 1e-4, logsumexpTolerance = 1e-4;

std::vector<fs::path> checkpoints() {
  std::vector<fs::path> folders;
  for (const char *root : {"models", "tests/golden/data"})
    for (const fs::directory_entry &entry :
         fs::directory_iterator(fs::path(VINCI_SOURCE_DIR) / root))
      if (fs::exists(entry.path() / "golden.json"))
        folders.push_back(entry.path());
  std::ranges::sort(folders);
  return folders;
}

double logsumexp(const float *row, uint64_t size) {
  const double largest = *std::max_element(row, row + size);
  double sum = 0;
  for (uint64_t i = 0; i < size; ++i)
    sum += std::exp(row[i] - largest);
  return largest + std::log(sum);
}

class Goldens : public testing::TestWithParam<fs::path> {};

TEST_P(Goldens, LogitsAndGreedyIdsAreThoseOfTransformers) {
  const ReferenceModel model(toReferenceConfig(readHuggingFaceConfig(GetParam())),
                             Checkpoint::open(GetParam()));
  std::ifstream file(GetParam() / "golden.json");
  const nlohmann::json document = nlohmann::json::parse(file);
  ASSERT_GE(document.at("cases").size(), 4u);
  for (const nlohmann::json &golden : document.at("cases")) {
    auto ids = golden.at(golden.contains("ids") ? "ids" : "prompt").get<std::vector<int32_t>>();
    const auto greedy = golden.at("greedy").get<std::vector<int32_t>>();
    const uint64_t prompt = ids.size(), vocab = model.config().vocabSize;
    ids.insert(ids.end(), greedy.begin(), greedy.end() - 1);
    const ReferencePass pass = model.forward(ids);
    const auto row = [&](uint64_t token) { return &pass.logits.at(token, 0); };

    double worstLogit = 0, worstSum = 0;
    const auto logits = golden.at("last_logits").get<std::vector<double>>();
    ASSERT_EQ(logits.size(), vocab);
    for (uint64_t i = 0; i < vocab; ++i)
      worstLogit = std::max(worstLogit, std::abs(row(prompt - 1)[i] - logits[i]));
    const auto sums = golden.at("logsumexp_per_position").get<std::vector<double>>();
    ASSERT_EQ(sums.size(), prompt);
    for (uint64_t t = 0; t < prompt; ++t)
      worstSum = std::max(worstSum, std::abs(logsumexp(row(t), vocab) - sums[t]));
    EXPECT_LT(worstLogit, logitTolerance) << prompt << " ids";
    EXPECT_LT(worstSum, logsumexpTolerance) << prompt << " ids";

    const auto margins = golden.at("greedy_margin").get<std::vector<double>>();
    for (uint64_t step = 0; step < greedy.size() && margins[step] >= closeCall; ++step) {
      const float *last = row(prompt + step - 1);
      EXPECT_EQ(std::max_element(last, last + vocab) - last, greedy[step]) << "step " << step;
    }
  }
}

std::string nameOf(const testing::TestParamInfo<fs::path> &info) {
  std::string name = info.param.filename().string();
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Goldens, testing::ValuesIn(checkpoints()), nameOf);

TEST(GoldenFolders, AreFound) {
  EXPECT_GE(checkpoints().size(), 16u);
}

} // namespace
} // namespace vinci
