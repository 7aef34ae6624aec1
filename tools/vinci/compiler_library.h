// Loads libvinci-compiler.so on first use, so that commands that only run plans never map MLIR.
#pragma once

#include "tools/compiler/compiler.h"

namespace vinci {

/// The compiler, loaded from `../lib` beside the binary. Throws Error if the library is missing or
/// does not match.
Compiler &compiler();

} // namespace vinci
