// The library's entry point.
#pragma once

#include "runtime/device/process_group.h"

namespace vinci {
/// Raise with every change of ProcessGroup: the binary and the library come from one build, and a
/// mix must not run.
inline constexpr uint32_t processGroupInterface = 1;
} // namespace vinci

/// Joins the other processes of mpirun, waiting for all of them. One call per process; the object
/// lives until vinciLeaveProcesses. Null if the library was built for another interface. `problem`
/// gets words of what MPI says if it cannot start; the result is null then, too.
extern "C" vinci::ProcessGroup *vinciJoinProcesses(uint32_t interface, const char **problem);

/// Leaves them, waiting for the others to do so.
extern "C" void vinciLeaveProcesses();
