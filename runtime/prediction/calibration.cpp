#include "runtime/prediction/calibration.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>

namespace vinci {

namespace {

using Constants = std::array<double, 2>; ///< gap and launch, microseconds

constexpr std::array<StackValue StackProfile::*, 2> fitted = {&StackProfile::servingGapUs,
                                                              &StackProfile::launchUsPerOp};
constexpr std::array names = {"serving_gap", "launch_per_op"};

class Fit {
public:
  Fit(const ServingSettings &settings, const Plan &plan, const CostModel &costs,
      const StackProfile &stack, const std::vector<MeasuredRun> &runs,
      const std::function<void(uint64_t, uint64_t)> &progress)
      : settings_(settings), plan_(plan), costs_(costs), stack_(stack), runs_(runs),
        progress_(progress) {}

  Constants solve(Constants start, Estimate device, std::array<bool, 2> &determined);
  ServingMetrics serve(const MeasuredRun &run, const Constants &constants, Estimate device) const;
  StackProfile with(const Constants &constants) const;

private:
  std::vector<double> errors(const Constants &constants, Estimate device);

  const ServingSettings &settings_;
  const Plan &plan_;
  const CostModel &costs_;
  const StackProfile &stack_;
  const std::vector<MeasuredRun> &runs_;
  const std::function<void(uint64_t, uint64_t)> &progress_;
  uint64_t served_ = 0;
};

/// The stack with these constants, without ranges.
StackProfile Fit::with(const Constants &constants) const {
  StackProfile stack = stack_;
  for (size_t i = 0; i < fitted.size(); ++i) {
    StackValue &value = stack.*fitted[i];
    value.value = value.low = value.high = constants[i];
  }
  // Only what remains of the gap shows; what hides of it is not fitted.
  StackValue &hides = stack.asyncHidesUs;
  hides.low = hides.high = hides.value;
  return stack;
}

ServingMetrics Fit::serve(const MeasuredRun &run, const Constants &constants,
                          Estimate device) const {
  const auto lengths = [&](const std::string &text) {
    return LengthDistribution::parse(text, "lengths", {run.file});
  };
  RequestShape shape{.requests = run.requests,
                     .inputTokens = lengths(run.inputTokens),
                     .outputTokens = lengths(run.outputTokens)};
  return ServedPlan(settings_, plan_, with(constants), costs_)
      .serve({Load::closedLoop(shape, run.concurrency)}, {}, device)
      .metrics;
}

/// Relative, of first tokens and gaps.
std::vector<double> Fit::errors(const Constants &constants, Estimate device) {
  std::vector<double> result;
  for (const MeasuredRun &run : runs_) {
    ++served_;
    progress_(served_, std::max<uint64_t>(served_, 60 * runs_.size()));
    const ServingMetrics metrics = serve(run, constants, device);
    const double gap = run.format == "mindie" ? metrics.interTokenMs.mean : metrics.tpotMs.mean;
    result.push_back(metrics.ttftMs.mean / run.ttftMs - 1);
    result.push_back(gap / run.tokenGapMs - 1);
  }
  return result;
}

double norm(const std::vector<double> &errors) {
  double sum = 0;
  for (double error : errors)
    sum += error * error;
  return sum;
}

/// Gauss and Newton's steps, halved while they do not help.
Constants Fit::solve(Constants at, Estimate device, std::array<bool, 2> &determined) {
  const double least = stack_.async.value != 0 ? stack_.asyncHidesUs.value : 0;
  std::vector<double> error = errors(at, device);
  for (int iteration = 0; iteration < 8; ++iteration) {
    std::array<std::vector<double>, 2> slopes;
    for (size_t i = 0; i < 2; ++i) {
      Constants moved = at;
      const double change = std::max(20.0, 0.02 * at[i]);
      moved[i] += change;
      slopes[i] = errors(moved, device);
      for (size_t e = 0; e < error.size(); ++e)
        slopes[i][e] = (slopes[i][e] - error[e]) / change;
      // A tenth more of it must be worth more than a thousandth of what was measured.
      determined[i] = std::sqrt(norm(slopes[i])) * std::max(10.0, 0.1 * at[i]) > 1e-3;
    }
    double a = 0, b = 0, c = 0, x = 0, y = 0;
    for (size_t e = 0; e < error.size(); ++e) {
      const double s = determined[0] ? slopes[0][e] : 0, t = determined[1] ? slopes[1][e] : 0;
      a += s * s;
      b += s * t;
      c += t * t;
      x -= s * error[e];
      y -= t * error[e];
    }
    Constants step = {};
    const double determinant = a * c - b * b;
    if (determined[0] && determined[1] && determinant > 1e-9 * a * c)
      step = {(c * x - b * y) / determinant, (a * y - b * x) / determinant};
    else if (determined[0])
      step[0] = x / a;
    else if (determined[1])
      step[1] = y / c;
    bool better = false;
    for (int halving = 0; halving < 6 && !better; ++halving) {
      const Constants next = {std::max(least, at[0] + step[0]), std::max(0.0, at[1] + step[1])};
      if (next == at)
        break;
      std::vector<double> nextError = errors(next, device);
      better = norm(nextError) < norm(error);
      if (better) {
        at = next;
        error = std::move(nextError);
      }
      step = {step[0] / 2, step[1] / 2};
    }
    if (!better || std::max(std::abs(step[0]) / std::max(at[0], 100.0),
                            std::abs(step[1]) / std::max(at[1], 10.0)) < 1e-3)
      break;
  }
  return at;
}

double rounded(double value) {
  return std::round(value * 10) / 10;
}

std::string sourceOf(const std::vector<MeasuredRun> &runs) {
  std::string files;
  for (const MeasuredRun &run : runs)
    files += (files.empty() ? "" : ", ") + run.file.substr(run.file.rfind('/') + 1);
  return "fitted to the first tokens and the gaps between tokens of " + files +
         ", less what the device needs";
}

} // namespace

Calibration calibrate(const ServingSettings &settings, const Plan &plan, const CostModel &costs,
                      const StackProfile &stack, const std::vector<MeasuredRun> &runs,
                      const std::function<void(uint64_t, uint64_t)> &progress) {
  if (runs.empty())
    fail("there is no run to fit the stack {} to", stack.name);
  Fit fit(settings, plan, costs, stack, runs, progress);
  std::array<bool, 2> determined = {}, atEnds = {};
  const Constants start = {stack.servingGapUs.value, stack.launchUsPerOp.value};
  const Constants best = fit.solve(start, Estimate::Mean, determined);
  // A slower device leaves less for the host.
  const Constants least = fit.solve(best, Estimate::High, atEnds);
  const Constants most = fit.solve(best, Estimate::Low, atEnds);

  Calibration result;
  result.stack = stack;
  for (size_t i = 0; i < fitted.size(); ++i) {
    FittedValue &value = result.values[i];
    value = {names[i],          start[i],         rounded(best[i]),
             rounded(least[i]), rounded(most[i]), determined[i]};
    StackValue &constant = result.stack.*fitted[i];
    if (!determined[i]) {
      value.after = value.before;
      value.low = constant.low;
      value.high = constant.high;
      continue;
    }
    value.low = std::min({value.low, value.after, value.high});
    value.high = std::max({rounded(least[i]), value.after, value.high});
    constant = {value.after, value.low, value.high, StackTag::Fitted, sourceOf(runs)};
  }
  const Constants fittedTo = {result.values[0].after, result.values[1].after};
  for (const MeasuredRun &run : runs)
    result.runs.push_back({&run, fit.serve(run, fittedTo, Estimate::Mean)});
  return result;
}

} // namespace vinci
