// A timeline in the JSON that Perfetto and chrome://tracing open: slices on threads of processes,
// and counters.
#pragma once

#include "runtime/clock/plan_clock.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace vinci {

/// Times in microseconds. Events are kept as text: a trace of many kernels is a large one.
class TraceEvents {
public:
  using Json = nlohmann::ordered_json;

  void slice(const std::string &name, uint32_t process, uint64_t thread, double start,
             double duration, const Json &arguments);
  void counter(const char *name, uint32_t process, double at, const Json &values);
  void nameProcess(uint32_t process, const std::string &name);
  void nameThread(uint32_t process, uint64_t thread, const std::string &name);

  /// The kernels of a step that starts at `start`, on threads 1, 2, … for the plan's streams, and a
  /// counter of what of their operands lies in L2.
  void kernels(const PlanClock &clock, EntryKind entry, const StepRecord &step, uint32_t process,
               double start);

  /// Compressed if `path` ends in .gz. Throws Error if it cannot.
  void write(const std::string &path) const;

private:
  void add(const Json &event);

  std::string events_;
};

} // namespace vinci
