#include "tools/vinci/simulation_page.h"

#include "runtime/clock/plan_costs.h"
#include "runtime/clock/plan_work.h"
#include "tools/vinci/simulation_page_template.h"

#include <algorithm>

namespace vinci {

/// The cube's peak in the type that most products are in, and the memory's; per microsecond.
static Report rooflineReport(const ServedPlan &plan, const StepRecord &step) {
  struct Point {
    StepWork work;
    double us = 0, longest = 0;
    Bound bound = Bound::Fixed;
  };
  std::map<std::string, Point> points;
  double int8 = 0, other = 0;
  for (const CommandTime &command : plan.clock().commands(EntryKind::Decode, step)) {
    if (!command.kernel->cost())
      continue; // a collective: it is bound by links
    const Cost cost = toCost(plan.clock().plan(), *command.kernel);
    const StepWork work = workOf(cost, step);
    Point &point = points[command.kernel->op()->str()];
    const auto calls = double(command.calls);
    point.work.flops += work.flops * calls;
    point.work.hbmBytes += work.hbmBytes * calls;
    point.us += command.time.us * calls;
    if (command.time.us * calls > point.longest) {
      point.longest = command.time.us * calls;
      point.bound = command.time.bound;
    }
    const bool isInt8 = cost.weights == DType::Int8 && cost.activations == DType::Int8;
    (isInt8 ? int8 : other) += work.flops * calls;
  }
  Report rows = Report::array();
  for (const auto &[op, point] : points)
    rows.push_back({{"op", op},
                    {"flops", point.work.flops},
                    {"bytes", point.work.hbmBytes},
                    {"total_us", point.us},
                    {"bound", toString(point.bound)}});
  const DeviceSpec &device = plan.clock().model().spec();
  const Constant flops = int8 > other                              ? Constant::CubeFlopsInt8
                         : device.has(Constant::CubeFlopsBFloat16) ? Constant::CubeFlopsBFloat16
                                                                   : Constant::CubeFlopsFloat16;
  return {{"flops_per_us", device[flops].value * device[Constant::CubeFrequency].value *
                               device[Constant::CubeCores].value},
          {"bytes_per_us", device[Constant::MemoryBandwidth].value},
          {"points", std::move(rows)}};
}

/// The load with 1, 2, 4, … clients, up to twice those of the run.
using LoadOf = std::function<ServedLoad(uint64_t clients, uint64_t requests)>;

static Report curveReport(const ServedPlan &plan, const Served &served, const LoadOf &load) {
  Report curve = Report::array();
  if (!served.concurrency)
    return curve;
  const uint64_t requests = served.result.requests.size();
  for (uint64_t clients = 1; clients <= 2 * *served.concurrency; clients *= 2) {
    const ServedLoad with = load(clients, std::min(std::max(requests, clients), 4 * clients));
    const ServingMetrics metrics = plan.serve(with).metrics;
    curve.push_back({{"concurrency", clients},
                     {"tpot_ms", round6(metrics.tpotMs.mean)},
                     {"ttft_ms", round6(metrics.ttftMs.mean)},
                     {"output_tokens_per_s", round6(metrics.outputTokensPerS)}});
  }
  return curve;
}

std::string simulationPage(const ServedPlan &plan, const Served &served, const LoadOf &load,
                           const Report &ablation) {
  const ServingMetrics &metrics = served.metrics;
  Report data = {
      {"model", plan.plan().root()->model()->name()->str()},
      {"device", plan.clock().model().spec().name},
      {"ranks", plan.ranks()},
      {"stack", plan.stack().name},
      {"tiles",
       {{"tokens per second", round6(metrics.outputTokensPerS), ""},
        {"a token (mean)", round6(metrics.tpotMs.mean), "ms"},
        {"first token (mean)", round6(metrics.ttftMs.mean), "ms"},
        {"first token (p90)", round6(metrics.ttftMs.p90), "ms"},
        {"requests", metrics.requests, ""},
        {"in all", round6(metrics.elapsedS), "s"}}},
      {"ops", Report::array()},
      {"roofline", {{"points", Report::array()}}},
      {"curve", curveReport(plan, served, load)},
      {"ablation", ablation.contains("ablation") ? ablation["ablation"] : Report::array()}};
  if (served.typical) {
    const StepRecord step = plan.recordOf(*served.typical);
    data["step"] = stepReport(plan, *served.typical);
    data["ops"] = opRows(plan.clock(), step);
    data["roofline"] = rooflineReport(plan, step);
  }
  std::string json = data.dump(-1, ' ', false, Report::error_handler_t::replace);
  for (size_t at = 0; (at = json.find("</", at)) != json.npos;) // must not end the script
    json.replace(at, 2, "<\\/");
  std::string page(simulationPageTemplate());
  constexpr std::string_view mark = "@DATA@";
  return page.replace(page.find(mark), mark.size(), json);
}

} // namespace vinci
