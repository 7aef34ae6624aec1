// Simulated devices: the device interface on the host's memory and threads.
//
// Streams only collect commands. synchronize() hands everything that is queued anywhere in the
// machine to the CommandRunner, one command list per device, because on hardware, too, all queues
// are under way. A graph that is launched on an idle device is run as it stands, without a copy:
// the fast path of every model step.
#pragma once

#include "runtime/device/device.h"

#include <memory>
#include <vector>

namespace vinci {

class SimulatedMachine {
public:
  /// One device per element of `devices`. `runner` must outlive the machine.
  SimulatedMachine(std::vector<DeviceProperties> devices, CommandRunner &runner);
  ~SimulatedMachine();
  SimulatedMachine(const SimulatedMachine &) = delete;
  SimulatedMachine &operator=(const SimulatedMachine &) = delete;

  size_t size() const;
  Device &device(size_t ordinal);
  /// Runs everything that is queued on any stream. Throws Error if that is not possible; what was
  /// queued is then dropped.
  void synchronize();

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
