// A scheduler with the smallest thing that can drive it: outputs of given lengths, steps as texts.
#pragma once

#include "runtime/serving/scheduler.h"
#include "runtime/support/error.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vinci::test {

/// The message of the Error that `action` throws.
std::string messageOf(auto &&action) {
  try {
    action();
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), error.kind() == ErrorKind::Internal ? 70 : 1);
    return error.message();
  }
  return "no error";
}

inline constexpr int64_t us = 1000, ms = 1000 * us, seconds = 1000 * ms;

class Driver {
public:
  explicit Driver(std::unique_ptr<Scheduler> scheduler) : scheduler(std::move(scheduler)) {
    this->scheduler->onEvent([this](const SchedulerEvent &event) { events.push_back(event); });
  }

  /// A request that generates `outputs` tokens if it may.
  Admission submit(uint64_t id, uint32_t inputs, uint32_t outputs, uint32_t priority = 5,
                   std::vector<uint64_t> hashes = {}) {
    const Admission admission =
        scheduler->submit({id, inputs, outputs, priority, std::move(hashes)}, now);
    left[id] = std::min(outputs, admission.maxTokens);
    slots[id] = admission.slot;
    return admission;
  }

  /// Plans a step: "P7:0+61" for a chunk of 61 tokens of request 7 from position 0, "D7" for a
  /// decode; "wait 5000" for a wake time in microseconds, "-" for nothing.
  std::string plan(ScheduledStep &step) {
    if (!scheduler->next(now, step))
      return step.wakeNs ? fmt::format("wait {}", step.wakeNs / us) : "-";
    std::string text;
    for (const PrefillChunk &chunk : step.prefills)
      text +=
          fmt::format("{}P{}:{}+{}", text.empty() ? "" : " ", chunk.id, chunk.first, chunk.tokens);
    for (const DecodeToken &token : step.decodes)
      text += fmt::format("{}D{}", text.empty() ? "" : " ", token.id);
    return text;
  }

  void complete(const ScheduledStep &step) {
    std::vector<uint32_t> finished;
    const auto token = [&](uint64_t id, uint32_t slot) {
      if (left[id] > 0 && --left[id] == 0)
        finished.push_back(slot);
    };
    for (const PrefillChunk &chunk : step.prefills)
      if (chunk.last)
        token(chunk.id, chunk.slot);
    for (const DecodeToken &decode : step.decodes)
      token(decode.id, decode.slot);
    scheduler->complete(step, finished, now);
  }

  std::string step() {
    ScheduledStep step;
    std::string text = plan(step);
    if (!step.empty())
      complete(step);
    return text;
  }

  /// Steps until nothing is left, each taking a millisecond.
  std::vector<std::string> drain(size_t most = 10000) {
    std::vector<std::string> all;
    while (!scheduler->idle() && all.size() < most) {
      all.push_back(step());
      now += ms;
    }
    EXPECT_TRUE(scheduler->idle());
    return all;
  }

  /// The events of a kind: "id=value …".
  std::string saw(SchedulerEventKind kind) const {
    std::string text;
    for (const SchedulerEvent &event : events)
      if (event.kind == kind)
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", event.id, event.value);
    return text;
  }

  std::unique_ptr<Scheduler> scheduler;
  int64_t now = 0;
  std::map<uint64_t, uint32_t> left, slots; ///< by id
  std::vector<SchedulerEvent> events;
};

} // namespace vinci::test
