// Collectives between devices of this process beside memcpy of the same bytes by as many threads,
// in turn in one process.
//
//   vinci-bench-collectives [devices] [threads]
//
// GB/s counts what is read and what is written: an all_reduce of n bytes by r ranks reads and
// writes r * n, an in-place all_gather of n bytes of each copies r * (r - 1) * n. The ratio is the
// median over rounds.
#include "runtime/device/communicator.h"
#include "runtime/device/simulated_device.h"
#include "runtime/exec/region_executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <span>
#include <string>
#include <vector>

namespace vinci {
namespace {

constexpr int rounds = 40;

double secondsOf(const auto &work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Each thread copies its share of `bytes` from `source` to `target`.
void copy(oneapi::tbb::task_arena &arena, uint32_t threads, const std::byte *source,
          std::byte *target, uint64_t bytes) {
  arena.execute([&] {
    oneapi::tbb::parallel_for(
        uint32_t(0), threads,
        [&](uint32_t i) {
          const uint64_t begin = bytes * i / threads, end = bytes * (i + 1) / threads;
          std::memcpy(target + begin, source + begin, end - begin);
        },
        oneapi::tbb::static_partitioner());
  });
}

void compare(CollectiveKind kind, DType dtype, uint64_t bytes, uint32_t devices, uint32_t threads) {
  RegionExecutor executor(threads);
  std::vector<DeviceProperties> properties;
  for (uint32_t i = 0; i < devices; ++i)
    properties.push_back({fmt::format("npu{}", i), uint64_t(1) << 32});
  SimulatedMachine machine(properties, executor);
  const auto communicators = createCommunicators(devices);
  StepDims dims;
  const uint64_t elements = bytes / byteSize(dtype);
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Graph>> graphs;
  for (uint32_t i = 0; i < devices; ++i) {
    auto *receive = static_cast<std::byte *>(machine.device(i).allocate(bytes * devices, "data"));
    streams.push_back(machine.device(i).createStream());
    std::memset(receive, 0, bytes * devices);
    streams[i]->beginCapture();
    const CollectiveCount count = {{VINCI_DIM_ONE, elements}, dtype, &dims};
    if (kind == CollectiveKind::AllReduce)
      communicators[i]->allReduce(receive, receive, count, *streams[i]);
    else
      communicators[i]->allGather(receive + i * bytes, receive, count, *streams[i]);
    graphs.push_back(streams[i]->endCapture());
  }
  const uint64_t copied =
      kind == CollectiveKind::AllReduce ? bytes * devices : bytes * devices * (devices - 1);
  std::vector<std::byte> source(copied), target(copied);
  oneapi::tbb::task_arena arena{int(threads)};

  const uint64_t repeats = std::max<uint64_t>(1, (uint64_t(4) << 20) / copied);
  std::vector<double> ours, memcpys, ratios;
  for (int round = 0; round <= rounds; ++round) {
    const double collective = secondsOf([&] {
      for (uint64_t i = 0; i < repeats; ++i) {
        for (uint32_t device = 0; device < devices; ++device)
          streams[device]->launch(*graphs[device]);
        machine.synchronize();
      }
    });
    const double plain = secondsOf([&] {
      for (uint64_t i = 0; i < repeats; ++i)
        copy(arena, threads, source.data(), target.data(), copied);
    });
    if (round == 0)
      continue;
    const double moved = 2e-9 * double(copied * repeats);
    ours.push_back(moved / collective);
    memcpys.push_back(moved / plain);
    ratios.push_back(plain / collective);
  }
  fmt::print("{:<11}{:<9}{:>10} bytes{:8.1f} GB/s, memcpy{:8.1f} GB/s, ratio {:.2f}\n",
             toString(kind), toString(dtype), bytes, median(ours), median(memcpys), median(ratios));
}

} // namespace
} // namespace vinci

int main(int argc, char **argv) {
  using namespace vinci;
  const std::span<char *> arguments(argv, size_t(argc));
  const uint32_t devices = argc > 1 ? uint32_t(std::stoul(arguments[1])) : 2;
  const uint32_t threads = argc > 2 ? uint32_t(std::stoul(arguments[2])) : 2;
  for (uint64_t bytes : {uint64_t(16) << 10, uint64_t(1) << 20, uint64_t(16) << 20}) {
    for (DType dtype : {DType::BFloat16, DType::Float16, DType::Float32})
      compare(CollectiveKind::AllReduce, dtype, bytes, devices, threads);
    compare(CollectiveKind::AllGather, DType::BFloat16, bytes, devices, threads);
  }
}
