#include "tools/vinci/plan_diff.h"

#include "tools/vinci/inspect_plan.h"
#include "tools/vinci/plan_text.h"
#include "tools/vinci/program_diff.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace vinci {
namespace {

//===- Commands -------------------------------------------------------------------------------===//

CommandView viewOf(const fb::Plan *plan, size_t bodyIndex, size_t ordinal) {
  const fb::Body *body = plan->bodies()->Get(bodyIndex);
  const fb::Command *command = body->commands()->Get(ordinal);
  const fb::Kernel *kernel = plan->kernels()->Get(command->kernel());
  CommandView view;
  view.op = kernel->op()->str();
  view.text = view.key = kernel->symbol()->str();
  for (uint32_t i = 0; i < command->operand_count(); ++i) {
    const fb::Operand *operand = body->operands()->Get(command->operand_first() + i);
    const std::string text = operandText(plan, body, operand);
    (i < kernel->outputs() ? view.outputs : view.inputs).push_back(text);
    if (operand->space() == fb::Space::Parameter)
      view.key += " " + text;
  }
  if (plan->debug() && bodyIndex < plan->debug()->size())
    view.location = plan->debug()->Get(bodyIndex)->locations()->Get(ordinal)->str();
  return view;
}

size_t callsOf(const fb::Plan *plan, size_t body) {
  size_t most = 0;
  for (const fb::Entry *entry : *plan->entries())
    most = std::max(most, size_t(std::ranges::count(*entry->calls(), body, &fb::Call::body)));
  return most;
}

std::vector<BodyView> bodiesOf(const fb::Plan *plan) {
  std::vector<BodyView> views;
  for (size_t body = 0; body < plan->bodies()->size(); ++body) {
    BodyView view{plan->bodies()->Get(body)->name()->str(), callsOf(plan, body), {}};
    for (size_t i = 0; i < plan->bodies()->Get(body)->commands()->size(); ++i)
      view.commands.push_back(viewOf(plan, body, i));
    views.push_back(std::move(view));
  }
  return views;
}

//===- Tables ---------------------------------------------------------------------------------===//

/// A row for each key whose value is not the same in both; keys as rows' `what`.
void addChanges(Report &rows, const Report &a, const Report &b) {
  std::vector<std::string> keys;
  for (const Report *report : {&a, &b})
    for (const auto &item : report->items())
      if (std::ranges::find(keys, item.key()) == keys.end())
        keys.push_back(item.key());
  for (const std::string &key : keys) {
    const Report inA = a.value(key, Report()), inB = b.value(key, Report());
    if (inA != inB)
      rows.push_back({{"what", key},
                      {"a", inA.is_structured() ? Report(inA.dump()) : inA},
                      {"b", inB.is_structured() ? Report(inB.dump()) : inB}});
  }
}

Report pick(const Report &report, std::initializer_list<const char *> keys) {
  Report picked = Report::object();
  for (const char *key : keys)
    if (report.contains(key))
      picked[key] = report[key];
  return picked;
}

Report generationOf(const fb::Plan *plan) {
  const fb::Generation *from = plan->generation();
  if (!from)
    return Report::object();
  Report report = {{"bos_token_id", from->bos_token_id()}, {"pad_token_id", from->pad_token_id()}};
  if (const auto *ids = from->eos_token_ids())
    report["eos_token_ids"] = std::vector<int32_t>(ids->begin(), ids->end());
  const auto set = [&](const char *name, const auto &value) {
    if (value)
      report[name] = *value;
  };
  set("do_sample", from->do_sample());
  set("temperature", from->temperature());
  set("top_k", from->top_k());
  set("top_p", from->top_p());
  set("repetition_penalty", from->repetition_penalty());
  set("max_tokens", from->max_tokens());
  set("requests", from->requests());
  set("concurrency", from->concurrency());
  const auto text = [&](const char *name, const flatbuffers::String *value) {
    if (value)
      report[name] = value->str();
  };
  text("chat_template", from->chat_template());
  text("input_tokens", from->input_tokens());
  text("output_tokens", from->output_tokens());
  if (const auto *prompts = from->prompts())
    for (const auto *prompt : *prompts)
      report["prompts"].push_back(prompt->str());
  return report;
}

Report workDifferences(const Report &a, const Report &b) {
  Report rows = Report::array();
  for (const Report &stepA : a["per_step"])
    for (const Report &stepB : b["per_step"])
      if (stepA["entry"] == stepB["entry"]) {
        Report changes = Report::array();
        addChanges(changes, stepA, stepB);
        for (Report &change : changes) {
          Report row = {{"entry", stepA["entry"]}};
          row.update(change);
          row["change"] = change["b"].get<int64_t>() - change["a"].get<int64_t>();
          rows.push_back(row);
        }
      }
  return rows;
}

/// "prologue, 28 x decoder_layer, epilogue".
std::string callsText(const fb::Plan *plan, const fb::Entry *entry) {
  std::vector<std::pair<std::string, size_t>> runs;
  for (const fb::Call *call : *entry->calls()) {
    const std::string name = plan->bodies()->Get(call->body())->name()->str();
    if (runs.empty() || runs.back().first != name)
      runs.push_back({name, 0});
    ++runs.back().second;
  }
  std::vector<std::string> parts;
  for (const auto &[name, count] : runs)
    parts.push_back(count == 1 ? name : fmt::format("{} x {}", count, name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Report callDifferences(const fb::Plan *a, const fb::Plan *b) {
  const auto texts = [](const fb::Plan *plan) {
    Report report = Report::object();
    for (const fb::Entry *entry : *plan->entries())
      report[entry->name()->str()] = callsText(plan, entry);
    return report;
  };
  Report rows = Report::array();
  addChanges(rows, texts(a), texts(b));
  return rows;
}

/// "layers.{}.q_proj": names that differ in the layer alone.
std::string withoutLayer(std::string name) {
  constexpr std::string_view prefix = "layers.";
  for (size_t start = name.find(prefix); start != std::string::npos;
       start = name.find(prefix, start + prefix.size())) {
    const size_t digits = start + prefix.size();
    const size_t end = std::min(name.find_first_not_of("0123456789", digits), name.size());
    if (end > digits)
      name.replace(digits, end - digits, "{}");
  }
  return name;
}

std::map<std::string, std::string> weightTexts(const fb::Plan *plan) {
  std::map<std::string, std::string> texts;
  for (const fb::Weight *weight : *plan->weights()) {
    const std::vector<uint64_t> shape(weight->shape()->begin(), weight->shape()->end());
    texts[weight->name()->str()] = fmt::format(
        "{}{}[{}] {} from {}", weight->count() ? fmt::format("{} x ", weight->count()) : "",
        dtypeName(weight->dtype()), fmt::join(shape, ", "), fb::EnumNamePacking(weight->packing()),
        withoutLayer(sourcesText(*weight)));
  }
  return texts;
}

Report weightDifferences(const fb::Plan *planA, const fb::Plan *planB) {
  const auto a = weightTexts(planA), b = weightTexts(planB);
  // Side, name and text without the layer, and how many there are.
  std::map<std::tuple<std::string, std::string, std::string>, size_t> groups;
  const auto collect = [&](const auto &from, const auto &other, const char *side) {
    for (const auto &[name, text] : from)
      if (const auto found = other.find(name); found == other.end() || found->second != text)
        ++groups[{withoutLayer(name), side, text}];
  };
  collect(a, b, "-");
  collect(b, a, "+");
  Report rows = Report::array();
  for (const auto &[group, count] : groups)
    rows.push_back({{"side", std::get<1>(group)},
                    {"weight", std::get<0>(group)},
                    {"count", count},
                    {"is", std::get<2>(group)}});
  return rows;
}

Report offsetDifferences(const fb::Plan *planA, const fb::Plan *planB) {
  using Places = std::map<std::string, std::pair<uint64_t, std::string>>;
  const auto placesOf = [](const fb::Plan *plan) {
    Places places;
    for (const fb::Buffer *buffer : *plan->buffers())
      places[buffer->name()->str()] = {buffer->offset(),
                                       shapeText(buffer->dtype(), buffer->dims())};
    return places;
  };
  const Places a = placesOf(planA), b = placesOf(planB);
  Report rows = Report::array();
  if (!std::ranges::equal(a, b, [](const auto &x, const auto &y) { return x.first == y.first; }))
    return rows; // other buffers: that others make room for them says nothing
  for (const auto &[name, place] : a)
    if (const auto &other = b.at(name); place != other)
      rows.push_back({{"buffer", name},
                      {"a", place.first},
                      {"b", other.first},
                      {"type_a", place.second},
                      {"type_b", other.second}});
  return rows;
}

} // namespace

Report planDifferences(const Plan &a, const Plan &b) {
  const Report summaryA = planSummary(a), summaryB = planSummary(b);
  Report settings = Report::array(), memory = Report::array();
  const auto settingsOf = [](const Report &summary) {
    return pick(summary, {"model",
                          "architecture",
                          "dtype",
                          "parameters",
                          "layers",
                          "hidden_size",
                          "vocab_size",
                          "cpu",
                          "cpu_features",
                          "ranks",
                          "mesh",
                          "data_parallel",
                          "max_seq_len",
                          "max_tokens_per_step",
                          "max_batch",
                          "max_logit_rows",
                          "kv_blocks",
                          "block_size",
                          "target",
                          "graph_mode",
                          "graph_batch_sizes",
                          "streams",
                          "precision"});
  };
  addChanges(settings, settingsOf(summaryA), settingsOf(summaryB));
  addChanges(settings, generationOf(a.root()), generationOf(b.root()));
  const auto memoryOf = [](const Report &summary) {
    return pick(summary, {"arena_bytes", "weight_bytes", "kv_cache_bytes"});
  };
  addChanges(memory, memoryOf(summaryA), memoryOf(summaryB));

  Report differences = Report::object();
  const auto add = [&](const char *name, Report rows) {
    if (!rows.empty())
      differences[name] = std::move(rows);
  };
  add("settings", std::move(settings));
  add("work", workDifferences(summaryA, summaryB));
  add("calls", callDifferences(a.root(), b.root()));
  add("commands", commandDifferences(bodiesOf(a.root()), bodiesOf(b.root())));
  add("weights", weightDifferences(a.root(), b.root()));
  add("memory", std::move(memory));
  add("offsets", offsetDifferences(a.root(), b.root()));
  return differences;
}

} // namespace vinci
