// A timeline in the JSON that Perfetto and chrome://tracing open: slices on threads of processes.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace vinci {

/// Times in microseconds.
class TraceEvents {
public:
  using Json = nlohmann::ordered_json;

  void slice(std::string name, int process, uint64_t thread, double start, double duration,
             Json arguments);
  void counter(const char *name, int process, double at, Json values);
  void nameProcess(int process, const std::string &name);
  void nameThread(int process, uint64_t thread, const std::string &name);

  /// Throws Error if it cannot.
  void write(const std::string &path) const;

private:
  Json events_ = Json::array();
};

} // namespace vinci
