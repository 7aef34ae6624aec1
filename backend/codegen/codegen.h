// From kernel specs to machine code: the templates of backend/kernels, specialised and compiled for
// one CPU target.
#pragma once

#include "backend/codegen/cpu_target.h"
#include "backend/codegen/kernel_cache.h"
#include "backend/codegen/kernel_spec.h"

#include <cstddef>
#include <span>
#include <vector>

namespace vinci {

/// One relocatable ELF object (x86-64, position independent) that defines symbolName(spec), a
/// VinciKernel, for each of `specs`. It needs no other symbol. Equal specs are compiled once; the
/// bytes depend on the set of specs and the target only, not on the order of the specs, the host or
/// the time, nor on the cache, which saves compiling what it holds and is given the rest. Throws an
/// internal error for a spec that is not valid.
std::vector<std::byte> compileKernels(std::span<const KernelSpec> specs, const CpuTarget &target,
                                      KernelCache *cache = nullptr);

} // namespace vinci
