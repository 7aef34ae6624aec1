#include "runtime/device/device_memory.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace vinci {

namespace {

constexpr uint64_t pageBytes = 4096;
constexpr uint64_t hugePageBytes = 2 << 20;

/// Maps `bytes` (whole pages) at a multiple of `alignment` by mapping more and giving back both
/// ends.
void *mapAligned(uint64_t bytes, uint64_t alignment) {
  uint64_t mapped = bytes + alignment - pageBytes;
  void *base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return nullptr;
  auto start = reinterpret_cast<uintptr_t>(base);
  uintptr_t aligned = (start + alignment - 1) / alignment * alignment;
  if (aligned > start)
    munmap(base, aligned - start);
  if (uintptr_t end = start + mapped; end > aligned + bytes)
    munmap(reinterpret_cast<void *>(aligned + bytes), end - (aligned + bytes));
  return reinterpret_cast<void *>(aligned);
}

} // namespace

DeviceMemory::DeviceMemory(std::string device, uint64_t capacity) : device_(std::move(device)) {
  use_.capacity = capacity;
}

DeviceMemory::~DeviceMemory() {
  for (auto [address, bytes] : allocations_)
    munmap(const_cast<void *>(address), bytes);
}

uint64_t DeviceMemory::claim(uint64_t bytes, std::string_view purpose) {
  if (bytes == 0)
    fail("{}: 0 bytes of device memory asked for ({})", device_, purpose);
  if (bytes > use_.available())
    fail("{}: out of device memory: {} needs {} bytes, {} of {} are free", device_, purpose, bytes,
         use_.available(), use_.capacity);
  uint64_t rounded = (bytes + pageBytes - 1) / pageBytes * pageBytes;
  rounded = std::min(rounded, use_.available()); // a capacity need not be whole pages
  use_.used += rounded;
  use_.peak = std::max(use_.peak, use_.used);
  return rounded;
}

void *DeviceMemory::allocate(uint64_t bytes, std::string_view purpose) {
  uint64_t claimed = claim(bytes, purpose);
  uint64_t mapped = (claimed + pageBytes - 1) / pageBytes * pageBytes;
  bool huge = mapped >= hugePageBytes;
  void *address = mapAligned(mapped, huge ? hugePageBytes : pageBytes);
  if (!address) {
    release(claimed);
    fail("{}: the host has no {} bytes of address space for {}: {}", device_, bytes, purpose,
         std::strerror(errno));
  }
  if (huge) // only advice: where the system has no huge pages, small ones serve
    madvise(address, mapped, MADV_HUGEPAGE);
  allocations_[address] = claimed;
  return address;
}

void DeviceMemory::free(void *address) {
  auto found = allocations_.find(address);
  if (found == allocations_.end())
    failInternal("{}: free of an address that was not allocated here", device_);
  munmap(address, found->second);
  release(found->second);
  allocations_.erase(found);
}

void DeviceMemory::registerHostMemory(const void *address, uint64_t bytes,
                                      std::string_view purpose) {
  if (registered_.contains(address))
    failInternal("{}: host memory ({}) registered twice", device_, purpose);
  registered_[address] = claim(bytes, purpose);
}

void DeviceMemory::unregisterHostMemory(const void *address) {
  auto found = registered_.find(address);
  if (found == registered_.end())
    failInternal("{}: host memory unregistered that was not registered here", device_);
  release(found->second);
  registered_.erase(found);
}

} // namespace vinci
