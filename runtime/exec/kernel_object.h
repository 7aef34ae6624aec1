// The checks on an ELF object of kernels before a linker, which trusts its offsets, sees it.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>

namespace vinci {

/// Throws a user error unless `object` is a relocatable x86-64 ELF object whose sections, symbols
/// and relocations lie within their bounds, without writable data and without undefined symbols.
/// Gives the functions that it defines.
std::set<std::string> checkKernelObject(std::span<const std::byte> object,
                                        const std::string &origin);

} // namespace vinci
