#include "runtime/serving/simulation.h"

#include "runtime/support/error.h"
#include "runtime/support/philox.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>

namespace vinci {

SimulationOptions simulationOptions(const StackProfile &stack) {
  SimulationOptions options;
  options.servingGapNs = std::llround(stack.servingGapUs.value * 1e3);
  options.tokenizerNs = std::llround(stack.tokenizerUs.value * 1e3);
  options.tokenizerProcesses = uint32_t(stack.tokenizerProcesses.value);
  return options;
}

namespace {

class Simulation {
public:
  Simulation(std::span<Scheduler *const> groups, Load &load, StepTimer &timer,
             const SimulationOptions &options)
      : groups_(groups), load_(load), options_(options), times_(timer, options.contextBucket),
        tokenizers_(options.tokenizerProcesses) {}

  SimulationResult run();

private:
  /// A step that the device has not finished, or whose results the host has not seen.
  struct Flight {
    std::vector<ScheduledStep> groups;
    int64_t endNs = 0;
  };
  /// What only the simulation knows of a request.
  struct Progress {
    uint32_t toGenerate = 0;
    int64_t readyNs = 0; ///< may be in a step from then on
  };

  int64_t nextArrival();
  void submitArrived();
  SchedulerRequest describe(const LoadRequest &request) const;
  uint32_t groupFor() const;
  bool start();
  int64_t delayOf(const StepTime &time);
  void finishOldest();
  void takeToken(uint64_t id, uint32_t slot);
  void sample(const std::vector<ScheduledStep> &groups, int64_t startNs);
  void sumCounters();
  const Scheduler &first() const { return *groups_.front(); }

  const std::span<Scheduler *const> groups_;
  Load &load_;
  const SimulationOptions &options_;
  StepTimeCache times_;
  SimulationResult result_;
  std::vector<Progress> progress_;

  struct Arrival {
    int64_t ns;
    LoadRequest request;
  };
  std::deque<Arrival> arriving_;    ///< being tokenized, in order
  std::vector<int64_t> tokenizers_; ///< when each is free

  int64_t now_ = 0; ///< of the host
  std::deque<Flight> flights_;
  std::vector<std::vector<ScheduledStep>> spare_; ///< steps whose memory is used again
  int64_t wakeNs_ = Load::never; ///< when a group that had nothing to compute may have something
  uint32_t mostRunning_ = 0;     ///< of all groups
  std::vector<uint32_t> finished_;
  std::vector<int64_t> delays_; ///< of the ranks' hosts in this step
  int64_t deviceFreeNs_ = 0;
  bool pause_ = true; ///< there was nothing to do since the last step
  bool lastDecoded_ = false;
};

/// never if nothing arrives before something is answered. What is to be sent later than now may yet
/// be overtaken by a client that is answered until then, and stays where it is.
int64_t Simulation::nextArrival() {
  const auto arrival = [&] {
    return std::max(std::ranges::min(tokenizers_), load_.nextNs()) + options_.tokenizerNs;
  };
  while (load_.nextNs() <= now_) {
    arriving_.push_back({arrival(), load_.take()});
    *std::ranges::min_element(tokenizers_) = arriving_.back().ns;
  }
  if (!arriving_.empty())
    return arriving_.front().ns;
  return load_.nextNs() == Load::never ? Load::never : arrival();
}

SchedulerRequest Simulation::describe(const LoadRequest &request) const {
  SchedulerRequest result;
  result.id = request.index;
  result.inputTokens = request.inputTokens;
  result.maxTokens = request.maxTokens;
  result.priority = request.priority;
  if (!first().cachesPrefixes())
    return result;
  // Names instead of tokens: a block's is that of the prefix, or that of the request behind it.
  const uint32_t size = first().blockSize();
  for (uint32_t end = size; end <= request.inputTokens; end += size) {
    const bool shared = end <= request.prefixTokens;
    const uint64_t owner = shared ? request.prefix : request.index;
    const std::array<int32_t, 3> name = {int32_t(uint32_t(owner)), int32_t(uint32_t(owner >> 32)),
                                         int32_t(shared)};
    result.blockHashes.push_back(
        hashBlock(result.blockHashes.empty() ? 0 : result.blockHashes.back(), name));
  }
  return result;
}

uint32_t Simulation::groupFor() const {
  const auto load = [](const Scheduler *group) {
    return 4 * (group->waiting() + group->swapped()) + group->running();
  };
  return uint32_t(std::ranges::min_element(groups_, {}, load) - groups_.begin());
}

void Simulation::submitArrived() {
  while (nextArrival() <= now_) {
    const auto [ns, request] = arriving_.front();
    arriving_.pop_front();
    SimulatedRequest &record = result_.requests.emplace_back();
    Progress &progress = progress_.emplace_back();
    record.sentNs = request.sentNs;
    record.submittedNs = progress.readyNs = ns;
    record.group = groupFor();
    try {
      const Admission admission = groups_[record.group]->submit(describe(request), ns);
      record.inputTokens = admission.inputTokens;
      progress.toGenerate = std::min(request.outputTokens, admission.maxTokens);
      if (options_.keepTokens)
        record.tokenNs.reserve(progress.toGenerate);
    } catch (const Error &error) {
      if (error.kind() == ErrorKind::Internal)
        throw;
      record.refused = true;
      if (result_.firstRefusal.empty())
        result_.firstRefusal = error.message();
      load_.answered(now_);
    }
  }
}

/// What the next step takes longer because the latest rank's host is late. A host that has planned
/// ahead is late only by what it comes after the device.
int64_t Simulation::delayOf(const StepTime &time) {
  const HostJitter &jitter = options_.jitter;
  if (jitter.meanNs == 0 || jitter.ranks < 2)
    return 0;
  delays_.resize(jitter.ranks);
  double earliest = 0, latest = 0;
  for (uint32_t rank = 0; rank < jitter.ranks; ++rank) {
    const double draw =
        uniformAt(jitter.seed, result_.steps * jitter.ranks + rank, RandomStream::HostJitter);
    const double delay = -std::log1p(-draw) * double(jitter.meanNs);
    delays_[rank] = std::llround(delay);
    earliest = rank == 0 ? delay : std::min(earliest, delay);
    latest = std::max(latest, delay);
  }
  result_.skewsNs.add(std::round(latest - earliest));
  const int64_t slack =
      first().stepsAhead() > 1 ? std::max<int64_t>(0, time.deviceNs - time.hostNs) : 0;
  return std::max<int64_t>(0, std::llround(latest) - slack);
}

/// What `groups` have in the step that starts.
void Simulation::sample(const std::vector<ScheduledStep> &groups, int64_t startNs) {
  const auto wait = [&](uint64_t id) {
    result_.queueWaitsNs.add(double(std::max<int64_t>(0, startNs - progress_[id].readyNs)));
  };
  for (const ScheduledStep &step : groups) {
    for (const PrefillChunk &chunk : step.prefills)
      wait(chunk.id);
    for (const DecodeToken &token : step.decodes)
      wait(token.id);
    if (!step.prefills.empty())
      result_.prefillBatches.add(double(step.prefills.size()));
    if (!step.decodes.empty())
      result_.decodeBatches.add(double(step.decodes.size()));
  }
}

/// Plans a step and puts it on the device. False if no group has anything to compute.
bool Simulation::start() {
  if (spare_.empty())
    spare_.emplace_back(groups_.size());
  Flight flight{std::move(spare_.back())};
  spare_.pop_back();
  bool any = false;
  uint32_t running = 0;
  wakeNs_ = Load::never;
  for (size_t i = 0; i < groups_.size(); ++i) {
    ScheduledStep &step = flight.groups[i];
    if (groups_[i]->next(now_, step))
      any = true;
    else if (step.wakeNs > now_)
      wakeNs_ = std::min(wakeNs_, step.wakeNs);
    running += uint32_t(groups_[i]->running());
  }
  mostRunning_ = std::max(mostRunning_, running);
  if (!any) {
    spare_.push_back(std::move(flight.groups));
    return false;
  }
  const StepTime time = times_.time(flight.groups);
  const int64_t start = std::max(now_, deviceFreeNs_);
  flight.endNs = start + time.ns() + delayOf(time);
  sample(flight.groups, start);

  const bool onlyDecodes = modeOf(flight.groups) == StepMode::Decode;
  const int64_t since = pause_ ? start : deviceFreeNs_;
  if (onlyDecodes && lastDecoded_ && !pause_) {
    size_t decodes = 0;
    for (const ScheduledStep &step : flight.groups)
      decodes += step.decodes.size();
    if (result_.steadyDecodes.size() <= decodes)
      result_.steadyDecodes.resize(decodes + 1);
    SimulationResult::Steady &steady = result_.steadyDecodes[decodes];
    ++steady.steps;
    steady.ns += flight.endNs - since;
  }
  result_.busyNs += flight.endNs - since;
  result_.deviceNs += time.deviceNs;
  ++result_.steps;
  pause_ = false;
  lastDecoded_ = onlyDecodes;
  deviceFreeNs_ = flight.endNs;
  if (options_.onStep)
    options_.onStep({flight.groups, groups_, time, now_, start, flight.endNs, delays_});
  flights_.push_back(std::move(flight));
  return true;
}

void Simulation::takeToken(uint64_t id, uint32_t slot) {
  SimulatedRequest &request = result_.requests[id];
  Progress &progress = progress_[id];
  if (request.outputTokens == progress.toGenerate)
    return; // had ended when this step was planned ahead
  if (request.outputTokens++ == 0) {
    request.firstTokenNs = now_;
  } else {
    request.lastGapNs = now_ - request.lastTokenNs;
    request.largestGapNs = std::max(request.largestGapNs, request.lastGapNs);
    result_.gapsNs.add(double(request.lastGapNs));
  }
  request.lastTokenNs = progress.readyNs = now_;
  if (options_.keepTokens)
    request.tokenNs.push_back(now_);
  if (request.outputTokens == progress.toGenerate) {
    finished_.push_back(slot);
    load_.answered(now_);
  }
}

/// Waits for the device and does what is to be done between steps.
void Simulation::finishOldest() {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  now_ = std::max(now_, flight.endNs) + options_.servingGapNs;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const ScheduledStep &step = flight.groups[i];
    finished_.clear();
    for (const PrefillChunk &chunk : step.prefills)
      if (chunk.last)
        takeToken(chunk.id, chunk.slot);
    for (const DecodeToken &token : step.decodes)
      takeToken(token.id, token.slot);
    if (!step.empty())
      groups_[i]->complete(step, finished_, now_);
  }
  spare_.push_back(std::move(flight.groups));
}

void Simulation::sumCounters() {
  for (const Scheduler *group : groups_) {
    result_.counters += group->counters();
    const KvBlocks::Counters &blocks = group->deviceBlocks().counters();
    result_.blocks.movedOut += blocks.movedOut;
    result_.blocks.movedIn += blocks.movedIn;
    result_.blocks.evicted += blocks.evicted;
    result_.blocks.mostInUse = std::max(result_.blocks.mostInUse, blocks.mostInUse);
  }
  if (groups_.size() > 1)
    result_.counters.mostRunning = mostRunning_;
}

SimulationResult Simulation::run() {
  if (options_.keepEvents)
    for (Scheduler *group : groups_)
      group->onEvent([this](const SchedulerEvent &event) { result_.events.push_back(event); });
  while (true) {
    submitArrived();
    int64_t wake = Load::never;
    if (flights_.size() < first().stepsAhead()) {
      if (start())
        continue;
      wake = std::min(wakeNs_, nextArrival());
    }
    if (!flights_.empty() && (wake == Load::never || flights_.front().endNs <= wake)) {
      finishOldest();
    } else if (wake != Load::never) {
      pause_ |= flights_.empty();
      now_ = std::max(now_, wake);
    } else {
      break;
    }
  }
  for (Scheduler *group : groups_) {
    if (!group->idle())
      failInternal("the simulation ends with {} requests waiting, {} running and {} swapped out",
                   group->waiting(), group->running(), group->swapped());
    group->onEvent({});
  }
  int64_t end = 0;
  for (const SimulatedRequest &request : result_.requests)
    end = std::max(end, request.lastTokenNs);
  if (!result_.requests.empty())
    result_.elapsedNs = std::max<int64_t>(0, end - result_.requests.front().sentNs);
  sumCounters();
  return std::move(result_);
}

} // namespace

SimulationResult simulate(std::span<Scheduler *const> groups, Load &load, StepTimer &timer,
                          const SimulationOptions &options) {
  if (groups.empty())
    fail("a simulation of no data-parallel group; at least one is expected");
  if (options.jitter.meanNs < 0)
    fail("a jitter of {} ns; a time from 0 is expected", options.jitter.meanNs);
  if (options.servingGapNs < 0 || options.tokenizerNs < 0 || options.tokenizerProcesses == 0)
    fail("a serving gap of {} ns and {} tokenizers that take {} ns; times from 0 and at least one "
         "tokenizer are expected",
         options.servingGapNs, options.tokenizerProcesses, options.tokenizerNs);
  return Simulation(groups, load, timer, options).run();
}

} // namespace vinci
