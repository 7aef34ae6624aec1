#include "tools/vinci/pass_report.h"

#include "runtime/clock/plan_step_timer.h"
#include "runtime/clock/plan_work.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "tools/vinci/memory_map.h"
#include "tools/vinci/pass_graph.h"
#include "tools/vinci/program_diff.h"
#include "tools/vinci/simulation_setup.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace vinci {
namespace {

/// Of the diff of a pass in a report, of one entry in it, and characters of a line: more says
/// nothing that the IR does not say better.
constexpr size_t maxDiffLines = 200, maxEntryLines = 12, maxLineLength = 400;

//===- The steps that numbers are of ----------------------------------------------------------===//

struct MeasuredStep {
  EntryKind entry = EntryKind::Decode;
  std::vector<StepShape::Part> prefills = {};
  std::vector<uint32_t> decodeContexts = {};

  StepShape shape() const {
    return {.mode = entry == EntryKind::Decode ? StepMode::Decode : StepMode::Prefill,
            .prefills = prefills,
            .decodeContexts = decodeContexts};
  }
  StepRecord record() const {
    StepRecord record;
    for (const StepShape::Part &part : prefills)
      record.addSequence(part.tokens, part.first);
    for (uint32_t context : decodeContexts)
      record.addSequence(1, context - 1);
    return record;
  }
};

/// As many prompt tokens as a step takes, in as few sequences as hold them.
MeasuredStep prefillStep(const fb::Limits &limits) {
  MeasuredStep step{.entry = EntryKind::Prefill};
  uint32_t left = limits.max_tokens_per_step();
  while (left > 0 && step.prefills.size() < limits.max_batch()) {
    step.prefills.push_back({.first = 0, .tokens = std::min(left, limits.max_seq_len())});
    left -= step.prefills.back().tokens;
  }
  return step;
}

/// As many sequences as a step takes, each as long as the KV cache has room for all of them.
MeasuredStep decodeStep(const fb::Plan &plan) {
  const fb::Limits &limits = *plan.limits();
  const uint64_t slots = uint64_t(limits.kv_blocks()) * plan.kv_cache()->block_size();
  const uint64_t context =
      std::clamp<uint64_t>(slots / limits.max_batch(), 1, limits.max_seq_len());
  MeasuredStep step{.entry = EntryKind::Decode};
  step.decodeContexts.assign(limits.max_batch(), uint32_t(context));
  return step;
}

//===- Numbers --------------------------------------------------------------------------------===//

/// Whole numbers, so that differences add up to the last digit.
int64_t whole(double value) {
  return std::llround(value);
}

Report workReport(const StepWork &work) {
  return {{"launches", work.launches},         {"collectives", work.collectives},
          {"prefetches", work.prefetches},     {"flops", whole(work.flops)},
          {"hbm_bytes", whole(work.hbmBytes)}, {"collective_bytes", whole(work.collectiveBytes)}};
}

/// The device that times are predicted for.
struct Clock {
  CostModel costs;
  const DeploymentSpec &deployment;

  void addTimes(const Plan &plan, const MeasuredStep &step, Report &numbers) const {
    const PlanClock clock(plan, costs, clockOptionsOf(deployment, Mesh(*plan.root()).ranks()));
    const LaunchPolicy policy = launchPolicyOf(deployment, stackFor(deployment, ""), plan);
    const StepTime time = PlanStepTimer(clock, policy).time(step.shape());
    numbers["device_ns"] = time.deviceNs;
    numbers["host_ns"] = time.hostNs;
    numbers["step_ns"] = time.ns();
  }
};

/// Ops that compute something: what they read of weights and constants is theirs.
size_t countOps(const std::vector<BodyView> &bodies) {
  size_t count = 0;
  for (const BodyView &body : bodies)
    count += size_t(std::ranges::count_if(body.commands, isNode));
  return count;
}

/// What the IR after a pass comes to.
Report measure(const PassRecord &record, const std::optional<Clock> &clock) {
  const Plan plan = Plan::parse(record.plan, record.name);
  uint64_t bufferBytes = 0;
  for (const fb::Buffer *buffer : *plan.root()->buffers())
    bufferBytes += buffer->bytes();
  Report numbers = {{"ops", countOps(record.bodies)},
                    {"arena_bytes", plan.root()->arena_bytes()},
                    {"buffer_bytes", bufferBytes}};
  for (const MeasuredStep &step : {prefillStep(*plan.root()->limits()), decodeStep(*plan.root())}) {
    Report &work = numbers[toString(step.entry)];
    work = workReport(workOf(plan, step.entry, step.record()));
    if (clock)
      clock->addTimes(plan, step, work);
  }
  return numbers;
}

/// b - a, number by number.
Report difference(const Report &a, const Report &b) {
  if (!b.is_object())
    return b.get<int64_t>() - a.get<int64_t>();
  Report result = Report::object();
  for (const auto &[name, value] : b.items())
    result[name] = difference(a.at(name), value);
  return result;
}

//===- What a pass did ------------------------------------------------------------------------===//

/// A unified diff of the bodies, then of the entries, then of what stands around functions.
Report diffReport(const std::vector<BodyView> &before, const std::vector<BodyView> &after) {
  std::vector<UnifiedDiff> diffs = unifiedDiffs(before, after);
  const auto isEntry = [](const std::string &name) {
    return name == toString(EntryKind::Prefill) || name == toString(EntryKind::Decode) ||
           name == toString(EntryKind::Score);
  };
  std::ranges::stable_sort(diffs, {}, [&](const UnifiedDiff &diff) {
    const bool isAround = diff.body == "module" || diff.body == "program";
    return isAround ? 2 : isEntry(diff.body) ? 1 : 0;
  });
  Report lines = Report::array();
  size_t omitted = 0;
  for (const UnifiedDiff &diff : diffs) {
    const size_t room = maxDiffLines - lines.size();
    const size_t shown =
        std::min({diff.lines.size(), room, isEntry(diff.body) ? maxEntryLines : maxDiffLines});
    for (size_t i = 0; i < shown; ++i)
      lines.push_back(diff.lines[i].size() <= maxLineLength
                          ? diff.lines[i]
                          : diff.lines[i].substr(0, maxLineLength) + " …");
    omitted += diff.lines.size() - shown;
  }
  return {{"lines", lines}, {"omitted", omitted}};
}

/// The ops that the pass has made of others.
Report madeReport(const PassRecord &record) {
  Report made = Report::array();
  for (const BodyView &body : record.bodies)
    for (const CommandView &command : body.commands) {
      if (!isNode(command) || command.origin.pass != record.name || command.origin.of.empty())
        continue;
      Report of = Report::array();
      for (const llm::Origin &part : command.origin.of)
        of.push_back({{"op", part.op}, {"role", part.role}});
      made.push_back(
          {{"body", body.name}, {"calls", body.calls}, {"op", command.origin.op}, {"of", of}});
    }
  return made;
}

std::optional<Clock> clockFor(const DeploymentSpec &deployment) {
  const std::string target = deployment.target.valueOr("host");
  if (target == "host")
    return std::nullopt;
  return Clock{CostModel(deviceSpec(target)), deployment};
}

/// The last record of what `keep` accepts that changed anything; null if there is none.
template <typename Keep>
const PassRecord *lastRecord(const std::vector<PassRecord> &records, Keep keep) {
  const PassRecord *last = nullptr;
  for (const PassRecord &record : records)
    if (record.changed && keep(record))
      last = &record;
  return last;
}

} // namespace

Report passReport(const std::vector<PassRecord> &records, const DeploymentSpec &deployment) {
  std::optional<Clock> clock = clockFor(deployment);
  Report noClock;
  std::vector<Report> numbers;
  const auto measureAll = [&] {
    numbers.clear();
    for (const PassRecord &record : records)
      numbers.push_back(record.changed ? measure(record, clock) : numbers.back());
  };
  try {
    measureAll();
  } catch (const Error &error) {
    // Such as a product in a type that the device does not multiply.
    if (!clock || error.kind() == ErrorKind::Internal)
      throw;
    noClock = error.message();
    clock.reset();
    measureAll();
  }

  Report passes = Report::array();
  const std::vector<BodyView> *before = nullptr;
  for (size_t i = 0; i < records.size(); ++i) {
    const PassRecord &record = records[i];
    Report row = {{"pass", record.name},
                  {"phase", record.phase},
                  {"summary", record.summary},
                  {"changed", record.changed},
                  {"after", numbers[i]}};
    if (i > 0) {
      row["change"] = difference(numbers[i - 1], numbers[i]);
      row["made"] = record.changed ? madeReport(record) : Report::array();
      row["diff"] = record.changed ? diffReport(*before, record.bodies)
                                   : Report{{"lines", Report::array()}, {"omitted", 0}};
    }
    if (record.changed)
      before = &record.bodies;
    passes.push_back(std::move(row));
  }

  const PassRecord &last = *lastRecord(records, [](const PassRecord &) { return true; });
  const Plan plan = Plan::parse(last.plan, "the plan");
  const MeasuredStep prefill = prefillStep(*plan.root()->limits()),
                     decode = decodeStep(*plan.root());
  Report report = {
      {"vinci_report", 1},
      {"model", plan.root()->model()->name()->str()},
      {"architecture", plan.root()->model()->architecture()->str()},
      {"layers", plan.root()->model()->num_hidden_layers()},
      {"target", deployment.target.valueOr("host")},
      {"clock", clock ? Report(clock->costs.spec().name) : Report()},
      {"no_clock", noClock},
      {"ranks", Mesh(*plan.root()).ranks()},
      {"steps",
       {{"prefill", {{"tokens", prefill.record().tokens}, {"sequences", prefill.prefills.size()}}},
        {"decode",
         {{"sequences", decode.decodeContexts.size()},
          {"context", decode.decodeContexts.front()}}}}},
      {"passes", passes},
      {"total", difference(numbers.front(), numbers.back())}};
  const auto fused = [](const PassRecord &record) { return record.phase == "fuse"; };
  const PassRecord *fusedRecord = lastRecord(records, fused);
  report["graphs"] = fusedRecord ? passGraphs(*lastRecord(records,
                                                          [](const PassRecord &record) {
                                                            return record.phase.empty() ||
                                                                   record.phase == "partition";
                                                          }),
                                              *fusedRecord, *plan.root())
                                 : Report::array();
  report["memory"] = memoryMap(*plan.root());
  return report;
}

} // namespace vinci
