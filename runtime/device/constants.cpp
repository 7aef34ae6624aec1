#include "runtime/device/constants.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vinci {

namespace {

using enum Constant;
using enum Dimension;

constexpr ConstantRow rows[] = {
    {CubeCores, "cube.cores", Count},
    {CubeFrequency, "cube.frequency", Frequency},
    {CubeFlopsFloat16, "cube.flops.float16", FlopsPerCycle},
    {CubeFlopsBFloat16, "cube.flops.bfloat16", FlopsPerCycle, true},
    {CubeFlopsInt8, "cube.flops.int8", FlopsPerCycle},
    {CubeFlopsFloat32, "cube.flops.float32", FlopsPerCycle},
    {CubeL0c, "cube.l0c", Bytes},
    {CubeShareFloat, "cube.share.float", Share},
    {CubeShareInt8, "cube.share.int8", Share},
    {CubeGroupedShareFloat, "cube.grouped_share.float", Share},
    {CubeGroupedShareInt8, "cube.grouped_share.int8", Share},
    {CubeOverlapLoss, "cube.overlap_loss", Share},
    {VectorCores, "vector.cores", Count},
    {VectorFrequency, "vector.frequency", Frequency},
    {VectorFlops, "vector.flops", FlopsPerCycle},
    {VectorShare, "vector.share", Share},
    {MemoryCapacity, "memory.capacity", Bytes},
    {MemoryUsable, "memory.usable", Bytes},
    {MemoryBandwidth, "memory.bandwidth", Bandwidth},
    {MemoryShareMatmulFloat, "memory.share.matmul_float", Share},
    {MemoryShareMatmulInt8, "memory.share.matmul_int8", Share},
    {MemoryShareGroupedFloat, "memory.share.grouped_float", Share},
    {MemoryShareGroupedInt8, "memory.share.grouped_int8", Share},
    {MemoryShareGroupedInt8Nd, "memory.share.grouped_int8_nd", Share},
    {MemoryShareVector, "memory.share.vector", Share},
    {L2Capacity, "l2.capacity", Bytes},
    {L2Bandwidth, "l2.bandwidth", Bandwidth},
    {L2StreamShare, "l2.stream_share", Share},
    {L2ReuseShare, "l2.reuse_share", Share},
    {L2CliffStart, "l2.cliff_start", Ratio},
    {L2CliffEnd, "l2.cliff_end", Ratio},
    {AttentionShareKvHeads1, "attention.share.kv_heads_1", Share},
    {AttentionShareKvHeads4, "attention.share.kv_heads_4", Share},
    {AttentionSplit, "attention.split", Tokens},
    {AttentionCoreBandwidth, "attention.core_bandwidth", Bandwidth},
    {PrefillShare512, "attention.prefill_share.length_512", Share},
    {PrefillShare1024, "attention.prefill_share.length_1024", Share},
    {PrefillShare2048, "attention.prefill_share.length_2048", Share},
    {PrefillShare4096, "attention.prefill_share.length_4096", Share},
    {PrefillShare8192, "attention.prefill_share.length_8192", Share},
    {LaunchedMatmulFloat, "kernel.launched.matmul_float", Time},
    {LaunchedMatmulInt8, "kernel.launched.matmul_int8", Time},
    {LaunchedGroupedFloat, "kernel.launched.grouped_float", Time},
    {LaunchedGroupedInt8, "kernel.launched.grouped_int8", Time},
    {LaunchedAttention, "kernel.launched.attention", Time},
    {LaunchedVector, "kernel.launched.vector", Time},
    {GraphMatmulFloat, "kernel.graph.matmul_float", Time},
    {GraphMatmulInt8, "kernel.graph.matmul_int8", Time},
    {GraphGroupedFloat, "kernel.graph.grouped_float", Time},
    {GraphGroupedInt8, "kernel.graph.grouped_int8", Time},
    {GraphAttention, "kernel.graph.attention", Time},
    {GraphVector, "kernel.graph.vector", Time},
    {LaunchEager, "launch.eager", Time},
    {LaunchKernelByKernel, "launch.kernel_by_kernel", Time},
    {LaunchGraph, "launch.graph", Time},
    {LaunchGraphStart, "launch.graph_start", Time},
    {CollectiveHostRanks2, "collective.host.ranks_2", Time},
    {CollectiveHostRanks4, "collective.host.ranks_4", Time},
    {CollectiveHostRanks8, "collective.host.ranks_8", Time},
    {CollectiveAiCpuRanks2, "collective.ai_cpu.ranks_2", Time, true},
    {CollectiveAiCpuRanks4, "collective.ai_cpu.ranks_4", Time, true},
    {CollectiveAiCpuRanks8, "collective.ai_cpu.ranks_8", Time, true},
    {CollectiveAivRanks2, "collective.aiv.ranks_2", Time, true},
    {CollectiveAivRanks4, "collective.aiv.ranks_4", Time, true},
    {CollectiveAivRanks8, "collective.aiv.ranks_8", Time, true},
    {CollectiveOnePhase, "collective.one_phase", Share},
    {HostLinkBandwidth, "host_link.bandwidth", Bandwidth},
    {HostLinkShare, "host_link.share", Share},
    {HostLinkLatency, "host_link.latency", Time},
    {CardDevices, "topology.card.devices", Count, true},
    {CardBandwidth, "topology.card.bandwidth", Bandwidth, true},
    {CardShare, "topology.card.share", Share, true},
    {CardLatency, "topology.card.latency", Time, true},
    {ServerDevices, "topology.server.devices", Count, true},
    {ServerBandwidth, "topology.server.bandwidth", Bandwidth, true},
    {ServerShare, "topology.server.share", Share, true},
    {ServerLatency, "topology.server.latency", Time, true},
    {SuperNodeDevices, "topology.super_node.devices", Count, true},
    {SuperNodeBandwidth, "topology.super_node.bandwidth", Bandwidth, true},
    {SuperNodeShare, "topology.super_node.share", Share, true},
    {SuperNodeLatency, "topology.super_node.latency", Time, true},
    {ClusterDevices, "topology.cluster.devices", Count, true},
    {ClusterBandwidth, "topology.cluster.bandwidth", Bandwidth, true},
    {ClusterShare, "topology.cluster.share", Share, true},
    {ClusterLatency, "topology.cluster.latency", Time, true},
};
static_assert(std::size(rows) == constantCount);
static_assert([] {
  for (size_t i = 0; i < constantCount; ++i)
    if (rows[i].constant != Constant(i))
      return false;
  return true;
}());

constexpr Unit units[] = {
    {Count, "count", 1},
    {Frequency, "MHz", 1},
    {Frequency, "GHz", 1e3},
    {FlopsPerCycle, "flop/cycle", 1},
    {Bytes, "B", 1},
    {Bytes, "KiB", 1024},
    {Bytes, "MiB", 1024.0 * 1024},
    {Bytes, "GiB", 1024.0 * 1024 * 1024},
    {Bytes, "MB", 1e6},
    {Bytes, "GB", 1e9},
    {Bandwidth, "GB/s", 1e3},
    {Bandwidth, "TB/s", 1e6},
    {Time, "us", 1},
    {Time, "ms", 1e3},
    {Share, "share", 1},
    {Ratio, "ratio", 1},
    {Tokens, "tokens", 1},
};

} // namespace

std::span<const ConstantRow> constantRows() {
  return rows;
}

std::string_view nameOf(Constant constant) {
  return rows[size_t(constant)].name;
}

const Unit *findUnit(Dimension dimension, std::string_view name) {
  for (const Unit &unit : units)
    if (unit.dimension == dimension && unit.name == name)
      return &unit;
  return nullptr;
}

std::string unitNames(Dimension dimension) {
  std::string names;
  for (const Unit &unit : units)
    if (unit.dimension == dimension)
      names += (names.empty() ? "" : " or ") + std::string(unit.name);
  return names;
}

std::string_view bounds(Dimension dimension) {
  switch (dimension) {
  case Count:
    return "a whole number, at least 1";
  case Time:
    return "0 or more";
  case Share:
    return "above 0 and at most 1";
  case Ratio:
    return "above 0 and at most 16";
  case Tokens:
    return "at least 1";
  default:
    return "above 0";
  }
}

bool isWithinBounds(Dimension dimension, double value) {
  switch (dimension) {
  case Count:
    return value >= 1 && value <= 1e9 && value == std::floor(value);
  case Time:
    return value >= 0;
  case Share:
    return value > 0 && value <= 1;
  case Ratio:
    return value > 0 && value <= 16;
  case Tokens:
    return value >= 1;
  default:
    return value > 0;
  }
}

std::pair<Constant, std::string> findContradiction(const DeviceSpec &spec) {
  if (spec[MemoryUsable].high > spec[MemoryCapacity].low)
    return {MemoryUsable, "at most memory.capacity"};
  if (spec[L2CliffStart].high >= spec[L2CliffEnd].low)
    return {L2CliffStart, "below l2.cliff_end, in the whole range of both"};
  // A longer sequence may not take less time.
  for (unsigned i = 0; i < 4; ++i)
    if (const Constant longer = next(PrefillShare1024, i);
        spec[longer].value > 4 * spec[next(PrefillShare512, i)].value)
      return {longer, "at most 4 times that of half the length"};
  double inner = 1;
  for (size_t level = 0; level < levelCount; ++level) {
    if (!spec.hasLevel(level))
      continue;
    const Constant devices = DeviceSpec::levelBegin(level);
    if (spec[devices].value <= inner || std::fmod(spec[devices].value, inner) != 0)
      return {devices,
              fmt::format("a multiple of the {} devices of the level inside, and more", inner)};
    inner = spec[devices].value;
  }
  return {CubeCores, {}};
}

} // namespace vinci
