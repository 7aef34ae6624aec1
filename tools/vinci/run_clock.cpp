#include "tools/vinci/run_clock.h"

#include "runtime/plan/mesh.h"
#include "runtime/plan/streams.h"
#include "runtime/support/error.h"
#include "tools/vinci/trace_events.h"

#include <cmath>
#include <fmt/ranges.h>

namespace vinci {

void addClockFlags(CLI::App &command, ClockFlags &flags) {
  constexpr const char *group = "Virtual clock";
  command
      .add_option(
          "--clock", flags.clock,
          "Tell what an NPU would take for the same steps: on or off (default: on for a target "
          "that is one, and with --device)")
      ->group(group);
  command
      .add_option("--device", flags.device,
                  "Specification of that NPU: a shipped one or FILE.yaml (default: the target's)")
      ->group(group);
  command
      .add_option("--trace", flags.trace,
                  "Write what happened when, by both clocks, for Perfetto or chrome://tracing")
      ->group(group);
  command
      .add_option("--trace-steps", flags.traceSteps,
                  "Steps at the beginning of which the trace shows every kernel (default: 4)")
      ->group(group);
}

std::optional<DeviceSpec> clockDevice(const ClockFlags &flags, const DeploymentSpec &deployment) {
  if (!flags.clock.empty() && flags.clock != "on" && flags.clock != "off")
    fail("--clock is '{}'; on and off are legal", flags.clock);
  if (flags.clock == "off") {
    if (!flags.device.empty() || !flags.trace.empty())
      fail("--clock off contradicts --device and --trace, which are for the clock");
    return std::nullopt;
  }
  if (!flags.device.empty())
    return deviceSpec(flags.device);
  if (const std::string target = deployment.target.valueOr("host"); target != "host")
    return deviceSpec(target);
  if (!flags.clock.empty() || !flags.trace.empty())
    throw Error(ErrorKind::Usage, {},
                fmt::format("the clock has no NPU: --target is 310p3, 910b3 or a3, or --device a "
                            "specification: {} or a .yaml file",
                            fmt::join(deviceSpecNames(), ", ")));
  return std::nullopt;
}

RunClock::RunClock(const Plan &plan, const DeviceSpec &device, const DeploymentSpec &deployment)
    : costs_(device), clock_(plan, costs_, clockOptionsOf(deployment, Mesh(*plan.root()).ranks())),
      stack_(stackFor(deployment, "")), policy_(launchPolicyOf(deployment, stack_, plan)),
      gap_{stack_.servingGapUs.value,
           plansAhead(servingSettingsOf(deployment, stack_, plan), stack_)} {
  // What the device cannot run is said before the model runs.
  StepRecord step;
  step.addSequence(1, 0);
  clock_.time(EntryKind::Decode, step);
}

void RunClock::finish(const StepRecorder &recorder) {
  recorder_ = &recorder;
  run_.emplace(recorder, clock_, policy_, gap_);
}

static double milliseconds(double us) {
  return std::round(us) / 1e3;
}

/// When the first step that the request could be in begins; the run's end if there was none.
double RunClock::admittedAt(const RequestSteps &steps) const {
  return steps.admitted < run_->size() ? run_->begin(steps.admitted) : run_->known(run_->size());
}

Report RunClock::timing(const Result &result) const {
  const double admitted = admittedAt(result.steps);
  const double first = run_->known(result.steps.firstToken);
  const double decodeUs = run_->known(result.steps.finished) - first;
  const double gaps = result.outputIds.empty() ? 0 : double(result.outputIds.size() - 1);
  return {{"prefill_ms", milliseconds(first - admitted)},
          {"decode_ms", milliseconds(decodeUs)},
          {"tokens_per_s", decodeUs > 0 ? std::round(gaps / decodeUs * 1e9) / 1e3 : 0}};
}

Report RunClock::summary() const {
  double steps = 0, device = 0, host = 0, measured = 0;
  for (size_t i = 0; i < run_->size(); ++i) {
    steps += run_->step(i).us();
    device += run_->step(i).deviceUs;
    host += run_->step(i).hostUs;
    measured += recorder_->steps()[i].measuredUs;
  }
  return {
      {"device", costs_.spec().name},    {"stack", stack_.name},
      {"steps", run_->size()},           {"virtual_ms", milliseconds(run_->known(run_->size()))},
      {"steps_ms", milliseconds(steps)}, {"device_ms", milliseconds(device)},
      {"host_ms", milliseconds(host)},   {"measured_ms", milliseconds(measured)}};
}

void RunClock::print() const {
  const Report all = summary();
  fmt::print(
      stderr,
      "{} steps take {} ms on {} (device {}, host beside it {}), {} ms behind {}; here {} ms\n",
      all["steps"].dump(), all["steps_ms"].dump(), costs_.spec().name, all["device_ms"].dump(),
      all["host_ms"].dump(), all["virtual_ms"].dump(), stack_.name, all["measured_ms"].dump());
}

void RunClock::writeTrace(const std::string &path, uint32_t kernelSteps,
                          std::span<const Result> results) const {
  enum Track : int { Device = 1, Host, Requests, Here };
  TraceEvents events;
  for (size_t i = 0; i < run_->size(); ++i) {
    const StepRecorder::Step &step = recorder_->steps()[i];
    const StepTimes &times = run_->step(i);
    const double start = run_->begin(i);
    const TraceEvents::Json shape = {{"tokens", step.record.tokens},
                                     {"sequences", step.record.sequences},
                                     {"device_us", times.deviceUs},
                                     {"host_us", times.hostUs},
                                     {"measured_us", step.measuredUs}};
    events.slice(std::string(toString(step.entry)), Device, 0, start, times.us(), shape);
    events.slice("launch", Host, 0, start, times.hostUs, {{"step", i}});
    if (gap_.us > 0)
      events.slice("between steps", Host, 1, run_->end(i), gap_.us, {{"step", i}});
    events.slice(std::string(toString(step.entry)), Here, 0, step.startUs, step.measuredUs, shape);
    if (i < kernelSteps)
      events.kernels(clock_, step.entry, recorder_->recordOf(i, policy_), Device, start);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const RequestSteps &steps = results[i].steps;
    const double first = run_->known(steps.firstToken);
    const double admitted = std::min(first, admittedAt(steps));
    events.slice("first token", Requests, i, admitted, first - admitted, {{"request", i}});
    events.slice("decode", Requests, i, first, run_->known(steps.finished) - first,
                 {{"output_tokens", results[i].outputIds.size()}});
  }
  events.nameProcess(Device, costs_.spec().name + ", virtual");
  events.nameProcess(Host, "its host, virtual");
  events.nameProcess(Requests, "requests, virtual");
  events.nameProcess(Here, "this machine, measured");
  events.nameThread(Device, 0, "steps");
  for (uint32_t stream : clock_.streams())
    events.nameThread(Device, 1 + stream, std::string(streamName(stream)));
  events.write(path);
}

} // namespace vinci
