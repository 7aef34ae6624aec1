#include "tools/vinci/trace_events.h"

#include "tools/vinci/plan_cache.h"

namespace vinci {

void TraceEvents::slice(std::string name, int process, uint64_t thread, double start,
                        double duration, Json arguments) {
  events_.push_back({{"name", std::move(name)},
                     {"ph", "X"},
                     {"pid", process},
                     {"tid", thread},
                     {"ts", start},
                     {"dur", duration},
                     {"args", std::move(arguments)}});
}

void TraceEvents::counter(const char *name, int process, double at, Json values) {
  events_.push_back(
      {{"name", name}, {"ph", "C"}, {"pid", process}, {"ts", at}, {"args", std::move(values)}});
}

void TraceEvents::nameProcess(int process, const std::string &name) {
  events_.push_back({{"name", "process_name"},
                     {"ph", "M"},
                     {"pid", process},
                     {"tid", 0},
                     {"args", {{"name", name}}}});
}

void TraceEvents::nameThread(int process, uint64_t thread, const std::string &name) {
  events_.push_back({{"name", "thread_name"},
                     {"ph", "M"},
                     {"pid", process},
                     {"tid", thread},
                     {"args", {{"name", name}}}});
}

void TraceEvents::write(const std::string &path) const {
  const std::string text = Json{{"displayTimeUnit", "ms"}, {"traceEvents", events_}}.dump();
  writeFile(path, std::as_bytes(std::span(text)));
}

} // namespace vinci
