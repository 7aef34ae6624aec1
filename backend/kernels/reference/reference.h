// What every op of the kernel catalogue computes, written as plainly as possible: scalar, in
// double, one element after the other. For tests and comparisons; the compiled kernels are held
// against it.
#pragma once

#include "backend/codegen/kernel_spec.h"

namespace vinci {

/// Computes the whole command of `spec`. `buffers` and `dims` are those of the compiled kernel
/// (kernel_abi.h), weights packed as the kernel expects them. Results are rounded once to the
/// output's element type. Throws an internal error for a spec that is not valid.
void runReference(const KernelSpec &spec, void *const *buffers, const uint64_t *dims);

} // namespace vinci
