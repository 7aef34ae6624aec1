#include "tools/vinci/inspect_plan.h"

#include "runtime/device/graph_capture.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/plan/streams.h"
#include "tools/vinci/plan_text.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <set>

namespace vinci {

static uint64_t totalWeightBytes(const fb::Plan *plan) {
  uint64_t bytes = 0;
  for (const fb::Weight *weight : *plan->weights())
    bytes += weight->bytes();
  return bytes;
}

/// In thousandths.
static double toGib(uint64_t bytes) {
  return std::round(double(bytes) / bytesPerGib * 1e3) / 1e3;
}

static uint64_t kvCacheBytes(const fb::Plan *plan) {
  return plan->kv_cache()->bytes_per_block() * plan->kv_cache()->layers() *
         plan->limits()->kv_blocks();
}

static PrecisionPolicy precisionOf(const fb::Precision &table) {
  PrecisionPolicy policy;
  policy.compute = toDType(table.compute());
  policy.layernorm = toDType(table.layernorm());
  policy.softmax = toDType(table.softmax());
  policy.rotary = toDType(table.rotary());
  policy.parameters = toDType(table.parameters());
  policy.keepOriginDtype = table.keep_origin();
  return policy;
}

/// What running something once takes on each rank.
struct Work {
  size_t commands = 0, collectives = 0, prefetches = 0;
  uint64_t collectiveBytes = 0; ///< of the larger operand of each, at the limits

  Work &operator+=(const Work &other) {
    commands += other.commands;
    collectives += other.collectives;
    prefetches += other.prefetches;
    collectiveBytes += other.collectiveBytes;
    return *this;
  }
  /// `row` with the columns of this.
  Report in(Report row) const {
    row["commands"] = commands;
    row["launches"] = commands - collectives - prefetches;
    row["collectives"] = collectives;
    row["prefetches"] = prefetches;
    row["collective_bytes"] = collectiveBytes;
    return row;
  }
};

static uint64_t bytesOf(const fb::Plan *plan, const fb::Collective *collective) {
  return std::max(collectiveBytes(*plan, *collective, Receive),
                  collectiveBytes(*plan, *collective, Send));
}

static Work workOf(const fb::Plan *plan, const fb::Body *body) {
  Work work;
  for (const fb::Command *command : *body->commands()) {
    const fb::Kernel *kernel = plan->kernels()->Get(command->kernel());
    const fb::Collective *collective = kernel->collective();
    work += {1, collective ? 1u : 0u, kernel->prefetch() ? 1u : 0u,
             collective ? bytesOf(plan, collective) : 0};
  }
  return work;
}

static Report bodyRows(const fb::Plan *plan) {
  Report rows = Report::array();
  for (const fb::Body *body : *plan->bodies())
    rows.push_back(workOf(plan, body).in({{"body", body->name()->str()}}));
  return rows;
}

static Report stepRows(const fb::Plan *plan) {
  Report rows = Report::array();
  for (const fb::Entry *entry : *plan->entries()) {
    Work work;
    for (const fb::Call *call : *entry->calls())
      work += workOf(plan, plan->bodies()->Get(call->body()));
    rows.push_back(work.in({{"entry", entry->name()->str()}, {"calls", entry->calls()->size()}}));
  }
  return rows;
}

/// The names of the streams that commands are on.
static Report streamNames(const fb::Plan *plan) {
  std::set<uint32_t> used;
  for (const fb::Body *body : *plan->bodies())
    for (const fb::Command *command : *body->commands())
      used.insert(command->stream());
  Report names = Report::array();
  for (uint32_t stream : used)
    names.push_back(streamName(stream));
  return names;
}

static Report collectiveRows(const fb::Plan *plan) {
  Report rows = Report::array();
  for (const fb::Body *body : *plan->bodies())
    for (uint32_t i = 0; i < body->commands()->size(); ++i) {
      const fb::Kernel *kernel = plan->kernels()->Get(body->commands()->Get(i)->kernel());
      const fb::Collective *collective = kernel->collective();
      if (!collective)
        continue;
      const MeshAxes axes = axesOf(*collective->axes());
      rows.push_back(
          {{"body", body->name()->str()},
           {"command", i},
           {"op", kernel->op()->str()},
           {"axes", std::vector<uint32_t>(axes.begin(), axes.end())},
           {"ranks", Mesh(*plan).ranksAlong(axes)},
           {"dtype", dtypeName(collective->dtype())},
           {"count", symbolText(collective->count()->symbol(), collective->count()->scale())},
           {"whole", collective->whole() ? Report(symbolText(collective->whole()->symbol(),
                                                             collective->whole()->scale()))
                                         : Report()},
           {"bytes", bytesOf(plan, collective)}});
    }
  return rows;
}

Report planSummary(const Plan &file) {
  const fb::Plan *plan = file.root();
  size_t commands = 0;
  for (const fb::Body *body : *plan->bodies())
    commands += body->commands()->size();
  const Mesh mesh(*plan);
  Report features = Report::array();
  for (const auto *feature : *plan->cpu_features())
    features.push_back(feature->str());
  const fb::Model *model = plan->model();
  const fb::Limits *limits = plan->limits();
  Report report = {{"plan", file.name()},
                   {"schema", fmt::format("{}.{}", planSchemaMajor, planSchemaMinor)},
                   {"bytes", file.bytes().size()},
                   {"model", model->name()->str()},
                   {"architecture", model->architecture()->str()},
                   {"dtype", dtypeName(model->dtype())},
                   {"parameters", model->parameters()},
                   {"layers", model->num_hidden_layers()},
                   {"hidden_size", model->hidden_size()},
                   {"vocab_size", model->vocab_size()},
                   {"cpu", plan->cpu()->str()},
                   {"cpu_features", features},
                   {"ranks", mesh.ranks()},
                   {"mesh", std::vector<uint32_t>(mesh.sizes().begin(), mesh.sizes().end())},
                   {"data_parallel", dataGroupsOf(*plan)},
                   {"max_seq_len", limits->max_seq_len()},
                   {"max_tokens_per_step", limits->max_tokens_per_step()},
                   {"max_batch", limits->max_batch()},
                   {"kv_blocks", limits->kv_blocks()},
                   {"block_size", plan->kv_cache()->block_size()},
                   {"kernels", plan->kernels()->size()},
                   {"bodies", plan->bodies()->size()},
                   {"commands", commands},
                   {"streams", streamNames(plan)},
                   {"weights", plan->weights()->size()},
                   {"weight_bytes", totalWeightBytes(plan)},
                   {"arena_bytes", plan->arena_bytes()},
                   {"kv_cache_bytes", kvCacheBytes(plan)}};
  if (limits->max_logit_rows() != 0)
    report["max_logit_rows"] = limits->max_logit_rows();
  if (plan->target() && plan->target()->size())
    report["target"] = plan->target()->str();
  if (const fb::Graphs *graphs = plan->graphs()) {
    report["graph_mode"] = toString(GraphMode(graphs->mode()));
    report["graph_batch_sizes"] =
        std::vector<uint32_t>(graphs->sizes()->begin(), graphs->sizes()->end());
  }
  if (plan->precision())
    report["precision"] = precisionReport(precisionOf(*plan->precision()));
  report["per_body"] = bodyRows(plan);
  report["per_step"] = stepRows(plan);
  if (Report rows = collectiveRows(plan); !rows.empty())
    report["collectives"] = rows;
  return report;
}

static Report commandRow(const fb::Plan *plan, size_t bodyIndex, size_t ordinal) {
  const fb::Body *body = plan->bodies()->Get(bodyIndex);
  const fb::Command *command = body->commands()->Get(ordinal);
  std::vector<std::string> operands;
  for (uint32_t i = 0; i < command->operand_count(); ++i)
    operands.push_back(
        operandText(plan, body, body->operands()->Get(command->operand_first() + i)));
  Report waits = Report::array();
  for (uint32_t i = 0; i < command->wait_count(); ++i)
    waits.push_back(body->waits()->Get(command->wait_first() + i));
  Report events = Report::array();
  if (body->events())
    for (const fb::Event *event : *body->events())
      if (event->wait() == ordinal)
        events.push_back(event->record());
  const fb::TileRule &tiles = command->tiles();
  const fb::Kernel *kernel = plan->kernels()->Get(command->kernel());
  std::string amount = fmt::format("ceil({}/{})*{}", symbolText(tiles.symbol(), tiles.scale()),
                                   tiles.row_block(), tiles.columns());
  if (const fb::Collective *collective = kernel->collective())
    amount = fmt::format("{} along axis {}",
                         symbolText(collective->count()->symbol(), collective->count()->scale()),
                         fmt::join(axesOf(*collective->axes()), ","));
  if (const fb::Prefetch *prefetch = kernel->prefetch())
    amount = fmt::format(
        "{:g} of it{}", prefetch->share(),
        prefetch->min_tokens() > 0 ? fmt::format(", from {} tokens", prefetch->min_tokens()) : "");
  Report row = {{"body", body->name()->str()},
                {"command", ordinal},
                {"kernel", kernel->symbol()->str()},
                {"tiles", amount},
                {"operands", fmt::format("{}", fmt::join(operands, " "))},
                {"waits", waits},
                {"stream", streamName(command->stream())},
                {"events", events}};
  const bool hasDebug = plan->debug() && bodyIndex < plan->debug()->size();
  if (hasDebug) {
    row["op"] = plan->debug()->Get(bodyIndex)->ops()->Get(ordinal)->str();
    row["location"] = plan->debug()->Get(bodyIndex)->locations()->Get(ordinal)->str();
  }
  return row;
}

static Report entryRows(const fb::Plan *plan) {
  Report rows = Report::array();
  for (const fb::Entry *entry : *plan->entries())
    for (const fb::Call *call : *entry->calls())
      rows.push_back({{"entry", entry->name()->str()},
                      {"body", plan->bodies()->Get(call->body())->name()->str()},
                      {"layer", call->layer()},
                      {"bindings", call->bindings() ? call->bindings()->size() : 0}});
  return rows;
}

Report planCommands(const Plan &file) {
  const fb::Plan *plan = file.root();
  Report commands = Report::array();
  for (size_t body = 0; body < plan->bodies()->size(); ++body)
    for (size_t ordinal = 0; ordinal < plan->bodies()->Get(body)->commands()->size(); ++ordinal)
      commands.push_back(commandRow(plan, body, ordinal));
  return {{"commands", commands}, {"calls", entryRows(plan)}};
}

Report planKernels(const Plan &file) {
  const fb::Plan *plan = file.root();
  std::vector<size_t> uses(plan->kernels()->size());
  for (const fb::Body *body : *plan->bodies())
    for (const fb::Command *command : *body->commands())
      ++uses[command->kernel()];
  Report rows = Report::array();
  for (size_t i = 0; i < uses.size(); ++i) {
    const fb::Kernel *kernel = plan->kernels()->Get(i);
    rows.push_back({{"kernel", kernel->symbol()->str()},
                    {"op", kernel->op()->str()},
                    {"operands", kernel->operands()},
                    {"outputs", kernel->outputs()},
                    {"segment", isCompiled(*kernel) ? Report(kernel->segment()) : Report()},
                    {"commands", uses[i]}});
  }
  return rows;
}

Report planMemory(const Plan &file) {
  const fb::Plan *plan = file.root();
  std::vector<std::pair<uint64_t, uint32_t>> byOffset;
  for (uint32_t i = 0; i < plan->buffers()->size(); ++i)
    byOffset.push_back({plan->buffers()->Get(i)->offset(), i});
  std::sort(byOffset.begin(), byOffset.end());
  Report rows = Report::array();
  uint64_t sum = 0;
  for (auto [offset, index] : byOffset) {
    const fb::Buffer *buffer = plan->buffers()->Get(index);
    rows.push_back({{"offset", offset},
                    {"bytes", buffer->bytes()},
                    {"buffer", buffer->name()->str()},
                    {"type", shapeText(buffer->dtype(), buffer->dims())}});
    sum += buffer->bytes();
  }
  Report constants = Report::array();
  for (const fb::Constant *constant : *plan->constants())
    constants.push_back({{"bytes", constant->bytes()}, {"constant", constant->name()->str()}});
  return {{"arena_bytes", plan->arena_bytes()},
          {"arena_bytes_without_reuse", sum},
          {"kv_cache_bytes", kvCacheBytes(plan)},
          {"weight_bytes", totalWeightBytes(plan)},
          {"arena", rows},
          {"constants", constants}};
}

Report budgetReport(const PlanMemory &memory, const std::vector<std::string> &changes) {
  const MemoryBudget &budget = memory.budget();
  Report rows = Report::array();
  for (const auto &[what, bytes] : budget.rows())
    rows.push_back({{"what", what}, {"bytes", bytes}, {"gib", toGib(bytes)}});
  const uint64_t free = budget.capacity > budget.used() ? budget.capacity - budget.used() : 0;
  rows.push_back({{"what", "free"}, {"bytes", free}, {"gib", toGib(free)}});
  Report report = {{"device", budget.device},
                   {"capacity_bytes", budget.capacity},
                   {"used_bytes", budget.used()},
                   {"fits", memory.problem().empty()},
                   {"kv_blocks", budget.kvBlocks},
                   {"kv_tokens", budget.kvTokens},
                   {"kv_sequences", memory.kvSequences()},
                   {"kv_rule", budget.rule}};
  if (const std::string problem = memory.problem(); !problem.empty()) {
    report["problem"] = problem;
    report["changes_that_fit"] = changes;
  }
  if (!budget.warning.empty())
    report["warning"] = budget.warning;
  report["budget"] = rows;
  return report;
}

Report longestSequenceReport(const PlanMemory &memory) {
  Report rows = Report::array();
  for (const PlanMemory::Bound &bound : memory.bounds())
    rows.push_back({{"bound", bound.what}, {"tokens", bound.tokens}, {"why", bound.why}});
  return {{"device", memory.budget().device},
          {"longest_sequence", memory.longest().tokens},
          {"bound_by", memory.longest().what},
          {"longest_possible", memory.longest(/*compiled=*/false).tokens},
          {"possible_bound_by", memory.longest(/*compiled=*/false).what},
          {"bounds", rows}};
}

Report planWeights(const Plan &file) {
  Report rows = Report::array();
  for (const fb::Weight *weight : *file.root()->weights()) {
    std::vector<uint64_t> shape(weight->shape()->begin(), weight->shape()->end());
    rows.push_back({{"weight", weight->name()->str()},
                    {"dtype", dtypeName(weight->dtype())},
                    {"shape", fmt::format("[{}]", fmt::join(shape, ", "))},
                    {"count", weight->count()},
                    {"packing", fb::EnumNamePacking(weight->packing())},
                    {"bytes", weight->bytes()},
                    {"source", sourcesText(*weight)}});
  }
  return rows;
}

} // namespace vinci
