#include "tools/vinci/memory_map.h"

#include "tools/vinci/plan_text.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace vinci {
namespace {

/// Of a body called many times in a row, what goes from one call to the next shows in two of them.
constexpr size_t shownCalls = 2;
/// Where bodies alternate, so many runs of calls show what there is.
constexpr size_t maxRuns = 12;

struct Run {
  const fb::Body *body = nullptr;
  size_t calls = 0;
  int32_t firstLayer = -1;
};

std::vector<Run> runsOf(const fb::Plan &plan, const fb::Entry &entry) {
  std::vector<Run> runs;
  for (const fb::Call *call : *entry.calls()) {
    const fb::Body *body = plan.bodies()->Get(call->body());
    if (runs.empty() || runs.back().body != body)
      runs.push_back({body, 0, call->layer()});
    ++runs.back().calls;
  }
  if (runs.size() > maxRuns) // the last one stays
    runs.erase(runs.begin() + maxRuns - 1, runs.end() - 1);
  return runs;
}

/// When buffers hold something that is read later. Commands are numbered in the order of visits.
class Lifetimes {
public:
  void visit(const fb::Plan &plan, const fb::Body &body, const fb::Command &command) {
    const uint32_t outputs = plan.kernels()->Get(command.kernel())->outputs();
    std::set<uint32_t> read;
    for (uint32_t i = outputs; i < command.operand_count(); ++i)
      if (const auto buffer = bufferOf(body, command, i)) {
        read.insert(*buffer);
        use(*buffer);
      }
    for (uint32_t i = 0; i < outputs; ++i)
      if (const auto buffer = bufferOf(body, command, i)) {
        if (!read.contains(*buffer)) // not in place: what was there is gone
          spans_[*buffer].push_back({now_, now_});
        else
          use(*buffer);
      }
    ++now_;
  }

  Report rows(const fb::Plan &plan) const {
    Report rows = Report::array();
    for (const auto &[index, spans] : spans_) {
      const fb::Buffer *buffer = plan.buffers()->Get(index);
      Report times = Report::array();
      for (const auto &[first, last] : spans)
        times.push_back({first, last});
      rows.push_back({{"buffer", buffer->name()->str()},
                      {"type", shapeText(buffer->dtype(), buffer->dims())},
                      {"offset", buffer->offset()},
                      {"bytes", buffer->bytes()},
                      {"live", times}});
    }
    return rows;
  }

private:
  static std::optional<uint32_t> bufferOf(const fb::Body &body, const fb::Command &command,
                                          uint32_t i) {
    const fb::Operand *operand = body.operands()->Get(command.operand_first() + i);
    return operand->space() == fb::Space::Arena ? std::optional(operand->index()) : std::nullopt;
  }

  void use(uint32_t buffer) {
    auto &spans = spans_[buffer];
    if (spans.empty())
      spans.push_back({now_, now_});
    spans.back().second = now_;
  }

  size_t now_ = 0;
  std::map<uint32_t, std::vector<std::pair<size_t, size_t>>> spans_; ///< by buffer
};

Report entryMap(const fb::Plan &plan, const fb::Entry &entry) {
  Lifetimes lifetimes;
  Report runs = Report::array();
  for (const Run &run : runsOf(plan, entry)) {
    Report commands = Report::array();
    for (const fb::Command *command : *run.body->commands())
      commands.push_back(plan.kernels()->Get(command->kernel())->op()->str());
    const size_t shown = std::min(run.calls, shownCalls);
    for (size_t call = 0; call < shown; ++call)
      for (const fb::Command *command : *run.body->commands())
        lifetimes.visit(plan, *run.body, *command);
    runs.push_back({{"body", run.body->name()->str()},
                    {"calls", run.calls},
                    {"shown", shown},
                    {"first_layer", run.firstLayer},
                    {"commands", commands}});
  }
  return {{"runs", runs}, {"buffers", lifetimes.rows(plan)}};
}

} // namespace

Report memoryMap(const fb::Plan &plan) {
  Report map = {{"arena_bytes", plan.arena_bytes()}};
  for (const fb::Entry *entry : *plan.entries())
    if (const std::string name = entry->name()->str(); name == "prefill" || name == "decode")
      map[name] = entryMap(plan, *entry);
  return map;
}

} // namespace vinci
