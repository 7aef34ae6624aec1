// What a kernel is asked to be: an op of the catalogue and the constants that are compiled into it.
//
// The catalogue (backend/kernels/README.md) is the one list of ops; everything here throws an
// internal error when a spec does not fit it, since specs are made by Vinci's own lowering and
// never come from a user.
#pragma once

#include "backend/codegen/cpu_target.h"
#include "runtime/plan/kernel_abi.h"
#include "runtime/support/dtype.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

namespace vinci {

/// A constant of a kernel: a size or flag, a real number, or a name ("bfloat16", "tokens").
using Attribute = std::variant<int64_t, double, std::string>;

/// `scale` rows for each of what `symbol` counts.
struct RowCount {
  VinciDim symbol = VINCI_DIM_TOKENS;
  uint64_t scale = 1;
};

struct KernelSpec {
  std::string op;
  std::map<std::string, Attribute> constants;

  bool operator==(const KernelSpec &) const = default;
  bool operator<(const KernelSpec &other) const {
    return std::tie(op, constants) < std::tie(other.op, other.constants);
  }

  int64_t integer(const std::string &name) const;
  double real(const std::string &name) const;
  const std::string &text(const std::string &name) const;
  DType dtype(const std::string &name = "dtype") const;
  /// The constant `rows`.
  RowCount rows() const;
};

/// tiles = ceil(dims[symbol] * scale / rowBlock) * columns; the fields of TileRule in plan.fbs.
struct KernelTiles {
  VinciDim symbol = VINCI_DIM_ONE;
  uint64_t scale = 1;
  uint32_t rowBlock = 1;
  uint32_t columns = 1;

  bool operator==(const KernelTiles &) const = default;
};

/// Throws unless the op is in the catalogue, every constant it needs is there with a legal type and
/// value, and there is no other constant.
void validate(const KernelSpec &spec);

/// The symbol of the compiled kernel: readable, and different for different valid specs.
/// `matmul_bfloat16_n256_k512`.
std::string symbolName(const KernelSpec &spec);

/// What each buffer of the kernel is called, outputs first.
std::vector<std::string_view> operandNames(const KernelSpec &spec);

/// The number of buffers, and how many of them, from the first, the kernel writes.
uint32_t operandCount(const KernelSpec &spec);
uint32_t outputCount(const KernelSpec &spec);

/// How a command of this kernel is cut into tiles when compiled for `cpu`. The kernel has the rule
/// compiled in: the runtime must use the same one.
KernelTiles tileRule(const KernelSpec &spec, const CpuTarget &cpu);

} // namespace vinci
