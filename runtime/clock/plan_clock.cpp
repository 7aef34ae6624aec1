#include "runtime/clock/plan_clock.h"

#include "runtime/clock/plan_costs.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace vinci {
namespace {

CollectiveKind kindOf(const fb::Collective &collective) {
  switch (collective.kind()) {
  case fb::CollectiveKind::AllReduce:
    return CollectiveKind::AllReduce;
  case fb::CollectiveKind::AllGather:
    return CollectiveKind::AllGather;
  case fb::CollectiveKind::ReduceScatter:
    return CollectiveKind::ReduceScatter;
  }
  failInternal("unknown kind of collective");
}

/// Of a product whose tiles are sent while the next ones are computed: the longer hides the other.
OpTime overlapped(const OpTime &a, const OpTime &b) {
  OpTime time = a.us >= b.us ? a : b;
  time.p10 = std::max(a.p10, b.p10);
  time.p90 = std::max(a.p90, b.p90);
  return time;
}

/// The share that is fetched ahead of the weight that `command` multiplies by, by its name.
double prefetchOf(const fb::Body &body, const fb::Command &command, CostClass kind,
                  const PrefetchShares &shares) {
  for (uint32_t i = 0; i < command.operand_count(); ++i) {
    const fb::Operand *operand = body.operands()->Get(command.operand_first() + i);
    if (operand->space() != fb::Space::Parameter)
      continue;
    const std::string_view name = body.parameters()->Get(operand->index())->string_view();
    const auto isOneOf = [&](auto... names) { return (name.starts_with(names) || ...); };
    if (kind == CostClass::GroupedMatmul)
      return isOneOf("gate_up_proj", "gate_proj", "up_proj") ? shares.gateUp : 0;
    if (kind == CostClass::Matmul && isOneOf("qkv_proj", "q_proj", "k_proj", "v_proj"))
      return shares.qkv;
    if (kind == CostClass::Matmul && isOneOf("o_proj"))
      return shares.o;
  }
  return 0;
}

/// The vendor's npu_grouped_matmul_swiglu_quant, and its like without a quantisation.
bool fusesExperts(const fb::Kernel &kernel) {
  return kernel.op()->string_view().starts_with("grouped_matmul_swiglu");
}

/// The devices of the ranks that rank 0 meets along `axes`.
std::vector<uint32_t> groupAlong(const Mesh &mesh, MeshAxes axes,
                                 const std::vector<uint32_t> &devices) {
  std::vector<uint32_t> group;
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank)
    if (mesh.firstAlong(axes, rank) == 0)
      group.push_back(devices[rank]);
  return group;
}

/// When each command ends. List scheduling: one starts when its stream is free and what it waits
/// for has finished.
std::vector<double> endsOf(const fb::Body &table, const std::vector<OpTime> &times,
                           double OpTime::*part) {
  std::vector<double> ends(times.size()), streams(1);
  for (uint32_t i = 0; i < times.size(); ++i) {
    const fb::Command *command = table.commands()->Get(i);
    if (streams.size() <= command->stream())
      streams.resize(command->stream() + 1);
    double start = streams[command->stream()];
    for (uint32_t w = 0; w < command->wait_count(); ++w)
      start = std::max(start, ends[table.waits()->Get(command->wait_first() + w)]);
    ends[i] = streams[command->stream()] = start + times[i].*part;
  }
  return ends;
}

} // namespace

PlanClock::PlanClock(const Plan &plan, const CostModel &model, ClockOptions options)
    : plan_(plan), model_(model), routing_(std::move(options.routing)) {
  const Mesh mesh(*plan.root());
  if (options.devices.empty()) {
    options.devices.resize(mesh.ranks());
    std::iota(options.devices.begin(), options.devices.end(), 0u);
  }
  if (options.devices.size() < mesh.ranks())
    fail("{} devices are named for a plan of {} ranks", options.devices.size(), mesh.ranks());
  for (const fb::Body *table : *plan.root()->bodies()) {
    Body body;
    for (const fb::Command *command : *table->commands()) {
      body.isOneStream &= command->stream() == 0;
      streams_ = std::max(streams_, command->stream() + 1);
      const fb::Kernel *kernel = plan.root()->kernels()->Get(command->kernel());
      TimedCommand timed;
      if (const fb::Collective *collective = kernel->collective()) {
        const MeshAxes axes = axesOf(*collective->axes());
        const std::vector<uint32_t> devices = groupAlong(mesh, axes, options.devices);
        (computesFirst(*kernel) ? timed.sum.emplace() : timed.cost) =
            toCost(*collective, devices.size());
        timed.context = {.collective = kindOf(*collective),
                         .expansion = options.expansion,
                         .group = model.spec().groupOf(devices)};
      }
      if (!kernel->collective() || computesFirst(*kernel)) {
        timed.cost = toCost(plan, *kernel);
        timed.prefetch = prefetchOf(*table, *command, timed.cost.kind, options.prefetch);
        body.isMoe |= timed.cost.kind == CostClass::GroupedMatmul;
        timed.context.inFractals = options.fractals || fusesExperts(*kernel);
      }
      body.commands.push_back(std::move(timed));
    }
    bodies_.push_back(std::move(body));
  }
}

CommandContext PlanClock::contextOf(const TimedCommand &command, const StepRecord &step,
                                    uint32_t moeLayer) const {
  CommandContext context = command.context;
  context.moeLayer = moeLayer;
  const Cost &cost = command.cost;
  if (cost.kind == CostClass::GroupedMatmul && step.expertsHit.empty() && !routing_.isUniform()) {
    const Routing::Work work = routing_.busiest(cost.experts, cost.groups, cost.topK,
                                                double(step.count(cost.rows)), moeLayer);
    context.expertsHit = work.hit;
    context.expertRows = work.rows;
  }
  return context;
}

/// `window` microseconds have passed in which the memory was free.
double PlanClock::prefetchedBytes(const TimedCommand &command, const StepRecord &step,
                                  double window) const {
  const Cost &cost = command.cost;
  if (command.prefetch == 0 ||
      (cost.kind == CostClass::GroupedMatmul && step.tokens < PrefetchShares::gateUpTokens))
    return 0;
  const double activations = double(step.count(cost.rows)) * double(cost.rowBytes);
  return model_.prefetchedBytes(double(cost.fixedBytes), command.prefetch, activations, window);
}

OpTime PlanClock::timeOf(const TimedCommand &command, const StepRecord &step,
                         const CommandContext &context) const {
  const OpTime time = model_.time(command.cost, step, context);
  return command.sum ? overlapped(time, model_.time(*command.sum, step, context)) : time;
}

OpTime PlanClock::timeOf(const TimedCommand &command, const StepRecord &step,
                         const CommandContext &context,
                         std::array<TimeMemo::Entry, TimeMemo::ways> *entry) const {
  // Attention sees lengths, which no two steps have in common; a trace of routing, the layer.
  const CostClass kind = command.cost.kind;
  if (!entry || kind == CostClass::Attention ||
      (kind == CostClass::GroupedMatmul && routing_.isByLayer()))
    return timeOf(command, step, context);
  const uint64_t rows = step.count(command.cost.rows);
  const uint64_t sumRows = command.sum ? step.count(command.sum->rows) : 0;
  const uint32_t hit = kind == CostClass::GroupedMatmul && !step.expertsHit.empty()
                           ? step.expertsHit[context.moeLayer]
                           : 0;
  TimeMemo::Entry &known = (*entry)[(rows + hit) % TimeMemo::ways];
  if (known.time.us == 0 || known.rows != rows || known.sumRows != sumRows || known.hit != hit ||
      known.mode != step.mode || known.cachedBytes != context.cachedBytes)
    known = {rows, sumRows, hit, step.mode, context.cachedBytes, timeOf(command, step, context)};
  return known.time;
}

PlanClock::BodyTime PlanClock::timeOf(size_t index, const StepRecord &step, uint32_t moeLayer,
                                      TimeMemo *memo) const {
  const Body &body = bodies_[index];
  BodyTime result;
  result.commands.reserve(body.commands.size());
  result.cachedBytes.reserve(body.commands.size());
  double window = 0; // since the memory was last busy
  for (size_t i = 0; i < body.commands.size(); ++i) {
    const TimedCommand &command = body.commands[i];
    CommandContext context = contextOf(command, step, moeLayer);
    context.cachedBytes = prefetchedBytes(command, step, window);
    result.prefetchedBytes += context.cachedBytes;
    result.cachedBytes.push_back(context.cachedBytes);
    const OpTime &time = result.commands.emplace_back(
        timeOf(command, step, context, memo ? &memo->bodies_[index][i] : nullptr));
    const bool isQuiet = (command.cost.kind == CostClass::Vector && time.bound != Bound::Hbm) ||
                         command.cost.kind == CostClass::Collective;
    window = isQuiet ? window + time.us : 0;
    result.us += time.us;
    result.p10 += time.p10;
    result.p90 += time.p90;
  }
  if (body.isOneStream)
    return result;
  const fb::Body &table = *plan_.root()->bodies()->Get(uint32_t(index));
  const auto span = [&](double OpTime::*part) {
    return std::ranges::max(endsOf(table, result.commands, part));
  };
  result.us = span(&OpTime::us);
  result.p10 = span(&OpTime::p10);
  result.p90 = span(&OpTime::p90);
  return result;
}

template <typename Visit>
void PlanClock::forEachCall(EntryKind kind, StepRecord step, TimeMemo *memo, Visit visit) const {
  const fb::Entry *entry = plan_.entry(toString(kind));
  step.tokenShares = plan_.root()->limits()->token_shares();
  if (memo && memo->bodies_.empty())
    for (const Body &body : bodies_)
      memo->bodies_.emplace_back(body.commands.size());
  std::vector<std::optional<BodyTime>> times(bodies_.size());
  uint32_t moeLayer = 0;
  for (const fb::Call *call : *entry->calls()) {
    const Body &body = bodies_[call->body()];
    std::optional<BodyTime> &time = times[call->body()];
    // Layers of one body take the same time, unless each has a routing of its own.
    if (!time || (body.isMoe && (!step.expertsHit.empty() || routing_.isByLayer())))
      time = timeOf(call->body(), step, moeLayer, memo);
    moeLayer += body.isMoe ? 1 : 0;
    visit(*call, *time);
  }
}

StepTimes PlanClock::time(EntryKind entry, const StepRecord &step, TimeMemo *memo) const {
  StepTimes times;
  forEachCall(entry, step, memo, [&](const fb::Call &call, const BodyTime &time) {
    times.deviceUs += time.us;
    times.deviceP10 += time.p10;
    times.deviceP90 += time.p90;
    times.launches += bodies_[call.body()].commands.size();
    times.prefetchedBytes += time.prefetchedBytes;
  });
  const OpTime host = model_.launch(times.launches, step.mode);
  times.hostUs = host.us;
  times.hostP10 = host.p10;
  times.hostP90 = host.p90;
  return times;
}

std::vector<CommandTime> PlanClock::commands(EntryKind entry, const StepRecord &step) const {
  std::vector<CommandTime> rows;
  std::vector<std::optional<size_t>> firstRow(bodies_.size());
  forEachCall(entry, step, nullptr, [&](const fb::Call &call, const BodyTime &time) {
    const fb::Body *table = plan_.root()->bodies()->Get(call.body());
    std::optional<size_t> &first = firstRow[call.body()];
    if (!first) {
      first = rows.size();
      for (uint32_t i = 0; i < time.commands.size(); ++i) {
        const uint32_t kernel = table->commands()->Get(i)->kernel();
        rows.push_back({plan_.root()->kernels()->Get(kernel), table, i, 0, time.commands[i]});
      }
    }
    for (uint32_t i = 0; i < time.commands.size(); ++i) {
      CommandTime &row = rows[*first + i];
      const double share = 1 / double(++row.calls);
      for (double OpTime::*part : {&OpTime::us, &OpTime::p10, &OpTime::p90})
        row.time.*part += (time.commands[i].*part - row.time.*part) * share;
    }
  });
  return rows;
}

void PlanClock::trace(EntryKind entry, const StepRecord &step,
                      const std::function<void(const PlacedCommand &)> &visit) const {
  double begin = 0;
  StepRecord shared = step;
  shared.tokenShares = plan_.root()->limits()->token_shares();
  forEachCall(entry, step, nullptr, [&](const fb::Call &call, const BodyTime &time) {
    const fb::Body *table = plan_.root()->bodies()->Get(call.body());
    const std::vector<double> ends = endsOf(*table, time.commands, &OpTime::us);
    for (uint32_t i = 0; i < ends.size(); ++i) {
      const fb::Command *command = table->commands()->Get(i);
      const Cost &cost = bodies_[call.body()].commands[i].cost;
      const double written = double(shared.count(cost.rows)) * double(cost.rowBytes);
      visit({.kernel = plan_.root()->kernels()->Get(command->kernel()),
             .layer = call.layer(),
             .stream = command->stream(),
             .startUs = begin + ends[i] - time.commands[i].us,
             .endUs = begin + ends[i],
             .l2WeightBytes = time.cachedBytes[i],
             .l2ActivationBytes = model_.residentShare(written) * written});
    }
    begin += time.us;
  });
}

} // namespace vinci
