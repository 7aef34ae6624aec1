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
  Simulation(Scheduler &scheduler, Load &load, StepTimer &timer, const SimulationOptions &options)
      : scheduler_(scheduler), load_(load), options_(options), times_(timer, options.contextBucket),
        tokenizers_(options.tokenizerProcesses) {}

  SimulationResult run();

private:
  /// A step that the device has not finished, or whose results the host has not seen.
  struct Flight {
    ScheduledStep step;
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
  bool start();
  int64_t delayOf(const StepTime &time);
  void finishOldest();
  void takeToken(uint64_t id, uint32_t slot);

  Scheduler &scheduler_;
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
  std::vector<ScheduledStep> spare_; ///< steps whose memory is used again
  std::vector<uint32_t> finished_;
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
  if (!scheduler_.cachesPrefixes())
    return result;
  // Names instead of tokens: a block's is that of the prefix, or that of the request behind it.
  const uint32_t size = scheduler_.blockSize();
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

void Simulation::submitArrived() {
  while (nextArrival() <= now_) {
    const auto [ns, request] = arriving_.front();
    arriving_.pop_front();
    SimulatedRequest &record = result_.requests.emplace_back();
    Progress &progress = progress_.emplace_back();
    record.sentNs = request.sentNs;
    record.submittedNs = progress.readyNs = ns;
    try {
      const Admission admission = scheduler_.submit(describe(request), ns);
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
  double first = 0, last = 0;
  for (uint32_t rank = 0; rank < jitter.ranks; ++rank) {
    const double draw =
        uniformAt(jitter.seed, result_.steps * jitter.ranks + rank, RandomStream::HostJitter);
    const double delay = -std::log1p(-draw) * double(jitter.meanNs);
    first = rank == 0 ? delay : std::min(first, delay);
    last = std::max(last, delay);
  }
  result_.skewsNs.add(std::round(last - first));
  const int64_t slack =
      scheduler_.stepsAhead() > 1 ? std::max<int64_t>(0, time.deviceNs - time.hostNs) : 0;
  return std::max<int64_t>(0, std::llround(last) - slack);
}

/// Plans a step and puts it on the device. False if there is nothing to compute.
bool Simulation::start() {
  if (spare_.empty())
    spare_.emplace_back();
  Flight flight{std::move(spare_.back())};
  spare_.pop_back();
  ScheduledStep &step = flight.step;
  const bool any = scheduler_.next(now_, step);
  if (!any) {
    spare_.push_back(std::move(step));
    return false;
  }
  const StepTime time = times_.time(step);
  const int64_t start = std::max(now_, deviceFreeNs_);
  flight.endNs = start + time.ns() + delayOf(time);

  for (const PrefillChunk &chunk : step.prefills)
    result_.queueWaitsNs.add(double(std::max<int64_t>(0, start - progress_[chunk.id].readyNs)));
  for (const DecodeToken &token : step.decodes)
    result_.queueWaitsNs.add(double(std::max<int64_t>(0, start - progress_[token.id].readyNs)));
  if (!step.prefills.empty())
    result_.prefillBatches.add(double(step.prefills.size()));
  if (!step.decodes.empty())
    result_.decodeBatches.add(double(step.decodes.size()));

  const bool onlyDecodes = step.prefills.empty();
  const int64_t since = pause_ ? start : deviceFreeNs_;
  if (onlyDecodes && lastDecoded_ && !pause_) {
    if (result_.steadyDecodes.size() <= step.decodes.size())
      result_.steadyDecodes.resize(step.decodes.size() + 1);
    SimulationResult::Steady &steady = result_.steadyDecodes[step.decodes.size()];
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
    options_.onStep({step, time, now_, start, flight.endNs});
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
  finished_.clear();
  for (const PrefillChunk &chunk : flight.step.prefills)
    if (chunk.last)
      takeToken(chunk.id, chunk.slot);
  for (const DecodeToken &token : flight.step.decodes)
    takeToken(token.id, token.slot);
  scheduler_.complete(flight.step, finished_, now_);
  spare_.push_back(std::move(flight.step));
}

SimulationResult Simulation::run() {
  if (options_.keepEvents)
    scheduler_.onEvent([this](const SchedulerEvent &event) { result_.events.push_back(event); });
  while (true) {
    submitArrived();
    int64_t wake = Load::never;
    if (flights_.size() < scheduler_.stepsAhead()) {
      if (start())
        continue;
      if (const int64_t wanted = spare_.back().wakeNs; wanted > now_)
        wake = wanted;
      wake = std::min(wake, nextArrival());
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
  if (!scheduler_.idle())
    failInternal("the simulation ends with {} requests waiting, {} running and {} swapped out",
                 scheduler_.waiting(), scheduler_.running(), scheduler_.swapped());
  scheduler_.onEvent({});
  int64_t end = 0;
  for (const SimulatedRequest &request : result_.requests)
    end = std::max(end, request.lastTokenNs);
  if (!result_.requests.empty())
    result_.elapsedNs = std::max<int64_t>(0, end - result_.requests.front().sentNs);
  result_.counters = scheduler_.counters();
  result_.blocks = scheduler_.deviceBlocks().counters();
  return std::move(result_);
}

} // namespace

SimulationResult simulate(Scheduler &scheduler, Load &load, StepTimer &timer,
                          const SimulationOptions &options) {
  if (options.jitter.meanNs < 0)
    fail("a jitter of {} ns; a time from 0 is expected", options.jitter.meanNs);
  if (options.servingGapNs < 0 || options.tokenizerNs < 0 || options.tokenizerProcesses == 0)
    fail("a serving gap of {} ns and {} tokenizers that take {} ns; times from 0 and at least one "
         "tokenizer are expected",
         options.servingGapNs, options.tokenizerProcesses, options.tokenizerNs);
  return Simulation(scheduler, load, timer, options).run();
}

} // namespace vinci
