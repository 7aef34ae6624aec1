// Several objects of kernels as one: what `ld -r` does, for the little that codegen makes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vinci {

/// One relocatable x86-64 ELF object that defines the global functions of `objects`, in their
/// order. Sections of one name and kind are put one behind the other; local symbols and files'
/// names are left out, relocations refer to sections. Throws an internal error for an object that
/// codegen would not make: with symbols from elsewhere, for example.
std::vector<std::byte> mergeObjects(std::span<const std::vector<std::byte>> objects);

} // namespace vinci
