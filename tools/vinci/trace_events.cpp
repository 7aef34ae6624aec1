#include "tools/vinci/trace_events.h"

#include "tools/vinci/plan_cache.h"

namespace vinci {

void TraceEvents::add(const Json &event) {
  if (!events_.empty())
    events_ += ",\n";
  events_ += event.dump();
}

void TraceEvents::slice(const std::string &name, uint32_t process, uint64_t thread, double start,
                        double duration, const Json &arguments) {
  add({{"name", name},
       {"ph", "X"},
       {"pid", process},
       {"tid", thread},
       {"ts", start},
       {"dur", duration},
       {"args", arguments}});
}

void TraceEvents::counter(const char *name, uint32_t process, double at, const Json &values) {
  add({{"name", name}, {"ph", "C"}, {"pid", process}, {"ts", at}, {"args", values}});
}

void TraceEvents::nameProcess(uint32_t process, const std::string &name) {
  add({{"name", "process_name"},
       {"ph", "M"},
       {"pid", process},
       {"tid", 0},
       {"args", {{"name", name}}}});
}

void TraceEvents::nameThread(uint32_t process, uint64_t thread, const std::string &name) {
  add({{"name", "thread_name"},
       {"ph", "M"},
       {"pid", process},
       {"tid", thread},
       {"args", {{"name", name}}}});
}

void TraceEvents::kernels(const PlanClock &clock, EntryKind entry, const StepRecord &step,
                          uint32_t process, double start) {
  double end = start;
  clock.trace(entry, step, [&](const PlacedCommand &command) {
    const double begin = start + command.startUs;
    end = std::max(end, start + command.endUs);
    slice(command.kernel->op()->str(), process, 1 + command.stream, begin,
          command.endUs - command.startUs,
          {{"kernel", command.kernel->symbol()->str()}, {"layer", command.layer}});
    counter("L2 bytes", process, begin,
            {{"prefetched_weights", uint64_t(command.l2WeightBytes)},
             {"activations", uint64_t(command.l2ActivationBytes)}});
  });
  counter("L2 bytes", process, end, {{"prefetched_weights", 0}, {"activations", 0}});
}

void TraceEvents::write(const std::string &path) const {
  const std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + events_ + "\n]}\n";
  writeFile(path, std::as_bytes(std::span(text)));
}

} // namespace vinci
