#include "runtime/device/process_group.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <vector>

namespace vinci {

/// What every process has in `own`, by process.
template <typename T>
static std::vector<T> gather(ProcessGroup &processes, std::span<const T> own) {
  std::vector<T> all(own.size() * processes.size());
  std::vector<ProcessGroup::Outgoing> outgoing;
  std::vector<ProcessGroup::Incoming> incoming;
  for (uint32_t other = 0; other < processes.size(); ++other) {
    T *place = all.data() + size_t(other) * own.size();
    if (other == processes.rank()) {
      std::ranges::copy(own, place);
      continue;
    }
    outgoing.push_back({other, own.data(), own.size_bytes()});
    incoming.push_back({other, place, own.size_bytes()});
  }
  processes.exchange(outgoing, incoming);
  return all;
}

void requireSame(ProcessGroup &processes, const std::string &what,
                 std::span<const std::byte> bytes) {
  uint64_t hash = 0xcbf29ce484222325; // FNV-1a
  for (std::byte byte : bytes)
    hash = (hash ^ uint64_t(byte)) * 0x100000001b3;
  const std::vector<uint64_t> hashes = gather(processes, std::span<const uint64_t>(&hash, 1));
  std::vector<uint32_t> others;
  for (uint32_t process = 1; process < hashes.size(); ++process)
    if (hashes[process] != hashes[0])
      others.push_back(process);
  if (!others.empty())
    fail("{} of process {} differ{} from that of process 0; all processes of mpirun need the same",
         what, fmt::join(others, ", "), others.size() == 1 ? "s" : "");
}

void takeMaxima(ProcessGroup &processes, std::span<uint32_t> values) {
  const std::vector<uint32_t> all = gather(processes, std::span<const uint32_t>(values));
  for (size_t i = 0; i < all.size(); ++i)
    values[i % values.size()] = std::max(values[i % values.size()], all[i]);
}

} // namespace vinci
