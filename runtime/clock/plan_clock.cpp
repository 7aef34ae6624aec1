#include "runtime/clock/plan_clock.h"

#include "runtime/clock/plan_costs.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <array>
#include <limits>
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

/// The parameter that is the first weight among the operands of a command.
std::optional<uint32_t> weightOf(const fb::Body &body, const fb::Command &command) {
  for (uint32_t i = 0; i < command.operand_count(); ++i)
    if (const fb::Operand *operand = body.operands()->Get(command.operand_first() + i);
        operand->space() == fb::Space::Parameter)
      return operand->index();
  return std::nullopt;
}

bool isProduct(CostClass kind) {
  return kind == CostClass::Matmul || kind == CostClass::GroupedMatmul;
}

/// Leaves the memory to a prefetch.
bool isQuiet(CostClass kind, const OpTime &time) {
  return (kind == CostClass::Vector && time.bound != Bound::Hbm) || kind == CostClass::Collective;
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

/// When commands of a body start and end. List scheduling: one starts when its stream is free and
/// what it waits for has finished.
class ListSchedule {
public:
  explicit ListSchedule(const fb::Body &body) : body_(body), ends_(body.commands()->size()) {}

  double startOf(uint32_t ordinal) const {
    const fb::Command *command = body_.commands()->Get(ordinal);
    double start = free_[command->stream()];
    for (uint32_t i = 0; i < command->wait_count(); ++i)
      start = std::max(start, ends_[body_.waits()->Get(command->wait_first() + i)]);
    return start;
  }
  void add(uint32_t ordinal, double end) {
    ends_[ordinal] = free_[body_.commands()->Get(ordinal)->stream()] = end;
    last_ = std::max(last_, end);
  }
  double end() const { return last_; }

private:
  const fb::Body &body_;
  std::vector<double> ends_;
  std::array<double, size_t(fb::Stream::MAX) + 1> free_ = {}; ///< of each stream, from when on
  double last_ = 0;
};

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
    std::optional<uint32_t> stream;
    for (const fb::Command *command : *table->commands()) {
      const fb::Kernel *kernel = plan.root()->kernels()->Get(command->kernel());
      const auto ordinal = uint32_t(body.commands.size());
      streams_.insert(command->stream());
      TimedCommand timed;
      if (const fb::Prefetch *prefetch = kernel->prefetch()) {
        timed.weight = weightOf(*table, *command);
        body.prefetches.push_back(
            {ordinal, *timed.weight, prefetch->share(), prefetch->min_tokens(), true});
        body.commands.push_back(std::move(timed));
        continue;
      }
      body.isOneStream &= command->stream() == stream.value_or(command->stream());
      stream = command->stream();
      if (const fb::Collective *collective = kernel->collective()) {
        const MeshAxes axes = axesOf(*collective->axes());
        const std::vector<uint32_t> devices = groupAlong(mesh, axes, options.devices);
        (computesFirst(*kernel) ? timed.sum.emplace() : timed.cost) =
            toCost(*collective, devices.size());
        timed.context = {.collective = kindOf(*collective),
                         .expansion = options.expansion,
                         .group = model.spec().groupOf(devices)};
      }
      if (isCompiled(*kernel)) {
        timed.cost = toCost(plan, *kernel);
        body.isMoe |= timed.cost.kind == CostClass::GroupedMatmul;
        body.attentions += timed.cost.kind == CostClass::Attention ? 1 : 0;
        timed.context.inFractals = options.fractals || fusesExperts(*kernel);
        if (isProduct(timed.cost.kind))
          timed.weight = weightOf(*table, *command);
      }
      for (Prefetch &prefetch : body.prefetches)
        if (timed.weight == prefetch.parameter && prefetch.isForNextCall) {
          prefetch.isForNextCall = false;
          timed.prefetched = prefetch.command;
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

const PlanClock::Prefetch &PlanClock::Body::prefetch(uint32_t command) const {
  return *std::ranges::find(prefetches, command, &Prefetch::command);
}

/// Times the commands of a body in their order.
class PlanClock::Timeline {
public:
  Timeline(const PlanClock &clock, size_t index, const StepRecord &step, uint32_t moeLayer,
           TimeMemo *memo, BodyTime &result)
      : clock_(clock), body_(clock.bodies_[index]), step_(step), moeLayer_(moeLayer),
        memo_(memo ? &memo->bodies_[index] : nullptr),
        schedule_(*clock.plan_.root()->bodies()->Get(uint32_t(index))), result_(result) {}

  void run() {
    for (uint32_t ordinal = 0; ordinal < body_.commands.size(); ++ordinal)
      add(ordinal);
    result_.us = schedule_.end();
    for (const Prefetch &prefetch : body_.prefetches)
      if (prefetch.isForNextCall)
        result_.sinceUs.push_back(std::max(result_.starts[prefetch.command], busyUntil_) -
                                  result_.us);
  }

private:
  static constexpr double always = -std::numeric_limits<double>::infinity();

  void add(uint32_t ordinal) {
    const TimedCommand &command = body_.commands[ordinal];
    const double start = schedule_.startOf(ordinal);
    result_.starts.push_back(start);
    if (command.weight &&
        !isProduct(command.cost.kind)) { // what it fetches is seen when it is read
      result_.commands.emplace_back();
      result_.cachedBytes.push_back(0);
      return;
    }
    CommandContext context = clock_.contextOf(command, step_, moeLayer_);
    if (command.prefetched)
      context.cachedBytes = fetch(body_.prefetch(*command.prefetched), command, start);
    for (const Underway &underway : result_.underway)
      if (underway.reader == ordinal)
        context.cachedBytes = fetch(underway.command, underway.share, underway.sinceUs, command,
                                    start, result_.fetchedBefore);
    result_.cachedBytes.push_back(context.cachedBytes);
    const OpTime &time = result_.commands.emplace_back(
        clock_.timeOf(command, step_, context, memo_ ? &(*memo_)[ordinal] : nullptr));
    schedule_.add(ordinal, start + time.us);
    if (!isQuiet(command.cost.kind, time))
      busyUntil_ = std::max(busyUntil_, start + time.us);
  }

  double fetch(const Prefetch &prefetch, const TimedCommand &reader, double until) {
    if (step_.tokens < prefetch.minTokens)
      return 0;
    return fetch(prefetch.command, prefetch.share, result_.starts[prefetch.command], reader, until,
                 result_.fetched);
  }
  /// Of the weight of `reader`, which starts at `until`, by a command that may fetch it from
  /// `since` on.
  double fetch(uint32_t command, double share, double since, const TimedCommand &reader,
               double until, std::vector<Fetched> &to) {
    const Cost &cost = reader.cost;
    since = std::max({since, busyUntil_, fetchedUntil_});
    const double activations = double(step_.count(cost.rows)) * double(cost.rowBytes);
    const double bytes = clock_.model_.prefetchedBytes(double(cost.fixedBytes), share, activations,
                                                       std::max(0.0, until - since));
    const OpTime time = clock_.model_.prefetch(bytes);
    fetchedUntil_ = since + time.us;
    to.push_back({command, since, bytes, time});
    return bytes;
  }

  const PlanClock &clock_;
  const Body &body_;
  const StepRecord &step_;
  const uint32_t moeLayer_;
  std::vector<std::array<TimeMemo::Entry, TimeMemo::ways>> *memo_;
  ListSchedule schedule_;
  BodyTime &result_;
  double busyUntil_ = always;    ///< the memory, by what has started so far
  double fetchedUntil_ = always; ///< by the prefetch before
};

PlanClock::BodyTime PlanClock::timeOf(size_t index, const StepRecord &step, uint32_t moeLayer,
                                      TimeMemo *memo, std::vector<Underway> underway) const {
  const Body &body = bodies_[index];
  BodyTime result;
  result.underway = std::move(underway);
  result.commands.reserve(body.commands.size());
  result.cachedBytes.reserve(body.commands.size());
  result.starts.reserve(body.commands.size());
  Timeline(*this, index, step, moeLayer, memo, result).run();
  const auto span = [&](double OpTime::*part) {
    ListSchedule schedule(*plan_.root()->bodies()->Get(uint32_t(index)));
    for (uint32_t i = 0; i < result.commands.size(); ++i)
      schedule.add(i, schedule.startOf(i) + result.commands[i].*part);
    return schedule.end();
  };
  const auto sum = [&](double OpTime::*part) {
    double us = 0;
    for (const OpTime &time : result.commands)
      us += time.*part;
    return us;
  };
  result.p10 = body.isOneStream ? sum(&OpTime::p10) : span(&OpTime::p10);
  result.p90 = body.isOneStream ? sum(&OpTime::p90) : span(&OpTime::p90);
  return result;
}

bool PlanClock::isLaunched(const Prefetch &prefetch, const fb::Call &call, const StepRecord &step) {
  return step.tokens >= prefetch.minTokens &&
         call.bindings()->Get(prefetch.parameter)->kind() == fb::BindingKind::Weight;
}

std::vector<PlanClock::Underway> PlanClock::underwayIn(const fb::Call &call, const fb::Call &before,
                                                       const BodyTime &time,
                                                       const StepRecord &step) const {
  std::vector<Underway> underway;
  size_t next = 0; // of time.sinceUs
  for (const Prefetch &prefetch : bodies_[before.body()].prefetches) {
    if (!prefetch.isForNextCall)
      continue;
    const double since = time.sinceUs[next++];
    if (!isLaunched(prefetch, before, step))
      continue;
    const fb::Binding *fetched = before.bindings()->Get(prefetch.parameter);
    const std::vector<TimedCommand> &commands = bodies_[call.body()].commands;
    for (uint32_t reader = 0; reader < commands.size(); ++reader) {
      const auto &weight = commands[reader].weight;
      if (!weight || !isProduct(commands[reader].cost.kind))
        continue;
      const fb::Binding *read = call.bindings()->Get(*weight);
      if (read->kind() == fb::BindingKind::Weight && read->index() == fetched->index())
        underway.push_back({reader, prefetch.command, prefetch.share, since});
    }
  }
  return underway;
}

template <typename Visit>
void PlanClock::forEachCall(EntryKind kind, StepRecord step, TimeMemo *memo, Visit visit) const {
  const fb::Entry *entry = plan_.entry(toString(kind));
  step.tokenShares = plan_.root()->limits()->token_shares();
  if (memo && memo->bodies_.empty())
    for (const Body &body : bodies_)
      memo->bodies_.emplace_back(body.commands.size());
  std::vector<std::shared_ptr<const BodyTime>> times(bodies_.size()); // the last of each body
  uint32_t moeLayer = 0;
  const fb::Call *before = nullptr;
  std::shared_ptr<const BodyTime> timeBefore;
  for (const fb::Call *call : *entry->calls()) {
    const Body &body = bodies_[call->body()];
    std::shared_ptr<const BodyTime> &time = times[call->body()];
    std::vector<Underway> underway;
    if (before && !timeBefore->sinceUs.empty())
      underway = underwayIn(*call, *before, *timeBefore, step);
    // Layers of one body take the same time, unless each has a routing of its own, or what came
    // before left them something else.
    if (!time || time->underway != underway ||
        (body.isMoe && (!step.expertsHit.empty() || routing_.isByLayer())))
      time = std::make_shared<BodyTime>(
          timeOf(call->body(), step, moeLayer, memo, std::move(underway)));
    moeLayer += body.isMoe ? 1 : 0;
    if (before)
      visit(*before, *timeBefore, time.get());
    before = call;
    timeBefore = time;
  }
  if (before)
    visit(*before, *timeBefore, nullptr);
}

StepTimes PlanClock::time(EntryKind entry, const StepRecord &step, TimeMemo *memo) const {
  StepTimes times;
  forEachCall(entry, step, memo, [&](const fb::Call &call, const BodyTime &time, const BodyTime *) {
    const Body &body = bodies_[call.body()];
    times.deviceUs += time.us;
    times.deviceP10 += time.p10;
    times.deviceP90 += time.p90;
    times.launches += body.commands.size();
    times.attentions += body.attentions;
    for (const Prefetch &prefetch : body.prefetches)
      times.launches -= isLaunched(prefetch, call, step) ? 0 : 1;
    for (const auto *all : {&time.fetched, &time.fetchedBefore})
      for (const Fetched &fetched : *all)
        times.prefetchedBytes += fetched.bytes;
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
  const auto add = [](CommandTime &row, const OpTime &time, double bytes) {
    const double share = 1 / double(++row.calls);
    if (row.calls == 1)
      row.time = time;
    for (double OpTime::*part : {&OpTime::us, &OpTime::p10, &OpTime::p90})
      row.time.*part += (time.*part - row.time.*part) * share;
    row.fetchedBytes += (bytes - row.fetchedBytes) * share;
  };
  forEachCall(entry, step, nullptr,
              [&](const fb::Call &call, const BodyTime &time, const BodyTime *next) {
                const Body &body = bodies_[call.body()];
                const fb::Body *table = plan_.root()->bodies()->Get(call.body());
                std::optional<size_t> &first = firstRow[call.body()];
                if (!first) {
                  first = rows.size();
                  for (uint32_t i = 0; i < time.commands.size(); ++i) {
                    const uint32_t kernel = table->commands()->Get(i)->kernel();
                    rows.push_back({plan_.root()->kernels()->Get(kernel), table, i, 0, {}, 0});
                  }
                }
                for (uint32_t i = 0; i < time.commands.size(); ++i)
                  if (!rows[*first + i].kernel->prefetch())
                    add(rows[*first + i], time.commands[i], 0);
                for (const Prefetch &prefetch : body.prefetches)
                  if (isLaunched(prefetch, call, step)) {
                    const Fetched fetched = fetchedBy(prefetch, time, next);
                    add(rows[*first + prefetch.command], fetched.time, fetched.bytes);
                  }
              });
  return rows;
}

PlanClock::Fetched PlanClock::fetchedBy(const Prefetch &prefetch, const BodyTime &time,
                                        const BodyTime *next) {
  if (prefetch.isForNextCall && !next)
    return {};
  const std::vector<Fetched> &all = prefetch.isForNextCall ? next->fetchedBefore : time.fetched;
  const auto found = std::ranges::find(all, prefetch.command, &Fetched::command);
  if (found == all.end())
    return {};
  Fetched fetched = *found;
  fetched.startUs += prefetch.isForNextCall ? time.us : 0;
  return fetched;
}

void PlanClock::trace(EntryKind entry, const StepRecord &step,
                      const std::function<void(const PlacedCommand &)> &visit) const {
  double begin = 0;
  StepRecord shared = step;
  shared.tokenShares = plan_.root()->limits()->token_shares();
  const auto place = [&](const fb::Call &call, const BodyTime &time, const BodyTime *next,
                         uint32_t ordinal) -> std::optional<PlacedCommand> {
    const Body &body = bodies_[call.body()];
    const fb::Command *command =
        plan_.root()->bodies()->Get(call.body())->commands()->Get(ordinal);
    PlacedCommand placed{.kernel = plan_.root()->kernels()->Get(command->kernel()),
                         .layer = call.layer(),
                         .stream = command->stream()};
    double start = time.starts[ordinal], us = time.commands[ordinal].us;
    if (placed.kernel->prefetch()) {
      const Prefetch &prefetch = body.prefetch(ordinal);
      if (!isLaunched(prefetch, call, step))
        return std::nullopt;
      const Fetched fetched = fetchedBy(prefetch, time, next);
      start = fetched.bytes > 0 ? fetched.startUs : start;
      us = fetched.time.us;
    } else {
      const Cost &cost = body.commands[ordinal].cost;
      const double written = double(shared.count(cost.rows)) * double(cost.rowBytes);
      placed.l2WeightBytes = time.cachedBytes[ordinal];
      placed.l2ActivationBytes = model_.residentShare(written) * written;
    }
    placed.startUs = begin + start;
    placed.endUs = begin + start + us;
    return placed;
  };
  forEachCall(entry, step, nullptr,
              [&](const fb::Call &call, const BodyTime &time, const BodyTime *next) {
                for (uint32_t i = 0; i < time.commands.size(); ++i)
                  if (const auto placed = place(call, time, next, i))
                    visit(*placed);
                begin += time.us;
              });
}

} // namespace vinci
