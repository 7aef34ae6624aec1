// The bitcode of the kernel templates, embedded at build time.
#pragma once

#include <optional>
#include <string_view>

namespace vinci {

/// The LLVM bitcode of backend/kernels/<family>.cpp; nullopt if there is no such family.
std::optional<std::string_view> templateBitcode(std::string_view family);

} // namespace vinci
