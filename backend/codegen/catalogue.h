// The kernel catalogue as a table: one entry per op, the one place that knows its constants,
// operands and tiles.
#pragma once

#include "backend/codegen/kernel_spec.h"

#include <functional>
#include <optional>
#include <span>

namespace vinci {

enum class ConstantKind {
  ElementType, ///< the name of a dtype; part of the template function's name, not an argument
  RegionType,  ///< likewise; float32 or the kernel's `dtype`: what part of the kernel computes in
  Rows,        ///< "tokens", "logit_rows" or "token_shares", or a multiple such as "tokens*8": what
               ///< counts the rows
  Size,        ///< an integer between `least` and `most`
  Flag,        ///< 0 or 1
  Real,        ///< a finite double
};

struct ConstantRule {
  std::string_view name;
  ConstantKind kind;
  int64_t least = 1;
  int64_t most = int64_t{1} << 24;
};

/// An operand that is there if and only if a flag has the value `when`.
struct OptionalOperand {
  std::string_view operand, flag;
  int64_t when = 1;
};

struct CatalogueEntry {
  std::string_view op;
  /// backend/kernels/<family>.cpp holds the template function vinci_<op>[_<element types>].
  std::string_view family;
  /// In the order of the template function's parameters.
  std::vector<ConstantRule> constants;
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> inputs;
  std::vector<OptionalOperand> optional;
  /// What has to hold between constants: a message, or nothing when all is well.
  std::function<std::optional<std::string>(const KernelSpec &)> check;
  std::function<KernelTiles(const KernelSpec &)> tiles;
};

std::span<const CatalogueEntry> catalogue();

/// The entry of `op`; throws an internal error for an unknown one.
const CatalogueEntry &catalogueEntry(std::string_view op);

/// The template function in the bitcode of the entry's family that `spec` is made from.
std::string templateName(const KernelSpec &spec);

} // namespace vinci
