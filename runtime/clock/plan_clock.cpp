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
    : plan_(plan), model_(model) {
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
        body.isMoe |= timed.cost.kind == CostClass::GroupedMatmul;
      }
      body.commands.push_back(std::move(timed));
    }
    bodies_.push_back(std::move(body));
  }
}

OpTime PlanClock::timeOf(const TimedCommand &command, const StepRecord &step,
                         uint32_t moeLayer) const {
  CommandContext context = command.context;
  context.moeLayer = moeLayer;
  const OpTime time = model_.time(command.cost, step, context);
  return command.sum ? overlapped(time, model_.time(*command.sum, step, context)) : time;
}

PlanClock::BodyTime PlanClock::timeOf(const Body &body, const fb::Body &table,
                                      const StepRecord &step, uint32_t moeLayer) const {
  BodyTime result;
  result.commands.reserve(body.commands.size());
  for (const TimedCommand &command : body.commands)
    result.commands.push_back(timeOf(command, step, moeLayer));
  const auto span = [&](double OpTime::*part) {
    return std::ranges::max(endsOf(table, result.commands, part));
  };
  result.us = span(&OpTime::us);
  result.p10 = span(&OpTime::p10);
  result.p90 = span(&OpTime::p90);
  return result;
}

template <typename Visit>
void PlanClock::forEachCall(EntryKind kind, StepRecord step, Visit visit) const {
  const fb::Entry *entry = plan_.entry(toString(kind));
  step.tokenShares = plan_.root()->limits()->token_shares();
  std::vector<std::optional<BodyTime>> times(bodies_.size());
  uint32_t moeLayer = 0;
  for (const fb::Call *call : *entry->calls()) {
    const Body &body = bodies_[call->body()];
    std::optional<BodyTime> &time = times[call->body()];
    // Layers of one body take the same time, unless routing was recorded.
    if (!time || (body.isMoe && !step.expertsHit.empty()))
      time = timeOf(body, *plan_.root()->bodies()->Get(call->body()), step, moeLayer);
    moeLayer += body.isMoe ? 1 : 0;
    visit(*call, *time);
  }
}

StepTimes PlanClock::time(EntryKind entry, const StepRecord &step) const {
  StepTimes times;
  forEachCall(entry, step, [&](const fb::Call &call, const BodyTime &time) {
    times.deviceUs += time.us;
    times.deviceP10 += time.p10;
    times.deviceP90 += time.p90;
    times.launches += bodies_[call.body()].commands.size();
  });
  times.hostUs = model_.launch(times.launches, step.mode).us;
  return times;
}

std::vector<CommandTime> PlanClock::commands(EntryKind entry, const StepRecord &step) const {
  std::vector<CommandTime> rows;
  std::vector<std::optional<size_t>> firstRow(bodies_.size());
  forEachCall(entry, step, [&](const fb::Call &call, const BodyTime &time) {
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

void PlanClock::trace(EntryKind entry, const StepRecord &step, const Trace &visit) const {
  double begin = 0;
  forEachCall(entry, step, [&](const fb::Call &call, const BodyTime &time) {
    const fb::Body *table = plan_.root()->bodies()->Get(call.body());
    const std::vector<double> ends = endsOf(*table, time.commands, &OpTime::us);
    for (uint32_t i = 0; i < ends.size(); ++i) {
      const fb::Command *command = table->commands()->Get(i);
      visit(*plan_.root()->kernels()->Get(command->kernel()), call.layer(), command->stream(),
            begin + ends[i] - time.commands[i].us, begin + ends[i]);
    }
    begin += time.us;
  });
}

} // namespace vinci
