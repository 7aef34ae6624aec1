// What the processor that we run on can do, against what a plan's kernels need.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace vinci {

/// Features of this host under LLVM's names ("avx2", "amx-tile"), sorted.
std::vector<std::string> hostFeatures();

/// Throws a user error that names the features of `required` that are not in `available`. `origin`
/// is the file that asks for them. Must be called before any kernel of a plan runs: an unknown
/// instruction would end the process.
void checkFeatures(std::span<const std::string> required, std::span<const std::string> available,
                   const std::string &origin);

/// checkFeatures against hostFeatures().
void checkHostFeatures(std::span<const std::string> required, const std::string &origin);

} // namespace vinci
