#include "runtime/serving/trace_file.h"

#include "runtime/support/json.h"

#include <algorithm>
#include <cmath>

namespace vinci {

namespace {

constexpr std::string_view legalFields[] = {"arrival_ms",   "input_tokens", "output_tokens",
                                            "max_tokens",   "priority",     "prefix",
                                            "prefix_tokens"};
/// A year.
constexpr double latestMs = 366.0 * 24 * 3600 * 1000;

JsonValue require(JsonValue object, std::string_view key) {
  const std::optional<JsonValue> value = object.find(key);
  if (!value)
    fail(object.position(),
         "{} is missing; a request has arrival_ms, input_tokens and output_tokens", key);
  return *value;
}

uint32_t tokens(JsonValue value, std::string_view key, int64_t most = INT32_MAX) {
  return uint32_t(value.toInteger(key, 1, most));
}

TraceRequest readRequest(JsonValue object) {
  if (!object.isObject())
    object.failExpected("a line of a trace",
                        "an object with arrival_ms, input_tokens, output_tokens");
  for (const auto &[key, value] : object.members())
    if (std::ranges::find(legalFields, key.toText("a field")) == std::end(legalFields))
      fail(key.position(), "unknown field {}; legal fields are {}", key.describe(),
           fmt::join(legalFields, ", "));
  TraceRequest request;
  const JsonValue arrival = require(object, "arrival_ms");
  const double ms = arrival.toNumber("arrival_ms");
  if (!(ms >= 0 && ms <= latestMs))
    arrival.failExpected("arrival_ms", fmt::format("a number from 0 to {}", int64_t(latestMs)));
  request.arrivalNs = std::llround(ms * 1e6);
  request.inputTokens = tokens(require(object, "input_tokens"), "input_tokens");
  request.outputTokens = tokens(require(object, "output_tokens"), "output_tokens");
  const auto most = object.find("max_tokens"), priority = object.find("priority"),
             prefix = object.find("prefix"), shared = object.find("prefix_tokens");
  request.maxTokens = most ? tokens(*most, "max_tokens") : request.outputTokens;
  if (priority)
    request.priority = tokens(*priority, "priority", 5);
  if (prefix.has_value() != shared.has_value())
    fail(object.position(), "prefix and prefix_tokens belong together; only {} is there",
         prefix ? "prefix" : "prefix_tokens");
  if (prefix) {
    request.prefix = uint64_t(prefix->toInteger("prefix", 0));
    request.prefixTokens = tokens(*shared, "prefix_tokens", request.inputTokens);
  }
  return request;
}

} // namespace

std::vector<TraceRequest> parseTrace(const std::string &file, std::string_view text) {
  std::vector<TraceRequest> requests;
  for (uint32_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    try {
      const JsonDocument document = JsonDocument::parse(std::string(content), file);
      const TraceRequest request = readRequest(document.root());
      if (!requests.empty() && request.arrivalNs < requests.back().arrivalNs)
        document.root()
            .find("arrival_ms")
            ->failExpected("arrival_ms", fmt::format("at least {}, that of the request above,",
                                                     double(requests.back().arrivalNs) / 1e6));
      requests.push_back(request);
    } catch (const Error &error) { // whose lines count from 1 again
      throw Error(error.kind(), {file, line, error.position().column}, error.message());
    }
  }
  if (requests.empty())
    fail(SourcePosition{file}, "the trace has no requests; at least one line is expected");
  return requests;
}

std::vector<TraceRequest> readTraceFile(const std::string &path) {
  return parseTrace(path, readTextFile(path, size_t(1) << 30));
}

} // namespace vinci
