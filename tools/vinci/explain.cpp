#include "tools/vinci/explain.h"

#include "runtime/plan/quote.h"
#include "runtime/plan/streams.h"
#include "runtime/support/error.h"
#include "tools/vinci/plan_text.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace vinci {

namespace {

struct Place {
  size_t body = 0, ordinal = 0;
};

/// "prologue (2 commands), decoder_layer (15 commands)".
std::string bodiesText(const fb::Plan &plan) {
  std::vector<std::string> texts;
  for (const fb::Body *body : *plan.bodies())
    texts.push_back(
        fmt::format("{} ({} commands)", body->name()->string_view(), body->commands()->size()));
  return fmt::format("{}", fmt::join(texts, ", "));
}

Place placeOf(const Plan &file, std::string_view command) {
  const fb::Plan &plan = *file.root();
  const size_t colon = command.rfind(':');
  Place place;
  if (colon != std::string_view::npos) {
    const char *end = command.data() + command.size();
    const auto [stop, error] = std::from_chars(command.data() + colon + 1, end, place.ordinal);
    if (error == std::errc() && stop == end) {
      const std::string_view name = command.substr(0, colon);
      const auto found = std::ranges::find_if(*plan.bodies(), [&](const fb::Body *body) {
        return body->name()->string_view() == name;
      });
      if (found == plan.bodies()->end())
        fail(SourcePosition{file.name()}, "the plan has no body {}; it has {}", quote(name),
             bodiesText(plan));
      if (place.ordinal >= found->commands()->size())
        fail(SourcePosition{file.name()}, "body {} has no command {}; legal are 0 to {}", name,
             place.ordinal, found->commands()->size() - 1);
      place.body = size_t(found - plan.bodies()->begin());
      return place;
    }
  }
  fail("--explain {} names no command; BODY:NUMBER is expected, and the plan has {}",
       quote(command), bodiesText(plan));
}

/// "0-3, 5".
std::string rangesText(const std::vector<int32_t> &ascending) {
  std::string text;
  for (size_t i = 0, next; i < ascending.size(); i = next) {
    for (next = i + 1; next < ascending.size() && ascending[next] == ascending[next - 1] + 1;)
      ++next;
    text += text.empty() ? "" : ", ";
    text += next == i + 1 ? fmt::format("{}", ascending[i])
                          : fmt::format("{}-{}", ascending[i], ascending[next - 1]);
  }
  return text;
}

/// The calls of the body, by entry.
Report callRows(const fb::Plan &plan, size_t body) {
  Report rows = Report::array();
  for (const fb::Entry *entry : *plan.entries()) {
    size_t calls = 0;
    std::vector<int32_t> layers;
    for (const fb::Call *call : *entry->calls())
      if (call->body() == body) {
        ++calls;
        if (call->layer() >= 0)
          layers.push_back(call->layer());
      }
    std::ranges::sort(layers);
    if (calls > 0)
      rows.push_back(
          {{"entry", entry->name()->str()}, {"calls", calls}, {"layers", rangesText(layers)}});
  }
  return rows;
}

/// The weights that a prefetch fetches, of each layer that calls it.
Report fetchedRows(const fb::Plan &plan, size_t body, const fb::Command &command) {
  const uint32_t parameter =
      plan.bodies()->Get(uint32_t(body))->operands()->Get(command.operand_first())->index();
  Report rows = Report::array();
  std::set<std::pair<int32_t, uint32_t>> seen; // entries have the same calls of layers
  for (const fb::Entry *entry : *plan.entries())
    for (const fb::Call *call : *entry->calls()) {
      if (call->body() != body)
        continue;
      const fb::Binding *binding = call->bindings()->Get(parameter);
      if (binding->kind() == fb::BindingKind::Weight &&
          seen.emplace(call->layer(), binding->index()).second)
        rows.push_back({{"layer", call->layer()},
                        {"weight", plan.weights()->Get(binding->index())->name()->str()}});
    }
  return rows;
}

/// The ops that passes made a command of, in preorder; the command's own comes first, with depth 0.
/// Empty if the plan does not say.
std::vector<const fb::DebugOp *> originOf(const fb::Plan &plan, size_t body, size_t ordinal) {
  std::vector<const fb::DebugOp *> origin;
  if (body >= plan.debug()->size() || !plan.debug()->Get(uint32_t(body))->origins())
    return origin;
  size_t commands = 0;
  for (const fb::DebugOp *op : *plan.debug()->Get(uint32_t(body))->origins()) {
    commands += op->depth() == 0 ? 1 : 0;
    if (commands == ordinal + 1)
      origin.push_back(op);
  }
  return origin;
}

} // namespace

Report explainCommand(const Plan &file, std::string_view name, ReportFormat format) {
  const fb::Plan &plan = *file.root();
  const Place place = placeOf(file, name);
  const fb::Body *body = plan.bodies()->Get(uint32_t(place.body));
  const fb::Command *command = body->commands()->Get(uint32_t(place.ordinal));
  std::vector<std::string> operands;
  for (uint32_t i = 0; i < command->operand_count(); ++i)
    operands.push_back(
        operandText(&plan, body, body->operands()->Get(command->operand_first() + i)));

  Report report = {{"command", name},
                   {"kernel", plan.kernels()->Get(command->kernel())->symbol()->str()},
                   {"operands", fmt::format("{}", fmt::join(operands, " "))},
                   {"stream", streamName(command->stream())}};
  if (plan.debug()->size() > 0) { // not stripped
    const fb::DebugBody *debug = plan.debug()->Get(uint32_t(place.body));
    report["op"] = debug->ops()->Get(uint32_t(place.ordinal))->str();
    report["location"] = debug->locations()->Get(uint32_t(place.ordinal))->str();
  }
  Report rows = Report::array(), passes = Report::array();
  for (const fb::DebugOp *op : originOf(plan, place.body, place.ordinal)) {
    const std::string indent(format == ReportFormat::Text ? 2 * op->depth() : 0, ' ');
    Report row = {{"op", indent + op->op()->str()},
                  {"role", op->role()->str()},
                  {"made_by", op->pass()->str()},
                  {"location", op->location()->str()}};
    if (format == ReportFormat::Json)
      row["depth"] = op->depth();
    rows.push_back(std::move(row));
    // What was made last stands outermost.
    if (op->pass()->size() > 0 &&
        std::ranges::find(passes, Report(op->pass()->str())) == passes.end())
      passes.insert(passes.begin(), op->pass()->str());
  }
  report["passes"] = passes;
  report["calls"] = callRows(plan, place.body);
  if (plan.kernels()->Get(command->kernel())->prefetch())
    report["weights"] = fetchedRows(plan, place.body, *command);
  if (!rows.empty())
    report["origin"] = rows;
  return report;
}

} // namespace vinci
