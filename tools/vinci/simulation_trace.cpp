#include "tools/vinci/simulation_trace.h"

namespace vinci {
namespace {

// Processes and threads of the trace.
enum Track : int { Device = 1, Host = 2, Requests = 3 };
constexpr int stepsThread = 0; ///< of Device; streams are 1, 2, …

double us(int64_t ns) {
  return double(ns) / 1e3;
}

} // namespace

void SimulationTrace::add(const SimulatedStep &step) {
  const auto prefills = step.step.prefills.size(), decodes = step.step.decodes.size();
  const double start = us(step.startNs);
  events_.slice(toString(modeOf(step.step)), Device, stepsThread, start,
                us(step.endNs - step.startNs),
                {{"prefills", prefills},
                 {"decodes", decodes},
                 {"device_us", us(step.time.deviceNs)},
                 {"host_us", us(step.time.hostNs)}});
  events_.slice("launch", Host, 0, start, us(step.time.hostNs), {{"step", steps_}});
  events_.counter("sequences", Device, start, {{"prefill", prefills}, {"decode", decodes}});
  if (steps_++ < stepsWithKernels_)
    addKernels(step);
}

void SimulationTrace::addKernels(const SimulatedStep &step) {
  std::vector<StepShape::Part> parts;
  std::vector<uint32_t> contexts;
  for (const PrefillChunk &chunk : step.step.prefills)
    parts.push_back({chunk.first, chunk.tokens});
  for (const DecodeToken &token : step.step.decodes)
    contexts.push_back(token.context);
  const StepShape shape{.mode = modeOf(step.step), .prefills = parts, .decodeContexts = contexts};
  clock_.trace(
      PlanStepTimer::entryOf(shape), timer_.recordOf(shape),
      [&](const fb::Kernel &kernel, int32_t layer, uint32_t stream, double start, double end) {
        events_.slice(kernel.op()->str(), Device, 1 + stream, us(step.startNs) + start, end - start,
                      {{"kernel", kernel.symbol()->str()}, {"layer", layer}});
      });
}

void SimulationTrace::write(const std::string &path, const SimulationResult &result) {
  uint64_t number = 0;
  for (const SimulatedRequest &request : result.requests) {
    const uint64_t thread = number++;
    if (request.refused)
      continue;
    const auto part = [&](const char *name, int64_t begin, int64_t end) {
      events_.slice(
          name, Requests, thread, us(begin), us(end - begin),
          {{"input_tokens", request.inputTokens}, {"output_tokens", request.outputTokens}});
    };
    part("first token", request.sentNs, request.firstTokenNs);
    part("decode", request.firstTokenNs, request.lastTokenNs);
  }
  events_.nameProcess(Device, "device");
  events_.nameProcess(Host, "host");
  events_.nameProcess(Requests, "requests");
  events_.nameThread(Device, stepsThread, "steps");
  events_.write(path);
}

} // namespace vinci
