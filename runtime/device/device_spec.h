// What the virtual clock knows of a device: every constant with its value, range, source and how
// far it can be trusted, read from YAML (specs/*.yaml, docs/cost-model.md).
//
// A constant is a mapping {value, unit, tag, source} with p10 and p90 where it is uncertain, at the
// place in the file that its name spells: "cube.share.float" is `float` in `share` in `cube`. The
// reader refuses, with file:line:col, an unknown key, a missing constant, a value, unit, tag or
// range that cannot be, a constant without a source, and a fitted or estimated one without a range.
// A file with `base: NAME` holds what differs from the shipped spec of that name.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vinci {

/// How a constant came to be: measured on such a device; published by its vendor; fitted to
/// measurements of a whole; estimated.
enum class Provenance : uint8_t { Measured, Datasheet, Fitted, Estimate };

/// "measured", "datasheet", "fitted", "estimate".
std::string_view toString(Provenance tag);

/// The constants of a device, in the order of specs/910b3.yaml, which says what each one is.
enum class Constant : uint8_t {
  CubeCores,
  CubeFrequency,
  CubeFlopsFloat16,
  CubeFlopsBFloat16,
  CubeFlopsInt8,
  CubeFlopsFloat32,
  CubeL0c,
  CubeShareFloat,
  CubeShareInt8,
  CubeGroupedShareFloat,
  CubeGroupedShareInt8,
  CubeOverlapLoss,
  VectorCores,
  VectorFrequency,
  VectorFlops,
  VectorShare,
  MemoryCapacity,
  MemoryUsable,
  MemoryBandwidth,
  MemoryShareMatmulFloat,
  MemoryShareMatmulInt8,
  MemoryShareGroupedFloat,
  MemoryShareGroupedInt8,
  MemoryShareGroupedInt8Nd,
  MemoryShareVector,
  L2Capacity,
  L2Bandwidth,
  L2StreamShare,
  L2ReuseShare,
  L2CliffStart,
  L2CliffEnd,
  AttentionShareKvHeads1,
  AttentionShareKvHeads4,
  AttentionSplit,
  AttentionCoreBandwidth,
  PrefillShare512,
  PrefillShare1024,
  PrefillShare2048,
  PrefillShare4096,
  PrefillShare8192,
  LaunchedMatmulFloat,
  LaunchedMatmulInt8,
  LaunchedGroupedFloat,
  LaunchedGroupedInt8,
  LaunchedAttention,
  LaunchedVector,
  GraphMatmulFloat,
  GraphMatmulInt8,
  GraphGroupedFloat,
  GraphGroupedInt8,
  GraphAttention,
  GraphVector,
  LaunchEager,
  LaunchKernelByKernel,
  LaunchGraph,
  LaunchGraphStart,
  CollectiveHostRanks2,
  CollectiveHostRanks4,
  CollectiveHostRanks8,
  CollectiveAiCpuRanks2,
  CollectiveAiCpuRanks4,
  CollectiveAiCpuRanks8,
  CollectiveAivRanks2,
  CollectiveAivRanks4,
  CollectiveAivRanks8,
  CollectiveOnePhase,
  HostLinkBandwidth,
  HostLinkShare,
  HostLinkLatency,
  CardDevices,
  CardBandwidth,
  CardShare,
  CardLatency,
  ServerDevices,
  ServerBandwidth,
  ServerShare,
  ServerLatency,
  SuperNodeDevices,
  SuperNodeBandwidth,
  SuperNodeShare,
  SuperNodeLatency,
  ClusterDevices,
  ClusterBandwidth,
  ClusterShare,
  ClusterLatency,
};
inline constexpr size_t constantCount = size_t(Constant::ClusterLatency) + 1;

/// `constant + steps`, for the series above.
constexpr Constant next(Constant constant, unsigned steps = 1) {
  return Constant(unsigned(constant) + steps);
}

/// "cube.share.float".
std::string_view nameOf(Constant constant);

/// Nine of ten times the true value lies above `low`, nine of ten times below `high`; both are
/// `value` where it is certain. Units: microseconds, bytes, bytes per microsecond, MHz (cycles per
/// microsecond), flop per cycle, tokens, shares of 1.
struct Quantity {
  double value = 0;
  double low = 0;
  double high = 0;
  Provenance tag = Provenance::Estimate;
  std::string_view name; ///< empty: the device has no such constant
};

/// Levels of the topology, innermost first. A level is absent where there is no such thing.
enum class Level : uint8_t { Card, Server, SuperNode, Cluster };
inline constexpr size_t levelCount = 4;

/// full_mesh: a link between each two of the level. switch: one link from each to all. ring: a link
/// to the next.
enum class LinkKind : uint8_t { FullMesh, Switch, Ring };

/// How the ranks of a group lie in the topology: at each level, how many units of the level below
/// have members within the fullest unit of this one.
struct GroupShape {
  uint32_t ranks = 1;
  std::array<uint32_t, levelCount> perLevel = {1, 1, 1, 1};
};

struct DeviceSpec {
  std::string name;
  std::string description;
  std::array<Quantity, constantCount> constants;
  std::array<std::string, constantCount> sources;
  std::array<LinkKind, levelCount> links = {};

  const Quantity &operator[](Constant constant) const { return constants[size_t(constant)]; }
  Quantity &operator[](Constant constant) { return constants[size_t(constant)]; }
  bool has(Constant constant) const { return !(*this)[constant].name.empty(); }
  /// The first of a level's four constants.
  static Constant levelBegin(size_t level) { return next(Constant::CardDevices, 4 * level); }
  bool hasLevel(size_t level) const { return has(levelBegin(level)); }

  /// The shape of the group of these devices of a machine that is filled from number 0 on. Fails
  /// when the topology does not hold them.
  GroupShape groupOf(std::span<const uint32_t> devices) const;
  /// The group of devices 0 to `ranks` - 1.
  GroupShape firstDevices(uint32_t ranks) const;
};

/// Names of the specs that travel with Vinci.
std::span<const std::string_view> deviceSpecNames();

/// The shipped spec called `name`, or nullptr.
const DeviceSpec *findDeviceSpec(std::string_view name);

/// `text` is a spec in YAML; `fileName` is what messages call it.
DeviceSpec parseDeviceSpec(std::string text, std::string fileName);

/// A shipped spec by its name, or a file whose name ends in .yaml.
DeviceSpec deviceSpec(const std::string &nameOrFile);

} // namespace vinci
