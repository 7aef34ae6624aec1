#include "tools/vinci/simulation_trace.h"

#include "runtime/plan/mesh.h"
#include "runtime/plan/streams.h"

namespace vinci {
namespace {

// Processes and threads of the trace.
constexpr uint32_t requestsProcess = 1, firstDevice = 2; ///< then a device for each rank
constexpr uint64_t stepsThread = 0;                      ///< streams are 1, 2, …
constexpr uint64_t hostThread = 1000;

double us(int64_t ns) {
  return double(ns) / 1e3;
}

} // namespace

SimulationTrace::SimulationTrace(const PlanClock &clock, const PlanStepTimer &timer,
                                 uint32_t stepsWithKernels)
    : clock_(clock), timer_(timer), stepsWithKernels_(stepsWithKernels) {
  const fb::Plan &plan = *clock.plan().root();
  const Mesh mesh(plan);
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
    groups_.push_back(mesh.placeAlong(dataAxesOf(plan), rank));
    if (groups_.back() == firstRanks_.size())
      firstRanks_.push_back(rank);
  }
}

void SimulationTrace::add(const SimulatedStep &step) {
  const double start = us(step.startNs);
  for (uint32_t rank = 0; rank < groups_.size(); ++rank) {
    const ScheduledStep &own = step.groups[groups_[rank]];
    const uint32_t device = firstDevice + rank;
    events_.slice(own.empty() ? "padding" : toString(modeOf(step.groups)), device, stepsThread, start,
                  us(step.endNs - step.startNs),
                  {{"prefills", own.prefills.size()},
                   {"decodes", own.decodes.size()},
                   {"device_us", us(step.time.deviceNs)},
                   {"host_us", us(step.time.hostNs)}});
    // A late host begins when the step could, and the step waits for the latest.
    const int64_t late = step.hostDelaysNs.empty() ? 0 : step.hostDelaysNs[rank];
    events_.slice("launch", device, hostThread, start + us(late), us(step.time.hostNs),
                  {{"step", steps_}, {"late_us", us(late)}});
  }
  addCounters(step);
  if (steps_++ < stepsWithKernels_)
    addKernels(step);
}

void SimulationTrace::addCounters(const SimulatedStep &step) {
  const double start = us(step.startNs);
  for (uint32_t group = 0; group < firstRanks_.size(); ++group) {
    const uint32_t device = firstDevice + firstRanks_[group];
    const Scheduler &scheduler = *step.schedulers[group];
    events_.counter("sequences", device, start,
                    {{"prefill", step.groups[group].prefills.size()},
                     {"decode", step.groups[group].decodes.size()},
                     {"waiting", scheduler.waiting()},
                     {"swapped_out", scheduler.swapped()}});
    events_.counter("KV blocks", device, start, {{"in_use", scheduler.deviceBlocks().inUse()}});
  }
}

void SimulationTrace::addKernels(const SimulatedStep &step) {
  const ScheduledStep &busiest = step.groups[busiestGroup(step.groups)];
  const StepRows most = mostRows(step.groups);
  std::vector<StepShape::Part> parts;
  std::vector<uint32_t> contexts;
  for (const PrefillChunk &chunk : busiest.prefills)
    parts.push_back({chunk.first, chunk.tokens});
  for (const DecodeToken &token : busiest.decodes)
    contexts.push_back(token.context);
  const StepShape shape{.mode = modeOf(step.groups),
                        .prefills = parts,
                        .decodeContexts = contexts,
                        .leastTokens = most.tokens,
                        .leastSequences = most.sequences};
  for (uint32_t rank = 0; rank < groups_.size(); ++rank)
    events_.kernels(clock_, PlanStepTimer::entryOf(shape), timer_.recordOf(shape),
                    firstDevice + rank, us(step.startNs));
}

void SimulationTrace::addRequests(const SimulationResult &result) {
  uint64_t number = 0;
  for (const SimulatedRequest &request : result.requests) {
    const uint64_t thread = number++;
    if (request.refused)
      continue;
    const auto part = [&](const char *name, int64_t begin, int64_t end) {
      events_.slice(name, requestsProcess, thread, us(begin), us(end - begin),
                    {{"input_tokens", request.inputTokens},
                     {"output_tokens", request.outputTokens},
                     {"group", request.group}});
    };
    part("first token", request.sentNs, request.firstTokenNs);
    part("decode", request.firstTokenNs, request.lastTokenNs);
  }
}

void SimulationTrace::addNames() {
  events_.nameProcess(requestsProcess, "requests");
  for (uint32_t rank = 0; rank < groups_.size(); ++rank) {
    const uint32_t device = firstDevice + rank;
    events_.nameProcess(device, firstRanks_.size() == 1
                                    ? fmt::format("rank {}", rank)
                                    : fmt::format("rank {}, group {}", rank, groups_[rank]));
    events_.nameThread(device, stepsThread, "steps");
    for (uint32_t stream : clock_.streams())
      events_.nameThread(device, 1 + stream, std::string(streamName(stream)));
    events_.nameThread(device, hostThread, "its host");
  }
}

void SimulationTrace::write(const std::string &path, const SimulationResult &result) {
  addRequests(result);
  addNames();
  events_.write(path);
}

} // namespace vinci
