// Typed memory as numbers, for the reference kernels.
#pragma once

#include "runtime/support/dtype.h"

#include <cstdint>

namespace vinci::reference {

/// The value of a bfloat16 or float16, and the bits of the one nearest to a value (ties to even).
float fromBFloat16(uint16_t bits);
uint16_t toBFloat16(float value);
float fromFloat16(uint16_t bits);
uint16_t toFloat16(float value);

/// An array of `type` at `data`, read and written as doubles.
class Elements {
public:
  Elements(void *data, DType type) : data_(data), type_(type) {}

  DType type() const { return type_; }
  const void *data() const { return data_; }
  double get(uint64_t index) const;
  /// Stores the nearest element.
  void set(uint64_t index, double value) const;

private:
  void *data_;
  DType type_;
};

/// The element of `region` nearest to `value`; float32 stands for the full precision of the
/// reference.
double roundedTo(DType region, double value);

/// Element (n, k) of a Panel32 weight of `depth` inputs per column: the packing of
/// backend/kernels/README.md.
uint64_t panelIndex(uint64_t n, uint64_t k, uint64_t depth, DType type);

/// Elements of the memory of a whole weight [columns, depth] that is packed to be multiplied by,
/// padding included: as Panel32, bfloat16 as Panel12.
uint64_t panelElements(uint64_t columns, uint64_t depth, DType type);

/// Element (n, k) of such a weight, which begins at element `base`.
double panelValue(const Elements &weights, uint64_t base, uint64_t columns, uint64_t depth,
                  uint64_t n, uint64_t k);

} // namespace vinci::reference
