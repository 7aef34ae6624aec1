#include "tools/vinci/compare_report.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <tuple>

namespace vinci {

static Report tensorRow(const ComparedTensor &compared, const std::vector<std::string> &steps) {
  const PlanTensor &tensor = compared.tensor;
  return {{"step", steps[compared.step]},
          {"tensor", tensor.name},
          {"layer", tensor.layer < 0 ? "-" : std::to_string(tensor.layer)},
          {"op", tensor.op},
          {"location", tensor.location},
          {"max_error", compared.error.max},
          {"mean_error", compared.error.mean},
          {"relative", compared.error.relative()},
          {"within", compared.within}};
}

static Report worstRows(const Comparison &comparison, const std::vector<std::string> &steps,
                        int64_t count) {
  std::vector<const ComparedTensor *> worst;
  for (const ComparedTensor &tensor : comparison.tensors())
    if (!tensor.error.sameBits)
      worst.push_back(&tensor);
  std::ranges::sort(worst, std::ranges::greater(), [&](const ComparedTensor *tensor) {
    // Of equals, what was computed first.
    return std::tuple(!tensor->within, tensor->error.relative(),
                      comparison.tensors().data() - tensor);
  });
  worst.resize(std::min(worst.size(), size_t(count)));
  Report rows = Report::array();
  for (const ComparedTensor *tensor : worst)
    rows.push_back(tensorRow(*tensor, steps));
  return rows;
}

static Report logitRows(const Comparison &comparison, const std::vector<std::string> &steps) {
  Report rows = Report::array();
  for (const ComparedTensor &tensor : comparison.tensors())
    if (tensor.tensor.name == "logits")
      rows.push_back({{"step", steps[tensor.step]},
                      {"max_error", tensor.error.max},
                      {"mean_error", tensor.error.mean},
                      {"relative", tensor.error.relative()},
                      {"within", tensor.within}});
  return rows;
}

static Report replicaRows(const Comparison &comparison, const std::vector<std::string> &steps) {
  Report rows = Report::array();
  for (const ReplicaFinding &finding : comparison.replicas())
    rows.push_back(
        {{"side", finding.side == SideA ? "a" : "b"},
         {"step", steps[finding.step]},
         {"tensor", finding.tensor.name},
         {"layer", finding.tensor.layer < 0 ? "-" : std::to_string(finding.tensor.layer)},
         {"op", finding.tensor.op},
         {"location", finding.tensor.location},
         {"rank", finding.replicas.rank},
         {"other", finding.replicas.other},
         {"max_error", finding.replicas.error.max}});
  return rows;
}

static Report notComparedRows(const Comparison &comparison) {
  Report rows = Report::array();
  for (Side side : {SideA, SideB}) {
    const NotCompared &counts = comparison.notCompared(side);
    rows.push_back({{"side", side == SideA ? "a" : "b"},
                    {"partial_sums", counts.partialSums},
                    {"by_expert", counts.byExpert},
                    {"other_order", counts.otherOrder},
                    {"unmatched", counts.unmatched},
                    {"unmatched_names", counts.unmatchedNames}});
  }
  return rows;
}

static std::string describe(const PlanTensor &tensor) {
  return fmt::format("{}{} ({}{}{})", tensor.name,
                     tensor.layer < 0 ? "" : fmt::format(" of layer {}", tensor.layer), tensor.op,
                     tensor.location.empty() ? "" : ", ", tensor.location);
}

Report comparisonReport(Report report, const Comparison &comparison,
                        const std::vector<std::string> &steps, double tolerance, int64_t worst) {
  const auto &tensors = comparison.tensors();
  const ComparedTensor *first = comparison.firstBeyond();
  report.update(
      {{"steps", steps},
       {"tolerance", tolerance},
       {"compared", tensors.size()},
       {"same_bits", std::ranges::count_if(tensors, [](auto &it) { return it.error.sameBits; })},
       {"beyond_tolerance", std::ranges::count(tensors, false, &ComparedTensor::within)}});
  report["first_beyond"] = first ? tensorRow(*first, steps) : Report();
  report["not_compared"] = notComparedRows(comparison);
  if (!comparison.replicas().empty())
    report["replicas"] = replicaRows(comparison, steps);
  report["logits"] = logitRows(comparison, steps);
  report["worst"] = worstRows(comparison, steps, worst);
  return report;
}

void failIfDifferent(const Comparison &comparison, const std::vector<std::string> &steps,
                     double tolerance, const SideNames &names) {
  if (!comparison.replicas().empty()) {
    const ReplicaFinding &finding = comparison.replicas().front();
    fail("ranks {} and {} of {} should have the same {} in step {}, and differ by up to {:g}",
         finding.replicas.rank, finding.replicas.other, finding.side == SideA ? names.a : names.b,
         describe(finding.tensor), steps[finding.step], finding.replicas.error.max);
  }
  if (const ComparedTensor *first = comparison.firstBeyond())
    fail("{} and {} differ from {} in step {} on: max error {:g}, mean {:g}, relative {:g} where "
         "{:g} is tolerated",
         names.a, names.b, describe(first->tensor), steps[first->step], first->error.max,
         first->error.mean, first->error.relative(), tolerance);
}

} // namespace vinci
