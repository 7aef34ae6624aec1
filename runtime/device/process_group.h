// The processes that run the ranks of one plan together, on one host or several. Simulated devices
// of different processes meet through it as those of one process do through memory.
//
// Implemented by runtime/mpi; nothing here knows of MPI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vinci {

class ProcessGroup {
public:
  virtual ~ProcessGroup() = default;

  virtual uint32_t rank() const = 0; ///< of this process
  virtual uint32_t size() const = 0;
  /// Processes of the group that share this one's host.
  virtual uint32_t onThisHost() const = 0;

  struct Outgoing {
    uint32_t to = 0; ///< process
    const void *data = nullptr;
    uint64_t bytes = 0;
  };
  struct Incoming {
    uint32_t from = 0;
    void *data = nullptr;
    uint64_t bytes = 0;
  };
  /// Sends and receives, and returns when all of it is done. What one process sends to another
  /// arrives in the order in which it is listed; both must list the same sizes. One thread at a
  /// time.
  virtual void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) = 0;

  /// Ends all processes, which then do not come back from anything that they wait in.
  [[noreturn]] virtual void abort(int exitCode) = 0;
};

/// Throws Error unless all processes have the same `bytes` for `what` ("the plan"), naming those
/// that do not.
void requireSame(ProcessGroup &processes, const std::string &what,
                 std::span<const std::byte> bytes);

/// The largest of each of `values` over all processes.
void takeMaxima(ProcessGroup &processes, std::span<uint32_t> values);

} // namespace vinci
