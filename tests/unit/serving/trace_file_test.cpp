#include "runtime/serving/trace_file.h"

#include "tests/unit/serving/scheduler_test.h"

#include <filesystem>
#include <fstream>

namespace vinci {
namespace {

std::string errorOf(const std::string &text) {
  try {
    parseTrace("t.jsonl", text);
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

TEST(TraceFile, OneRequestPerLine) {
  const auto requests =
      parseTrace("t.jsonl", R"({"arrival_ms": 0, "input_tokens": 61, "output_tokens": 512}

{"arrival_ms": 12.0000005, "input_tokens": 1, "output_tokens": 2, "max_tokens": 9, "priority": 1}
{"arrival_ms": 12.0000005, "input_tokens": 40, "output_tokens": 2, "prefix": 7, "prefix_tokens": 32})");
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0], (TraceRequest{0, 61, 512, 512, 5, 0, 0}));
  EXPECT_EQ(requests[1], (TraceRequest{12000001, 1, 2, 9, 1, 0, 0}));
  EXPECT_EQ(requests[2], (TraceRequest{12000001, 40, 2, 2, 5, 7, 32}));
}

TEST(TraceFile, IsReadFromDisk) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "vinci-trace.jsonl";
  std::ofstream(path) << R"({"arrival_ms": 3, "input_tokens": 1, "output_tokens": 1})"
                      << "\n";
  EXPECT_EQ(readTraceFile(path.string()).front().arrivalNs, 3000000);
  std::filesystem::remove(path);
  try {
    readTraceFile(path.string());
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.what(), path.string() + ": error: no such file");
  }
}

TEST(TraceFile, EveryMistakeHasItsPlace) {
  const std::string good = R"({"arrival_ms": 5, "input_tokens": 1, "output_tokens": 1})"
                           "\n";
  EXPECT_EQ(errorOf(""),
            "t.jsonl: error: the trace has no requests; at least one line is expected");
  EXPECT_EQ(errorOf("[1]"),
            "t.jsonl:1:1: error: a line of a trace is an array of 1; an object with "
            "arrival_ms, input_tokens, output_tokens is expected");
  EXPECT_EQ(
      errorOf(good + R"({"arrival_ms": 5, "input_tokens": 1})"),
      "t.jsonl:2:1: error: output_tokens is missing; a request has arrival_ms, input_tokens and "
      "output_tokens");
  EXPECT_EQ(errorOf(good + R"({"arrival_ms": 4.5, "input_tokens": 1, "output_tokens": 1})"),
            "t.jsonl:2:16: error: arrival_ms is 4.5; at least 5, that of the request above, is "
            "expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": -1, "input_tokens": 1, "output_tokens": 1})"),
            "t.jsonl:1:16: error: arrival_ms is -1; a number from 0 to 31622400000 is expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": "0", "input_tokens": 1, "output_tokens": 1})"),
            "t.jsonl:1:16: error: arrival_ms is \"0\" (a string); a number is expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": 0, "input_tokens": 0, "output_tokens": 1})"),
            "t.jsonl:1:35: error: input_tokens is 0; an integer from 1 to 2147483647 is expected");
  EXPECT_EQ(
      errorOf(R"({"arrival_ms": 0, "input_tokens": 1, "output_tokens": 1.5})"),
      "t.jsonl:1:55: error: output_tokens is 1.5; an integer from 1 to 2147483647 is expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": 0, "input_tokens": 1, "output_tokens": 1, "priority": 6})"),
            "t.jsonl:1:70: error: priority is 6; an integer from 1 to 5 is expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": 0, "input_tokens": 1, "output_tokens": 1, "max_tokens": 0})"),
            "t.jsonl:1:72: error: max_tokens is 0; an integer from 1 to 2147483647 is expected");
  EXPECT_EQ(errorOf(R"({"arrival_ms": 0, "input_tokens": 1, "output_tokens": 1, "prefix": 0})"),
            "t.jsonl:1:1: error: prefix and prefix_tokens belong together; only prefix is there");
  EXPECT_EQ(
      errorOf(
          R"({"arrival_ms": 0, "input_tokens": 1, "output_tokens": 1, "prefix": 0, "prefix_tokens": 2})"),
      "t.jsonl:1:88: error: prefix_tokens is 2; an integer from 1 to 1 is expected");
  EXPECT_EQ(errorOf(R"({"arrival": 0, "input_tokens": 1, "output_tokens": 1})"),
            "t.jsonl:1:2: error: unknown field \"arrival\"; legal fields are arrival_ms, "
            "input_tokens, output_tokens, max_tokens, priority, prefix, prefix_tokens");
  EXPECT_TRUE(errorOf(good + good + "{\"arrival_ms\": 5,").starts_with("t.jsonl:3:"));
}

} // namespace
} // namespace vinci
