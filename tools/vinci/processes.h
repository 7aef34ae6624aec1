// Several processes of mpirun as one run of vinci: which they are, who prints, and how the others
// end when one fails.
#pragma once

#include "runtime/device/process_group.h"

#include <string_view>

namespace vinci {

/// If mpirun started several processes: loads libvinci-mpi.so and joins them. From then on only
/// process 0 prints; errors are printed by all. Throws Error if that cannot be, and for a `command`
/// that is none of run and eval.
void joinProcesses(std::string_view command);

/// The processes; null where this is the only one.
ProcessGroup *processGroup();

/// True in the process that prints and writes files.
bool isFirstProcess();

/// Waits until all have come to their end.
void leaveProcesses();

/// Prints an error, naming the process where there are several, and ends them all. Returns where
/// this is the only one.
void failProcesses(std::string_view message, int exitCode);

} // namespace vinci
