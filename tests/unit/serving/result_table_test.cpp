#include "runtime/serving/result_table.h"

#include "runtime/support/json.h"
#include "runtime/support/lengths.h"
#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

std::string published(const std::string &name) {
  return readTextFile(VINCI_SOURCE_DIR "/tests/golden/data/benchmarks/" + name, size_t(1) << 20);
}

std::string errorWith(const std::string &name, std::string_view part, std::string_view other) {
  std::string text = published(name);
  const size_t at = text.find(part);
  EXPECT_NE(at, text.npos) << part;
  text.replace(at, part.size(), other);
  try {
    parseResultTable(text, "run.txt");
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

TEST(ResultTable, MindiesTablesAreRead) {
  const MeasuredRun run = parseResultTable(published("mindie-run-b.txt"), "b.txt");
  EXPECT_EQ(run.format, "mindie");
  EXPECT_EQ(run.requests, 200u);
  EXPECT_EQ(run.concurrency, 10u);
  EXPECT_DOUBLE_EQ(run.elapsedS, 294.5528);
  EXPECT_DOUBLE_EQ(run.ttftMs, 97.07);
  EXPECT_DOUBLE_EQ(run.tokenGapMs, 29.1162);
  EXPECT_DOUBLE_EQ(run.outputTokensPerS, 327.3233);
  EXPECT_DOUBLE_EQ(run.decodeBatch.value(), 9.7255);
}

TEST(ResultTable, LengthsHaveTheTablesMean) {
  for (const auto &[name, outputs] :
       {std::pair("mindie-run-a.txt", 449.32), std::pair("mindie-run-b.txt", 482.07)}) {
    const MeasuredRun run = parseResultTable(published(name), name);
    EXPECT_NEAR(LengthDistribution::parse(run.inputTokens, "in", {}).mean(), 60.89, 0.01);
    EXPECT_NEAR(LengthDistribution::parse(run.outputTokens, "out", {}).mean(), outputs, 0.01);
  }
}

TEST(ResultTable, EvalscopesSummaryIsRead) {
  const MeasuredRun run = parseResultTable(published("evalscope.txt"), "e.txt");
  EXPECT_EQ(run.format, "evalscope");
  EXPECT_EQ(run.requests, 32u);
  EXPECT_EQ(run.concurrency, 32u);
  EXPECT_DOUBLE_EQ(run.ttftMs, 19200);
  EXPECT_DOUBLE_EQ(run.tokenGapMs, 57.1);
  EXPECT_EQ(run.inputTokens, "fixed:16384");
  EXPECT_EQ(run.outputTokens, "fixed:2048");
}

TEST(ResultTable, EveryMistakeHasItsPlace) {
  const auto with = [](std::string_view part, std::string_view other) {
    return errorWith("mindie-run-b.txt", part, other);
  };
  EXPECT_EQ(with("97.07 ms", "fast"),
            "run.txt:2:20: error: FirstTokenTime is 'fast'; a number of ms is expected");
  EXPECT_EQ(with("97.07 ms", "97.07 token/s"),
            "run.txt:2:20: error: FirstTokenTime is in 'token/s'; ms is expected");
  EXPECT_EQ(with("97.07 ms", "-97.07 ms"),
            "run.txt:2:20: error: FirstTokenTime is -97.07 ms; a number from 0 is expected");
  EXPECT_EQ(with("97.07 ms", "0 ms"),
            "run.txt:2:20: error: FirstTokenTime is 0; a number above 0 is expected");
  EXPECT_EQ(with("97.07 ms", "0.09707 s"), "no error");
  EXPECT_EQ(with("| DecodeTime |", "| DecodeT |"),
            "run.txt: error: the table has no row DecodeTime");
  EXPECT_EQ(with("| TimeElapsed |", "| T |"), "run.txt: error: the table has no row TimeElapsed");
  EXPECT_EQ(with("InputTokens | 60.89 | 139 | 25 |", "InputTokens | 60.89 | 139 |\n| rest |"),
            "run.txt:7:3: error: InputTokens has 3 columns; min is column 4");
  EXPECT_EQ(with("InputTokens | 60.89 | 139", "InputTokens | 60.89 | 100"),
            "run.txt:7:17: error: InputTokens has min 25, average 60.89, P75 71, P90 87.2, P99 "
            "110.05 and max 100, which do not rise");
  EXPECT_EQ(with("Failed | 0(", "Failed | 3("),
            "run.txt:26:12: error: 3 requests failed; a run without failures is expected");
  EXPECT_EQ(with("Concurrency | 10", "Concurrency | 2.5"),
            "run.txt:29:17: error: Concurrency is 2.5; a whole number from 1 to 1000000000 is "
            "expected");
  EXPECT_EQ(errorWith("evalscope.txt", "| Total requests  ", "| Requests  "),
            "run.txt: error: the table has no row Total requests");
  EXPECT_EQ(errorWith("evalscope.txt", "Failed requests                   |     0.0000",
                      "Failed requests                   |     2.0000"),
            "run.txt:14:43: error: 2.0000 requests failed; a run without failures is expected");
  const std::string legal =
      "; the tables of MindIE's benchmark (rows FirstTokenTime, DecodeTime, …) or evalscope's "
      "summary (Average time to first token (s), …) are expected";
  EXPECT_EQ(test::messageOf([] { parseResultTable("no bars here\n", "x"); }),
            "there is no table" + legal);
  EXPECT_EQ(test::messageOf([] { parseResultTable("| a | 1 |\n", "x"); }),
            "this table is of no benchmark that Vinci knows" + legal);
}

} // namespace
} // namespace vinci
