// What all families of the cost model share. Internal to it.
#pragma once

#include "runtime/device/cost_model.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>

namespace vinci::cost {

/// A part of an op's time, for naming what bounds it. `ideal` is what the part would take at the
/// device's peak.
struct Part {
  Bound bound;
  double us;
  double ideal;
  const Quantity *constant;
};

/// A constant of a formula, and what the formula takes of it: the constant itself, or the time of
/// what would take `ideal` at the peak, of which the constant is the share that is reached.
struct Term {
  const Quantity *constant;
  double ideal = -1; ///< negative: the constant itself

  double at(double value) const { return ideal < 0 ? value : ideal / value; }
};

/// `time` takes the terms, in their order, to microseconds and gives its largest part by the second
/// argument (nullptr: not wanted).
///
/// The range: the time with each constant alone at its bounds, the differences added as squares, as
/// constants are independent of each other. Where a constant is certain that costs nothing.
template <size_t count, typename Time>
OpTime evaluate(const std::array<Term, count> &terms, Time &&time) {
  std::array<double, count> values;
  for (size_t i = 0; i < count; ++i)
    values[i] = terms[i].at(terms[i].constant->value);
  OpTime result;
  Part largest = {};
  result.us = time(values, &largest);
  double below = 0, above = 0;
  for (size_t i = 0; i < count; ++i) {
    const Quantity &constant = *terms[i].constant;
    if (constant.low == constant.high)
      continue;
    const double value = values[i];
    values[i] = terms[i].at(constant.low);
    const double atLow = time(values, nullptr) - result.us;
    values[i] = terms[i].at(constant.high);
    const double atHigh = time(values, nullptr) - result.us;
    values[i] = value;
    const double least = std::min({atLow, atHigh, 0.0}), most = std::max({atLow, atHigh, 0.0});
    below += least * least;
    above += most * most;
  }
  result.p10 = std::max(0.0, result.us - std::sqrt(below));
  result.p90 = result.us + std::sqrt(above);
  result.bound = largest.bound;
  result.efficiency = result.us > 0 ? largest.ideal / result.us : 0;
  result.tag = largest.constant->tag;
  result.constant = largest.constant->name;
  return result;
}

template <size_t count, typename Time>
OpTime evaluate(const std::array<const Quantity *, count> &constants, Time &&time) {
  std::array<Term, count> terms;
  for (size_t i = 0; i < count; ++i)
    terms[i] = {constants[i]};
  return evaluate(terms, time);
}

/// Gives the largest of `parts` where that is wanted.
inline void report(Part *largest, std::initializer_list<Part> parts) {
  if (largest == nullptr)
    return;
  *largest = *parts.begin();
  for (const Part &part : parts)
    if (part.us > largest->us)
      *largest = part;
}

/// Between the constants at two places, where `position` is 0 at the first and 1 at the second. Its
/// name and tag are those of the nearer.
inline Quantity between(const Quantity &first, const Quantity &second, double position) {
  const auto mix = [&](double a, double b) { return a + (b - a) * position; };
  const Quantity &nearer = position < 0.5 ? first : second;
  return {mix(first.value, second.value), mix(first.low, second.low), mix(first.high, second.high),
          nearer.tag, nearer.name};
}

/// As between, in logarithms of the values: a power of what `position` is the logarithm of.
inline Quantity betweenPowers(const Quantity &first, const Quantity &second, double position) {
  const auto mix = [&](double a, double b) { return a * std::exp(std::log(b / a) * position); };
  const Quantity &nearer = position < 0.5 ? first : second;
  return {mix(first.value, second.value), mix(first.low, second.low), mix(first.high, second.high),
          nearer.tag, nearer.name};
}

/// The fixed time of a kernel, by how it comes to the device.
inline const Quantity &fixedTime(const DeviceSpec &spec, LaunchMode mode, Constant launched) {
  constexpr unsigned toGraph =
      unsigned(Constant::GraphMatmulFloat) - unsigned(Constant::LaunchedMatmulFloat);
  return spec[mode == LaunchMode::Graph ? next(launched, toGraph) : launched];
}

/// The cube multiplies in int8 only if both sides are; weights alone are converted on the way.
inline DType multipliedType(DType weights, DType activations) {
  return weights == DType::Int8 && activations == DType::Int8 ? DType::Int8 : activations;
}

/// Flops per microsecond of one core's cube in `type`. Fails when it has none.
double cubeRate(const DeviceSpec &spec, DType type);

/// Bytes that a kernel streams: all pass through L2, those that are not there come from HBM. The
/// slower of the two decides.
struct Streams {
  double hbm = 0;
  double l2 = 0;

  double hbmTime(const DeviceSpec &spec, double share) const {
    return hbm / (spec[Constant::MemoryBandwidth].value * share);
  }
  double l2Time(const DeviceSpec &spec, double share) const {
    return l2 / (spec[Constant::L2Bandwidth].value * share);
  }
};

/// Longer and shorter of two things that overlap, except for `loss` of the shorter in proportion to
/// their ratio: filling and draining take time, the more the closer they are to balance.
inline double overlapped(double a, double b, double loss) {
  const double longer = std::max(a, b), shorter = std::min(a, b);
  return longer > 0 ? longer + loss * shorter * shorter / longer : 0;
}

} // namespace vinci::cost
