#include "runtime/serving/engine.h"

#include "tests/unit/serving/toy_model.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <stdexcept>

namespace vinci {
namespace {

using namespace test;
using Ids = std::vector<int32_t>;

Request request(Ids prompt, uint32_t maxTokens) {
  Request result;
  result.id = uint64_t(prompt[0]) + 1000;
  result.promptIds = std::move(prompt);
  result.maxTokens = maxTokens;
  return result;
}

/// Greedy generation from the definition, without engine, cache or batch.
Ids greedy(Ids ids, size_t count) {
  Ids output;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> row = ToyModel::logitsAfter(ids, 97);
    ids.push_back(int32_t(std::ranges::max_element(row) - row.begin()));
    output.push_back(ids.back());
  }
  return output;
}

/// Requests of all lengths, greedy and sampled.
std::vector<Request> manyRequests() {
  std::vector<Request> requests;
  for (int32_t i = 0; i < 13; ++i) {
    Ids prompt;
    for (int32_t j = 0; j <= i * 7 % 23; ++j)
      prompt.push_back((i * 17 + j * j) % 97);
    requests.push_back(request(prompt, uint32_t(1 + i * 5 % 16)));
    requests.back().id = uint64_t(i);
    if (i % 3 == 1)
      requests.back().sampling = {0.8, 20, 0.9, 1.3, uint64_t(i)};
  }
  return requests;
}

std::vector<Result> serve(ToyModel &model, std::vector<Request> requests, uint32_t chunk = 0) {
  Engine engine(model, {chunk});
  for (Request &one : requests)
    engine.submit(std::move(one));
  return engine.run();
}

Result serveOne(Request one) {
  ToyModel model(smallLimits());
  std::vector<Request> requests;
  requests.push_back(std::move(one));
  return serve(model, std::move(requests)).front();
}

TEST(Engine, GeneratesWhatTheModelSays) {
  Result result = serveOne(request({5, 6, 7}, 9));
  EXPECT_EQ(result.outputIds, greedy({5, 6, 7}, 9));
  EXPECT_EQ(result.id, 1005u);
  EXPECT_EQ(result.finishReason, FinishReason::Length);
}

TEST(Engine, BatchesEqualLoneRunsInTheOrderOfSubmission) {
  std::vector<Request> requests = manyRequests();
  std::vector<Result> alone;
  for (const Request &one : requests)
    alone.push_back(serveOne(one));
  for (uint32_t maxBatch : {1, 3, 16})
    for (uint32_t tokens : {1, 5, 16, 64})
      for (uint32_t chunk : {0, 1, 4})
        for (uint32_t blocks : {10, 64}) {
          ModelLimits limits = smallLimits();
          limits.maxBatch = maxBatch;
          limits.maxTokensPerStep = tokens;
          limits.kvBlocks = blocks;
          if (chunk > tokens)
            continue;
          ToyModel model(limits);
          std::vector<Result> together = serve(model, requests, chunk);
          ASSERT_EQ(together.size(), alone.size());
          for (size_t i = 0; i < alone.size(); ++i) {
            EXPECT_EQ(together[i].id, i);
            EXPECT_EQ(together[i].outputIds, alone[i].outputIds)
                << "request " << i << ", batch " << maxBatch << ", tokens " << tokens << ", chunk "
                << chunk << ", blocks " << blocks;
          }
        }
}

TEST(Engine, GroupsShareTheRequestsAndGiveTheSameIds) {
  const std::vector<Request> requests = manyRequests();
  ModelLimits limits = smallLimits();
  limits.kvBlocks = 20;
  ToyModel one(limits);
  const std::vector<Result> expected = serve(one, requests);
  for (uint32_t groups : {2, 3, 8, 20}) {
    limits.dataGroups = groups;
    ToyModel model(limits);
    const std::vector<Result> results = serve(model, requests);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(results[i].outputIds, expected[i].outputIds) << groups << " groups, request " << i;
    EXPECT_LT(model.steps.size(), one.steps.size());
    const auto most = std::ranges::max(model.steps, {}, &ToyModel::Step::sequences).sequences;
    EXPECT_GT(most, limits.maxBatch) << "more than one group has place for";
  }
}

TEST(Engine, ARequestGoesToTheGroupWithTheFewest) {
  ModelLimits limits = smallLimits();
  limits.dataGroups = 2;
  limits.maxTokensPerStep = 4;
  ToyModel model(limits);
  std::vector<Request> requests;
  for (int32_t i = 0; i < 4; ++i)
    requests.push_back(request({i, i, i}, 1));
  serve(model, std::move(requests));
  // Two prompts in each group: one and a token of the next, then what is left of it.
  ASSERT_EQ(model.steps.size(), 2u);
  EXPECT_EQ(model.steps[0].tokens, 8u);
  EXPECT_EQ(model.steps[1].tokens, 4u);
}

TEST(Engine, StepsStayWithinTheLimitsAndUseTheDecodeEntry) {
  ToyModel model(smallLimits());
  serve(model, manyRequests(), 5);
  bool decoded = false;
  for (const ToyModel::Step &step : model.steps) {
    EXPECT_LE(step.tokens, 16u);
    EXPECT_LE(step.sequences, 4u);
    decoded |= step.kind == EntryKind::Decode && step.sequences == 4;
    EXPECT_NE(step.kind, EntryKind::Score) << "nobody asked for all logits";
  }
  EXPECT_TRUE(decoded) << "four sequences generate together at some time";
}

TEST(Engine, PrefillIsCutIntoChunks) {
  ToyModel model(smallLimits());
  std::vector<Request> one;
  one.push_back(request(Ids(20, 3), 2));
  serve(model, std::move(one), 6);
  std::vector<size_t> tokens;
  for (const ToyModel::Step &step : model.steps)
    tokens.push_back(step.tokens);
  EXPECT_EQ(tokens, (std::vector<size_t>{6, 6, 6, 2, 1}));
  EXPECT_EQ(model.steps[3].kind, EntryKind::Prefill);
  EXPECT_EQ(model.steps[4].kind, EntryKind::Decode);
}

TEST(Engine, APlaceIsTakenAgainAsSoonAsItIsFree) {
  // Two places; one long request and three short ones. In fixed batches this would take 12 + 4
  // steps.
  ModelLimits limits = smallLimits();
  limits.maxBatch = 2;
  ToyModel model(limits);
  std::vector<Request> requests;
  requests.push_back(request({1}, 12));
  for (int32_t i = 2; i < 5; ++i)
    requests.push_back(request({i}, 4));
  serve(model, std::move(requests));
  EXPECT_EQ(model.steps.size(), 12u);
}

TEST(Engine, FewKvBlocksOnlyQueueAndAllComeBack) {
  ModelLimits limits = smallLimits();
  limits.kvBlocks = 3; // 12 tokens
  ToyModel model(limits);
  Engine engine(model);
  for (int round = 0; round < 3; ++round) {
    for (int32_t i = 0; i < 4; ++i)
      engine.submit(request({i, i, i, i, i}, 8));
    std::vector<Result> results = engine.run();
    ASSERT_EQ(results.size(), 4u);
    for (int32_t i = 0; i < 4; ++i)
      EXPECT_EQ(results[size_t(i)].outputIds, greedy({i, i, i, i, i}, 8));
  }
  for (const ToyModel::Step &step : model.steps)
    EXPECT_EQ(step.sequences, 1u);
}

TEST(Engine, AnEosIdEndsARequestAndIsPartOfIt) {
  Ids expected = greedy({8, 9}, 6);
  ASSERT_EQ(std::ranges::count(expected, expected[3]), 1);
  Request one = request({8, 9}, 6);
  one.eosIds = {96, expected[3]};
  Result result = serveOne(one);
  EXPECT_EQ(result.finishReason, FinishReason::Stop);
  EXPECT_EQ(result.outputIds, Ids(expected.begin(), expected.begin() + 4));
  one.ignoreEos = true;
  result = serveOne(one);
  EXPECT_EQ(result.finishReason, FinishReason::Length);
  EXPECT_EQ(result.outputIds, expected);
}

TEST(Engine, PromptAndOutputTogetherEndAtMaxSeqLen) {
  Result result = serveOne(request(Ids(37, 2), 100));
  EXPECT_EQ(result.outputIds, greedy(Ids(37, 2), 3));
  EXPECT_EQ(result.finishReason, FinishReason::Length);
  result = serveOne(request(Ids(40, 2), 100));
  EXPECT_TRUE(result.outputIds.empty());
  EXPECT_EQ(result.finishReason, FinishReason::Length);
  result = serveOne(request(Ids(4, 2), UINT32_MAX));
  EXPECT_EQ(result.outputIds.size(), 36u);
}

TEST(Engine, NothingToGenerateNeedsNoStep) {
  ToyModel model(smallLimits());
  std::vector<Request> requests;
  requests.push_back(request({1, 2}, 0));
  requests.push_back(request({3}, 1));
  std::vector<Result> results = serve(model, std::move(requests));
  EXPECT_TRUE(results[0].outputIds.empty());
  EXPECT_EQ(results[1].outputIds, greedy({3}, 1));
  EXPECT_EQ(model.steps.size(), 1u);
}

TEST(Engine, TokensAreReportedAsTheyCome) {
  Ids seen;
  Request one = request({4}, 5);
  one.onToken = [&](int32_t id) { seen.push_back(id); };
  Result result = serveOne(one);
  EXPECT_EQ(seen, result.outputIds);
  EXPECT_GE(result.timing.prefillMs, 0);
  EXPECT_GT(result.timing.tokensPerS, 0);
}

TEST(Engine, LogitsOfEveryPositionWhateverTheChunks) {
  for (uint32_t chunk : {0, 1, 7})
    for (uint32_t maxTokens : {0, 1, 6}) {
      ToyModel model(smallLimits());
      Engine engine(model, {chunk});
      Ids ids = Ids(18, 11);
      ids[5] = 3;
      std::vector<std::vector<float>> rows;
      Request one = request(ids, maxTokens);
      one.onLogits = [&](uint32_t position, std::span<const float> logits) {
        EXPECT_EQ(position, rows.size());
        rows.emplace_back(logits.begin(), logits.end());
      };
      // In company, so that rows have to be found among others'.
      engine.submit(request({1, 2, 3}, 9));
      engine.submit(one);
      engine.submit(request({9}, 3));
      std::vector<Result> results = engine.run();
      EXPECT_EQ(results[0].outputIds, greedy({1, 2, 3}, 9));
      EXPECT_EQ(results[1].outputIds, greedy(ids, maxTokens));
      EXPECT_EQ(results[2].outputIds, greedy({9}, 3));
      ids.insert(ids.end(), results[1].outputIds.begin(), results[1].outputIds.end());
      ASSERT_EQ(rows.size(), ids.size() - 1);
      for (size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(rows[i], ToyModel::logitsAfter(std::span(ids).first(i + 1), 97)) << i;
    }
}

TEST(Engine, LogitsOfAPromptThatFillsTheContext) {
  size_t rows = 0;
  Request one = request(Ids(40, 1), 5);
  one.onLogits = [&](uint32_t, std::span<const float>) { ++rows; };
  EXPECT_TRUE(serveOne(one).outputIds.empty());
  EXPECT_EQ(rows, 39u);
}

TEST(Engine, NamesWhatItCanNeverServe) {
  ModelLimits limits = smallLimits();
  limits.kvBlocks = 3;
  ToyModel model(limits);
  Engine engine(model);
  EXPECT_EQ(messageOf([&] { engine.submit(Request{}); }),
            "the prompt has 0 tokens; legal: 1 to 40 (max_seq_len)");
  EXPECT_EQ(messageOf([&] { engine.submit(request(Ids(41, 1), 1)); }),
            "the prompt has 41 tokens; legal: 1 to 40 (max_seq_len)");
  EXPECT_EQ(messageOf([&] {
              engine.submit(request({1, 97}, 1));
            }),
            "prompt_ids[1] is 97; legal: 0 to 96 (vocab_size - 1)");
  EXPECT_EQ(messageOf([&] {
              engine.submit(request({1, -5}, 1));
            }),
            "prompt_ids[1] is -5; legal: 0 to 96 (vocab_size - 1)");
  EXPECT_EQ(messageOf([&] {
              engine.submit(request({1, 2}, 12));
            }),
            "prompt and output of up to 14 tokens need 4 KV blocks of 4 tokens; the plan has 3 "
            "(kv_blocks)");
  EXPECT_EQ(messageOf([&] {
              engine.submit(request({1, 2}, 11));
            }),
            "no error")
      << "the last token is not cached: 12 are";
  Request bad = request({1}, 1);
  bad.sampling.topP = 0;
  EXPECT_NE(messageOf([&] { engine.submit(bad); }), "no error");
  EXPECT_EQ(engine.run().size(), 1u) << "what was refused leaves no trace";
  EXPECT_EQ(messageOf([&] { Engine(model, {17}); }),
            "a prefill chunk of 17 tokens; legal: 1 to 16 (max_tokens_per_step)");
}

TEST(Engine, AFailingCallbackLeavesTheEngineEmptyAndSound) {
  ToyModel model(smallLimits());
  Engine engine(model);
  Request one = request({1, 2}, 5);
  one.onToken = [](int32_t) { throw std::runtime_error("closed"); };
  for (int i = 0; i < 40; ++i) // would run out of blocks if any were kept
    for (bool fails : {true, false}) {
      engine.submit(fails ? one : request({6}, 3));
      engine.submit(request({7}, 3));
      if (fails)
        EXPECT_THROW(engine.run(), std::runtime_error);
      else
        EXPECT_EQ(engine.run()[1].outputIds, greedy({7}, 3));
    }
}

TEST(Engine, FinishReasonsHaveNames) {
  EXPECT_STREQ(toString(FinishReason::Stop), "stop");
  EXPECT_STREQ(toString(FinishReason::Length), "length");
}

} // namespace
} // namespace vinci
