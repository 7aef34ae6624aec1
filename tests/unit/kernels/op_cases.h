// A command of every op of the catalogue, with buffers that hold sensible random data.
#pragma once

#include "tests/unit/kernels/harness.h"

namespace vinci::test {

struct OpCase {
  KernelSpec spec;
  Dims dims;
  std::vector<Buffer> buffers; ///< outputs hold 0xFF bytes: NaN
  std::vector<DType> types;    ///< of each buffer
};

/// Sequences of the attention case: context lengths 1, 20, 75 and 130, of which the last tokens are
/// queries.
OpCase makeCase(const KernelSpec &spec, uint64_t seed = 1);

/// Specs of every op, element type and awkward shape that the generic tests run.
std::vector<KernelSpec> allSpecs();

/// Spec of one op with string and integer constants in their natural types.
KernelSpec makeSpec(const std::string &op, std::map<std::string, Attribute> constants);

KernelSpec matmulSpec(const std::string &dtype, int64_t n, int64_t k, int64_t bias = 0,
                      const std::string &outDtype = "");

} // namespace vinci::test
