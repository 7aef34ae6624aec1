// The table of a device's constants: names, units, bounds. Internal to the readers of specs.
#pragma once

#include "runtime/device/device_spec.h"

namespace vinci {

/// What a constant is a number of; decides units and bounds.
enum class Dimension : uint8_t {
  Count,
  Frequency,
  FlopsPerCycle,
  Bytes,
  Bandwidth,
  Time,
  Share,
  Ratio,
  Tokens
};

struct Unit {
  Dimension dimension;
  std::string_view name;
  double factor; ///< to the units of Quantity
};

struct ConstantRow {
  Constant constant;
  std::string_view name;
  Dimension dimension;
  bool optional = false; ///< a device may lack it
};

std::span<const ConstantRow> constantRows();
inline const ConstantRow &rowOf(Constant constant) {
  return constantRows()[size_t(constant)];
}

/// nullptr if `name` is no unit of `dimension`.
const Unit *findUnit(Dimension dimension, std::string_view name);
/// "GB/s or TB/s".
std::string unitNames(Dimension dimension);

/// What a value of the dimension must be, "above 0 and at most 1", and whether `value` (in the
/// units of Quantity) is.
std::string_view bounds(Dimension dimension);
bool isWithinBounds(Dimension dimension, double value);

/// What must hold between constants. Gives the constant that is wrong and what is expected of it;
/// an empty text when all is well.
std::pair<Constant, std::string> findContradiction(const DeviceSpec &spec);

} // namespace vinci
