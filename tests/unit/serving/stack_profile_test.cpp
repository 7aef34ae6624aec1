#include "runtime/serving/stack_profile.h"

#include "runtime/serving/simulation.h"
#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

const std::string valid = R"(name: test
description: for tests
scheduler: vllm
serving_gap: {value: 1600, unit: us, low: 600, high: 2700, tag: fitted, source: here}
launch_per_op: {value: 35.5, unit: us, tag: measured, source: here}
captured_attention: {value: 150, unit: us, tag: measured, source: here}
tokenizer: {value: 3000, unit: us, tag: estimate, source: here}
tokenizer_processes: {value: 2, unit: processes, tag: documented, source: here}
detokenizer_per_token: {value: 2.4, unit: us, tag: estimate, source: here}
prefill_host_bound: {value: true, tag: estimate, source: here}
captures_decode: {value: false, tag: documented, source: here}
async: {value: false, tag: documented, source: here}
async_hides: {value: 600, unit: us, tag: fitted, source: here}
group_handover: {value: 5, unit: us, tag: estimate, source: here}
jitter_bound: {value: 20, unit: us, tag: estimate, source: here}
jitter_unbound: {value: 150, unit: us, tag: estimate, source: here}
prefill_batch_bound: {value: 0, unit: requests, tag: documented, source: here}
decode_batch_bound: {value: 3, unit: requests, tag: documented, source: here}
)";

/// What is wrong if `part` of the valid profile is `replacement`.
std::string errorWith(std::string_view part, std::string_view replacement) {
  std::string text = valid;
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  text.replace(at, part.size(), replacement);
  try {
    parseStackProfile(text, "s.yaml");
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

TEST(StackProfile, IsRead) {
  const StackProfile profile = parseStackProfile(valid, "s.yaml");
  EXPECT_EQ(profile.name, "test");
  EXPECT_EQ(profile.scheduler, "vllm");
  EXPECT_EQ(profile.servingGapUs.value, 1600);
  EXPECT_EQ(profile.servingGapUs.low, 600);
  EXPECT_EQ(profile.servingGapUs.high, 2700);
  EXPECT_EQ(profile.servingGapUs.tag, StackTag::Fitted);
  EXPECT_EQ(profile.servingGapUs.source, "here");
  EXPECT_EQ(profile.launchUsPerOp.low, 35.5);
  EXPECT_EQ(profile.prefillHostBound.value, 1);
  EXPECT_EQ(profile.async.value, 0);
  EXPECT_EQ(profile.batchBounds().prefill, 0u);
  EXPECT_EQ(profile.batchBounds().decode, 3u);
  const SimulationOptions options = simulationOptions(profile);
  EXPECT_EQ(options.servingGapNs, 1600000);
  EXPECT_EQ(options.tokenizerNs, 3000000);
  EXPECT_EQ(options.tokenizerProcesses, 2u);
}

TEST(StackProfile, IsWrittenAsItIsRead) {
  for (StackProfile profile : stackProfiles()) {
    profile.description += " with \"quotes\", a \\ and a: colon";
    const std::string text = stackProfileYaml(profile);
    const StackProfile read = parseStackProfile(text, "written.yaml");
    EXPECT_EQ(stackProfileYaml(read), text);
    EXPECT_EQ(read.name, profile.name);
    EXPECT_EQ(read.description, profile.description);
    EXPECT_EQ(read.servingGapUs.low, profile.servingGapUs.low);
    EXPECT_EQ(read.tokenizerUs.source, profile.tokenizerUs.source);
    EXPECT_EQ(read.async.value, profile.async.value);
  }
}

TEST(StackProfile, EveryMistakeHasItsPlace) {
  EXPECT_EQ(errorWith("scheduler: vllm", "scheduler: sglang"),
            "s.yaml:3:12: error: scheduler is \"sglang\" (a string); mindie or vllm is expected");
  EXPECT_EQ(errorWith("name: test", "title: test"),
            "s.yaml:1:1: error: unknown key \"title\" in a stack profile; legal are name, "
            "description, scheduler, serving_gap, launch_per_op, captured_attention, tokenizer, tokenizer_processes, "
            "detokenizer_per_token, prefill_host_bound, captures_decode, async, async_hides, "
            "group_handover, "
            "jitter_bound, jitter_unbound, prefill_batch_bound, decode_batch_bound");
  EXPECT_EQ(errorWith("value: 600,", "value: 1700,"),
            "s.yaml:13:14: error: async_hides is 1700, more than serving_gap, 1600, which it is a "
            "part of");
  EXPECT_EQ(errorWith("description: for tests\n", ""),
            "s.yaml:1:1: error: the profile has no description");
  EXPECT_EQ(errorWith("value: 1600", "value: -1"),
            "s.yaml:4:22: error: serving_gap is -1; a number of us from 0 to 1000000 is expected");
  EXPECT_EQ(errorWith("value: 2,", "value: 2.5,"),
            "s.yaml:8:30: error: tokenizer_processes is 2.5; a whole number of processes from 1 to "
            "1024 is expected");
  EXPECT_EQ(errorWith("value: true", "value: 1"),
            "s.yaml:10:29: error: prefill_host_bound is 1; true or false is expected");
  EXPECT_EQ(errorWith("unit: us, low", "unit: ms, low"),
            "s.yaml:4:34: error: the unit of serving_gap is \"ms\" (a string); us is expected");
  EXPECT_EQ(errorWith("unit: us, low", "low"),
            "s.yaml:4:14: error: serving_gap has no unit; us is expected");
  EXPECT_EQ(errorWith("value: false,", "value: false, unit: us,"),
            "s.yaml:11:18: error: captures_decode has a unit; none is expected");
  EXPECT_EQ(errorWith("low: 600", "low: 1700"),
            "s.yaml:4:43: error: serving_gap is 1600, which is not from 1700 to 2700, its low and "
            "high");
  EXPECT_EQ(errorWith("low: 600, ", ""),
            "s.yaml:4:14: error: serving_gap has only one of low and high");
  EXPECT_EQ(errorWith("tag: fitted", "tag: guess"),
            "s.yaml:4:65: error: the tag of serving_gap is \"guess\" (a string); one of measured, "
            "documented, fitted, estimate is expected");
  EXPECT_EQ(errorWith(", source: here", ""), "s.yaml:4:14: error: serving_gap has no source");
  EXPECT_EQ(errorWith("source: here", "source: ''"),
            "s.yaml:4:81: error: source is \"\" (a string); a text is expected");
  EXPECT_EQ(errorWith("tag: fitted", "tag: fitted, from: me"),
            "s.yaml:4:73: error: unknown key \"from\" in serving_gap; legal are value, unit, low, "
            "high, tag, source");
}

TEST(StackProfile, ThoseBuiltInAreValid) {
  ASSERT_EQ(stackProfiles().size(), 6u);
  for (const StackProfile &profile : stackProfiles())
    EXPECT_EQ(&stackProfile(profile.name), &profile);
  EXPECT_EQ(test::messageOf([] { stackProfile("mindie"); }),
            "there is no stack \"mindie\"; there are cann-recipes, mindie-1.0.0-ms, mindie-1.0.t71-ms, "
            "vllm-ascend-0.11, vllm-ascend-0.18, vllm-mindspore");
  EXPECT_EQ(toString(StackTag::Documented), "documented");
}

TEST(StackProfile, TheOlderMindieCannotBatch) {
  const StackProfile &older = stackProfile("mindie-1.0.t71-ms"),
                     &newer = stackProfile("mindie-1.0.0-ms");
  EXPECT_EQ(test::messageOf([&] { checkSettings(MindieSettings(), older.batchBounds()); }),
            "scheduleParam.maxPrefillBatchSize [50] is out of bound [1]");
  EXPECT_EQ(test::messageOf([&] { checkSettings(MindieSettings(), newer.batchBounds()); }),
            "no error");
}

} // namespace
} // namespace vinci
