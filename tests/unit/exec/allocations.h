// Replaces the program's operator new by one that counts.
#pragma once

#include <cstdint>

namespace vinci::test {

/// Calls of any operator new so far, in all threads.
uint64_t allocationCount();

} // namespace vinci::test
