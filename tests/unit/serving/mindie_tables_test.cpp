#include "runtime/serving/mindie_tables.h"

#include "tests/unit/serving/simulation_test.h"

namespace vinci {
namespace {

using namespace test;

SimulationResult example() {
  MindieSettings settings;
  settings.maxPrefillBatchSize = 2;
  MindieScheduler scheduler(settings, {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms + 123, 0});
  Load load = Load::trace({{0, 10, 4, 4, 5, 0, 0},
                           {0, 31, 2, 2, 5, 0, 0},
                           {60 * ms, 3000, 1, 1, 5, 0, 0},
                           {60 * ms, 10, 1, 1, 5, 0, 0}});
  return simulate(scheduler, load, timer, {});
}

MindieTableOptions options() {
  MindieTableOptions result;
  result.concurrency = 2;
  result.modelName = "QwQ-32B";
  result.dataSource = "gsm8k";
  result.tokenizerMs = 2.5;
  result.detokenizerMsPerToken = 0.0025;
  result.charactersPerToken = 3.4;
  return result;
}

// 1: tokens at 50, 70.000123, 140.000246 - a prefill comes between - and 160.000369 ms;
// 2: at 50 and 70.000123; 4: sent at 60, waits for the step until 70.000123, token at 120.000123.
TEST(MindieTables, AllRowsAndColumns) {
  EXPECT_EQ(
      render(mindieTable(example(), options())),
      R"(| Metric              | average         | max             | min             | P75             | P90             | SLO_P90         | P99             | N |
|---------------------|-----------------|-----------------|-----------------|-----------------|-----------------|-----------------|-----------------|---|
| FirstTokenTime      | 53.3334 ms      | 60.0001 ms      | 50.0 ms         | 55.0001 ms      | 58.0001 ms      | 58.0001 ms      | 59.8001 ms      | 3 |
| DecodeTime          | 32.5001 ms      | 70.0001 ms      | 20.0001 ms      | 32.5001 ms      | 55.0001 ms      | 35.0001 ms      | 68.5001 ms      | 3 |
| LastDecodeTime      | 20.0001 ms      | 20.0001 ms      | 20.0001 ms      | 20.0001 ms      | 20.0001 ms      | 20.0001 ms      | 20.0001 ms      | 3 |
| MaxDecodeTime       | 45.0001 ms      | 70.0001 ms      | 20.0001 ms      | 57.5001 ms      | 65.0001 ms      | 65.0001 ms      | 69.5001 ms      | 3 |
| GenerateTime        | 96.6669 ms      | 160.0004 ms     | 60.0001 ms      | 115.0002 ms     | 142.0003 ms     | 142.0003 ms     | 158.2004 ms     | 3 |
| InputTokens         | 17.0            | 31              | 10              | 20.5            | 26.8            | 26.8            | 30.58           | 3 |
| GeneratedTokens     | 2.3333          | 4               | 1               | 3.0             | 3.6             | 3.6             | 3.96            | 3 |
| GeneratedTokenSpeed | 23.4127 token/s | 28.5714 token/s | 16.6666 token/s | 26.7857 token/s | 27.8571 token/s | 27.8571 token/s | 28.4999 token/s | 3 |
| GeneratedCharacters | 8.0             | 14              | 3               | 10.5            | 12.6            | 12.6            | 13.86           | 3 |
| Tokenizer           | 2.5 ms          | 2.5 ms          | 2.5 ms          | 2.5 ms          | 2.5 ms          | 2.5 ms          | 2.5 ms          | 3 |
| Detokenizer         | 0.0058 ms       | 0.01 ms         | 0.0025 ms       | 0.0075 ms       | 0.009 ms        | 0.009 ms        | 0.0099 ms       | 3 |
| CharactersPerToken  | 3.4286          | /               | /               | /               | /               | /               | /               | 3 |
| PostProcessingTime  | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 3 |
| ForwardTime         | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 0 ms            | 3 |
| PrefillBatchsize    | 1.5             | 2               | 1               | 1.75            | 1.9             | 1.9             | 1.99            | 3 |
| DecoderBatchsize    | 1.3333          | 2               | 1               | 1.5             | 1.8             | /               | 1.98            | 3 |
| QueueWaitTime       | 8571.4286 μs    | 50000 μs        | 0 μs            | 5000.0 μs       | 26000.0 μs      | / μs            | 47600.0 μs      | 3 |
)");
}

TEST(MindieTables, CommonTable) {
  EXPECT_EQ(render(mindieCommonTable(example(), options())),
            R"(| Common Metric          | Value           |
|------------------------|-----------------|
| CurrentTime            | /               |
| TimeElapsed            | 0.16 s          |
| DataSource             | gsm8k           |
| Failed                 | 1( 25.0% )      |
| Returned               | 3( 75.0% )      |
| Total                  | 4[ 100.0% ]     |
| Concurrency            | 2               |
| ModelName              | QwQ-32B         |
| lpct                   | 3.1373 ms       |
| Throughput             | 18.75 req/s     |
| GenerateSpeed          | 43.7499 token/s |
| GenerateSpeedPerClient | 21.8749 token/s |
| accuracy               | /               |
)");
}

TEST(MindieTables, WhatIsNotKnownIsASlash) {
  MindieScheduler scheduler(MindieSettings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 3000, 1, 1, 5, 0, 0}});
  const SimulationResult result = simulate(scheduler, load, timer, {});
  const Table table = mindieTable(result, {}), common = mindieCommonTable(result, {});
  using Cells = std::vector<std::string>;
  EXPECT_EQ(table[1],
            (Cells{"FirstTokenTime", "/ ms", "/ ms", "/ ms", "/ ms", "/ ms", "/ ms", "/ ms", "0"}));
  EXPECT_EQ(table[12], (Cells{"CharactersPerToken", "/", "/", "/", "/", "/", "/", "/", "0"}));
  EXPECT_EQ(common[4], (Cells{"Failed", "1( 100.0% )"}));
  EXPECT_EQ(common[9], (Cells{"lpct", "/ ms"}));
  EXPECT_EQ(common[12], (Cells{"GenerateSpeedPerClient", "/ token/s"}));
}

} // namespace
} // namespace vinci
