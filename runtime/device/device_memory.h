// Memory of one simulated device: anonymous mappings, counted against the device's capacity.
#pragma once

#include "runtime/device/device.h"

#include <map>
#include <string>
#include <string_view>

namespace vinci {

class DeviceMemory {
public:
  DeviceMemory(std::string device, uint64_t capacity);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;

  /// As Device: zeroed, physical only once touched, on 2 MiB boundaries with huge pages from 2 MiB
  /// on.
  void *allocate(uint64_t bytes, std::string_view purpose);
  void free(void *address);
  void registerHostMemory(const void *address, uint64_t bytes, std::string_view purpose);
  void unregisterHostMemory(const void *address);
  MemoryUse use() const { return use_; }

private:
  /// Rounded up to pages, or an Error if that does not fit.
  uint64_t claim(uint64_t bytes, std::string_view purpose);
  void release(uint64_t bytes) { use_.used -= bytes; }

  std::string device_;
  MemoryUse use_;
  std::map<const void *, uint64_t> allocations_; ///< bytes, whole pages
  std::map<const void *, uint64_t> registered_;
};

} // namespace vinci
