// What is looked at in the text of IR before MLIR's parser, which was not written for hostile
// input, sees it. No MLIR in here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vinci {

/// Largest IR text, in bytes; deepest nesting of brackets, on which the parser recurses; and digits
/// of N in a use of result `%x#N`, for which it allocates N entries before it knows how many
/// results there are. No IR of ours comes near. Affine maps and sets, on whose signs and terms it
/// recurses, are refused, and sparse constants, of which it takes values of another type than the
/// tensor's for what they are not, and arrays of i1, which it cannot print: no IR of ours has them.
inline constexpr size_t maxIrBytes = size_t(64) << 20;
inline constexpr unsigned maxIrNesting = 200;
inline constexpr unsigned maxResultDigits = 5;

/// Throws Error, with the place in `file`, for text beyond these limits. Bytecode is not looked
/// into: it is trusted input.
void checkIrText(std::string_view text, const std::string &file);

} // namespace vinci
