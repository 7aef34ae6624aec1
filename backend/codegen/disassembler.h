// Machine code of a compiled kernel as text, for `vinci inspect --kernels --asm`.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vinci {

/// The instructions of function `symbol` in an object that compileKernels made, one a line: its
/// offset in the function in hexadecimal, then the instruction in AT&T syntax. Targets of jumps
/// within the function are given as offsets too. Throws a user error if the object cannot be read,
/// does not define `symbol`, or holds no valid instruction somewhere.
std::string disassemble(std::span<const std::byte> object, const std::string &symbol);

} // namespace vinci
