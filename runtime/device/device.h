// The device layer's interface, shaped like the vendor's runtime API: what a real backend would
// have to offer, and what the simulated device (simulated_device.h) offers today.
//
// Work is asynchronous as on hardware: streams are ordered queues, events order one stream after
// another, a graph is a command list that is launched as a whole. Queued work has certainly run
// only after synchronize(). Addresses that allocate() returns may be read and written by the host
// whenever no queued work touches them.
//
// One thread drives a device at a time; nothing here locks.
#pragma once

#include "runtime/device/command_list.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vinci {

struct DeviceProperties {
  std::string name;         ///< e.g. "npu0"; errors name it
  uint64_t memoryBytes = 0; ///< capacity
};

/// Bytes of device memory. Allocations count rounded up to whole pages of 4 KiB.
struct MemoryUse {
  uint64_t capacity = 0;
  uint64_t used = 0;
  uint64_t peak = 0; ///< the most that was ever in use at once
  uint64_t available() const { return capacity - used; }
};

/// A point in a stream. Reusable: each record() moves it.
class Event {
public:
  virtual ~Event() = default;
  /// True if everything before the recorded point has run; true as well for an event never
  /// recorded.
  virtual bool done() const = 0;
};

/// A command list that belongs to a device, to be launched any number of times. Must outlive what
/// is queued.
class Graph {
public:
  virtual ~Graph() = default;
  virtual size_t commandCount() const = 0;
};

class Stream {
public:
  virtual ~Stream() = default;

  virtual void launch(const KernelLaunch &launch) = 0;
  virtual void launch(Graph &graph) = 0;
  /// Queues this rank's part of a collective. Called by Communicator.
  virtual void launch(const CollectiveCall &call) = 0;

  virtual void record(Event &event) = 0;
  /// What is queued here from now on runs after the event. An event never recorded is no
  /// constraint.
  virtual void wait(const Event &event) = 0;

  /// From here to endCapture, what is queued on this stream, and on streams that wait for an event
  /// recorded during the capture, is not run but recorded.
  virtual void beginCapture() = 0;
  virtual std::unique_ptr<Graph> endCapture() = 0;

  /// Returns when everything that was queued on this stream has run. Throws Error if it cannot run,
  /// for example because a rank never joins a collective.
  virtual void synchronize() = 0;
};

class Device {
public:
  virtual ~Device() = default;

  virtual const DeviceProperties &properties() const = 0;

  /// Zeroed memory, 64-byte aligned, backed by huge pages where that pays and physical only once
  /// touched. `purpose`
  /// ("KV cache") is for the out-of-memory Error, which names bytes asked for, free bytes and
  /// capacity.
  virtual void *allocate(uint64_t bytes, std::string_view purpose) = 0;
  /// Returns what allocate() gave. Throws Error for any other address.
  virtual void free(void *address) = 0;
  /// Counts host memory that kernels read in place (weights of a pack) against the capacity.
  virtual void registerHostMemory(const void *address, uint64_t bytes,
                                  std::string_view purpose) = 0;
  virtual void unregisterHostMemory(const void *address) = 0;
  virtual MemoryUse memoryUse() const = 0;

  virtual std::unique_ptr<Stream> createStream() = 0;
  virtual std::unique_ptr<Event> createEvent() = 0;
  /// A graph from explicit commands and dependencies, the other way besides capture. `commands`
  /// must address memory that outlives the graph.
  virtual std::unique_ptr<Graph> createGraph(CommandList commands) = 0;
};

} // namespace vinci
