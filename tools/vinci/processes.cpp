#include "tools/vinci/processes.h"

#include "runtime/mpi/mpi_processes.h"
#include "runtime/support/error.h"
#include "tools/vinci/resources.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace vinci {

namespace {

ProcessGroup *group = nullptr;
void (*leave)() = nullptr;
/// Where errors go: standard error as it was.
std::FILE *errors = stderr;

/// A number that OpenMPI gives to the processes that it starts; -1: there is none.
long environment(const char *name) {
  const char *text = std::getenv(name);
  return text ? std::strtol(text, nullptr, 10) : -1;
}

std::string hostName() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

/// What is printed from now on goes nowhere, errors excepted.
void beQuiet() {
  errors = ::fdopen(::dup(STDERR_FILENO), "w");
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  ::close(nowhere);
}

} // namespace

void joinProcesses(std::string_view command) {
  if (environment("OMPI_COMM_WORLD_SIZE") < 2)
    return;
  if (environment("OMPI_COMM_WORLD_RANK") > 0)
    beQuiet();
  const auto path = executableDirectory().parent_path() / "lib" / "libvinci-mpi.so";
  // OpenMPI's own plugins look for its symbols.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library)
    fail(SourcePosition{path.string()},
         "cannot load what speaks to the other processes of mpirun: {}; it is built where MPI is "
         "installed (packages openmpi-bin and libopenmpi-dev)",
         dlerror());
  const auto join =
      reinterpret_cast<decltype(&vinciJoinProcesses)>(dlsym(library, "vinciJoinProcesses"));
  leave = reinterpret_cast<decltype(&vinciLeaveProcesses)>(dlsym(library, "vinciLeaveProcesses"));
  const char *problem = nullptr;
  ProcessGroup *joined = join ? join(processGroupInterface, &problem) : nullptr;
  if (!joined)
    fail(SourcePosition{path.string()}, "{}",
         problem ? fmt::format("MPI cannot start: {}", problem)
                 : "this library belongs to another build of vinci; build both again");
  group = joined;
  if (command != "run" && command != "eval")
    fail("'vinci {}' is for one process; under mpirun are run and eval", command);
}

ProcessGroup *processGroup() {
  return group;
}

bool isFirstProcess() {
  return !group || group->rank() == 0;
}

void leaveProcesses() {
  if (group)
    leave();
  group = nullptr;
}

void failProcesses(std::string_view message, int exitCode) {
  if (!group) {
    fmt::print(errors, "{}\n", message);
    return;
  }
  // What is wrong for all is said once: the first process ends the others before they speak.
  if (group->rank() != 0)
    std::this_thread::sleep_for(std::chrono::seconds(1));
  fmt::print(errors, "process {} of {} on {}: {}\n", group->rank(), group->size(), hostName(),
             message);
  std::fflush(errors);
  group->abort(exitCode);
}

} // namespace vinci
