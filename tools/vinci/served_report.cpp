#include "tools/vinci/served_report.h"

#include <algorithm>
#include <cmath>

namespace vinci {

double round6(double value) {
  return std::round(value * 1e6) / 1e6;
}

Report opRows(const PlanClock &clock, const StepRecord &step) {
  struct Row {
    uint64_t calls = 0;
    double us = 0, p10 = 0, p90 = 0, longest = 0;
    OpTime decides; ///< of the kernel that takes the most
  };
  std::map<std::string, Row> rows;
  double total = 0;
  for (const CommandTime &command : clock.commands(EntryKind::Decode, step)) {
    Row &row = rows[command.kernel->op()->str()];
    const double us = command.time.us * double(command.calls);
    row.calls += command.calls;
    row.us += us;
    row.p10 += command.time.p10 * double(command.calls);
    row.p90 += command.time.p90 * double(command.calls);
    if (us > row.longest) {
      row.longest = us;
      row.decides = command.time;
    }
    total += us;
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(),
                           [](const auto &entry) { return entry.second.us; });
  Report report = Report::array();
  for (const auto &[op, row] : sorted)
    report.push_back({{"op", op},
                      {"calls", row.calls},
                      {"us", round6(row.us)},
                      {"share", round6(row.us / total)},
                      {"p10_us", round6(row.p10)},
                      {"p90_us", round6(row.p90)},
                      {"bound", toString(row.decides.bound)},
                      {"efficiency", round6(row.decides.efficiency)},
                      {"decided_by", row.decides.constant},
                      {"provenance", toString(row.decides.tag)}});
  return report;
}

Report stepReport(const ServedPlan &served, const TypicalStep &typical) {
  const StepRecord record = served.recordOf(typical);
  const StepTimes times = served.clock().time(EntryKind::Decode, record);
  const double hostUs = launchPolicyOf(served.settings(), served.stack())
                            .hostUs(times, times.hostUs, record.mode, true);
  return {{"groups", served.groups()},
          {"sequences", typical.batch},
          {"context", typical.context},
          {"launches", times.launches},
          {"device_ms", round6(times.deviceUs / 1e3)},
          {"device_p10_ms", round6(times.deviceP10 / 1e3)},
          {"device_p90_ms", round6(times.deviceP90 / 1e3)},
          {"host_ms", round6(hostUs / 1e3)},
          {"prefetched_bytes", uint64_t(times.prefetchedBytes)}};
}

Report memoryReport(const MemoryBudget &memory) {
  return {{"capacity_bytes", memory.capacity},
          {"weight_bytes", memory.weights},
          {"activation_bytes", memory.activations},
          {"kv_cache_bytes", memory.kvCache},
          {"kv_blocks", memory.kvBlocks},
          {"kv_tokens", memory.kvTokens},
          {"kv_rule", memory.rule}};
}

/// Of the constants that decide over kernels, and the stack's gap, the one whose range is worth the
/// most in a step of decoding.
static Report dominantConstant(const ServedPlan &served, const TypicalStep &typical) {
  std::map<std::string, double> widths; // microseconds from p10 to p90
  for (const CommandTime &command :
       served.clock().commands(EntryKind::Decode, served.recordOf(typical)))
    widths[std::string(command.time.constant)] +=
        (command.time.p90 - command.time.p10) * double(command.calls);
  const StackProfile &stack = served.stack();
  const auto idle = [&](Estimate estimate) {
    return launchPolicyOf(served.settings(), stack, estimate).idleUs;
  };
  widths["serving_gap"] = plansAhead(served.settings(), stack)
                              ? idle(Estimate::High) - idle(Estimate::Low)
                              : stack.servingGapUs.high - stack.servingGapUs.low;
  const auto &[name, width] =
      *std::ranges::max_element(widths, {}, [](auto &row) { return row.second; });
  return {{"constant", name}, {"p10_to_p90_ms", round6(width / 1e3)}};
}

Report rangeReport(const ServedPlan &served, const ServedLoad &load,
                   const std::optional<TypicalStep> &typical) {
  const auto at = [&](Estimate estimate) { return served.serve(load, {}, estimate).metrics; };
  const ServingMetrics low = at(Estimate::Low), high = at(Estimate::High);
  const auto range = [](double p10, double p90) {
    return Report{{"p10", round6(p10)}, {"p90", round6(p90)}};
  };
  Report report = {{"ttft_ms", range(low.ttftMs.mean, high.ttftMs.mean)},
                   {"tpot_ms", range(low.tpotMs.mean, high.tpotMs.mean)},
                   {"step_ms", range(low.stepMs, high.stepMs)},
                   {"output_tokens_per_s", range(high.outputTokensPerS, low.outputTokensPerS)}};
  if (typical)
    report["dominated_by"] = dominantConstant(served, *typical);
  return report;
}

} // namespace vinci
