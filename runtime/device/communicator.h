// Collective operations between devices, as in the vendor's communication library: one Communicator
// per rank, each call queues this rank's part on a stream, and the operation happens when every
// rank has come to it.
//
// All ranks must issue the same operations in the same order, with equal counts and types. Sums are
// made in rank order in float32 (int32 for int32) and rounded once: the same bits every time, on
// every rank.
#pragma once

#include "runtime/device/device.h"

#include <memory>
#include <vector>

namespace vinci {

/// The size of an operation: `extent` elements of `dtype` at the sizes in `dims`, which must live
/// as long as the queued command or the graph it went into.
struct CollectiveCount {
  Extent extent;
  DType dtype = DType::Float32;
  const StepDims *dims = nullptr;
  /// Of allGather and reduceScatter: elements of all ranks together, if fewer than `extent` of
  /// each. Rank r then has those from r * extent on that there are, up to `extent`. Scale 0:
  /// `extent` of each.
  Extent whole = {};
};

class Communicator {
public:
  virtual ~Communicator() = default;

  virtual uint32_t rank() const = 0;
  virtual uint32_t worldSize() const = 0;

  /// receive[i] = sum over ranks of send[i], i < count. `send` may be `receive`.
  virtual void allReduce(const void *send, void *receive, const CollectiveCount &count,
                         Stream &stream) = 0;
  /// receive[r * count + i] = send[i] of rank r. `send` may be this rank's part of `receive`.
  virtual void allGather(const void *send, void *receive, const CollectiveCount &count,
                         Stream &stream) = 0;
  /// receive[i] = sum over ranks of send[rank() * count + i]. `receive` may be that part of `send`.
  virtual void reduceScatter(const void *send, void *receive, const CollectiveCount &count,
                             Stream &stream) = 0;
  /// receive[i] = send[i] of rank `root`; the other ranks' `send` is not read.
  virtual void broadcast(const void *send, void *receive, const CollectiveCount &count,
                         uint32_t root, Stream &stream) = 0;
  /// receive[r * count + i] = send[rank() * count + i] of rank r. Not in place.
  virtual void allToAll(const void *send, void *receive, const CollectiveCount &count,
                        Stream &stream) = 0;
};

/// One communicator for each of `worldSize` simulated devices of this process.
std::vector<std::unique_ptr<Communicator>> createCommunicators(uint32_t worldSize);

} // namespace vinci
