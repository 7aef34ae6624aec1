// Device specs: the shipped ones, every refusal of the reader, and the import of platform files.
#include "runtime/device/device_spec.h"
#include "runtime/device/platform_ini.h"
#include "runtime/device/targets.h"
#include "runtime/support/error.h"

#include <fstream>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using enum Constant;

std::string errorOf(auto &&action) {
  try {
    action();
  } catch (const Error &error) {
    return error.what();
  }
  return "no error";
}

TEST(DeviceSpecs, ShippedOnesAreWhatTheVendorPublishes) {
  for (std::string_view name : deviceSpecNames()) {
    const DeviceSpec *spec = findDeviceSpec(name);
    ASSERT_NE(spec, nullptr) << name;
    EXPECT_EQ(spec->name, name);
    for (size_t i = 0; i < constantCount; ++i)
      EXPECT_EQ(spec->has(Constant(i)), !spec->sources[i].empty()) << nameOf(Constant(i));
  }
  const auto teraflops = [](std::string_view name, Constant flops) {
    const DeviceSpec &spec = *findDeviceSpec(name);
    return spec[CubeCores].value * spec[CubeFrequency].value * spec[flops].value / 1e6;
  };
  EXPECT_NEAR(teraflops("910b3", CubeFlopsBFloat16), 294.9, 0.1);
  EXPECT_NEAR(teraflops("910b3", CubeFlopsInt8), 589.8, 0.1);
  EXPECT_NEAR(teraflops("910b-24core", CubeFlopsBFloat16), 353.9, 0.1);
  EXPECT_NEAR(teraflops("a3", CubeFlopsBFloat16), 353.9, 0.1);
  EXPECT_NEAR(teraflops("310p3", CubeFlopsFloat16), 69.5, 0.1);
  EXPECT_FALSE(findDeviceSpec("310p3")->has(CubeFlopsBFloat16));
  EXPECT_FALSE(findDeviceSpec("310p3")->has(CollectiveAivRanks2));
  EXPECT_EQ((*findDeviceSpec("910b3"))[MemoryBandwidth].value, 1.6e6);
  EXPECT_EQ((*findDeviceSpec("a3"))[L2Capacity].value, 201326592);
  EXPECT_EQ(findDeviceSpec("910b4"), nullptr);
}

TEST(DeviceSpecs, AgreeWithTheTargets) {
  for (const NpuTarget &target : targets()) {
    const DeviceSpec *spec = findDeviceSpec(target.name);
    if (target.name == "host")
      continue;
    ASSERT_NE(spec, nullptr) << target.name;
    EXPECT_EQ(spec->has(CubeFlopsBFloat16), target.bfloat16) << target.name;
    EXPECT_EQ(spec->has(CollectiveAivRanks2), target.aivCollectives) << target.name;
  }
}

TEST(DeviceSpecs, OneThatIsBasedOnAnotherHoldsTheDifference) {
  const DeviceSpec spec = parseDeviceSpec(R"(name: mine
description: half the bandwidth
base: 910b3
memory:
  bandwidth: {value: 800, unit: GB/s, tag: estimate, p10: 700, p90: 900, source: a guess}
)",
                                          "mine.yaml");
  EXPECT_EQ(spec.name, "mine");
  EXPECT_EQ(spec[MemoryBandwidth].value, 8e5);
  EXPECT_EQ(spec[MemoryBandwidth].low, 7e5);
  EXPECT_EQ(spec.sources[size_t(MemoryBandwidth)], "a guess");
  EXPECT_EQ(spec[CubeCores].value, 20);
}

TEST(DeviceSpecs, AreFoundByNameOrFile) {
  EXPECT_EQ(deviceSpec("a3")[CubeCores].value, 24);
  const std::string path = testing::TempDir() + "/device_spec_test.yaml";
  std::ofstream(path) << "name: x\ndescription: y\nbase: 310p3\n";
  EXPECT_EQ(deviceSpec(path)[CubeCores].value, 8);
  EXPECT_EQ(errorOf([] { deviceSpec("910c"); }),
            "error: no device is called \"910c\"; 310p3, 910b3, 910b-24core, a3 or a file whose "
            "name ends in .yaml are legal");
}

/// The error of a spec based on 910b3 with `lines` from line 4 on.
std::string errorIn(const std::string &lines) {
  return errorOf(
      [&] { parseDeviceSpec("name: x\ndescription: y\nbase: 910b3\n" + lines, "x.yaml"); });
}

/// With the one constant memory.bandwidth written as `mapping`.
std::string errorOfBandwidth(const std::string &mapping) {
  return errorIn("memory:\n  bandwidth: " + mapping + "\n");
}

TEST(DeviceSpecErrors, Values) {
  EXPECT_EQ(errorOfBandwidth("{value: -1, unit: TB/s, tag: datasheet, source: s}"),
            "x.yaml:5:22: error: memory.bandwidth.value is -1; above 0 is expected");
  EXPECT_EQ(errorOfBandwidth("{value: fast, unit: TB/s, tag: datasheet, source: s}"),
            "x.yaml:5:22: error: memory.bandwidth.value is \"fast\" (a string); a number is "
            "expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TiB, tag: datasheet, source: s}"),
            "x.yaml:5:31: error: memory.bandwidth.unit is \"TiB\" (a string); GB/s or TB/s is "
            "expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: known, source: s}"),
            "x.yaml:5:42: error: memory.bandwidth.tag is \"known\" (a string); one of measured, "
            "datasheet, fitted, estimate is expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: datasheet, source: \" \"}"),
            "x.yaml:5:61: error: memory.bandwidth.source is \" \" (a string); a text that says "
            "something is expected");
  EXPECT_EQ(errorOfBandwidth("1.6"),
            "x.yaml:5:14: error: memory.bandwidth is 1.6; a mapping of value, unit, tag and source "
            "is expected");
  EXPECT_EQ(errorIn("cube:\n  share:\n    float: {value: 1.2, unit: share, tag: datasheet, source: "
                    "s}\n"),
            "x.yaml:6:20: error: cube.share.float.value is 1.2; above 0 and at most 1 is expected");
  EXPECT_EQ(errorIn("cube:\n  cores: {value: 2.5, unit: count, tag: datasheet, source: s}\n"),
            "x.yaml:5:18: error: cube.cores.value is 2.5; a whole number, at least 1 is expected");
  EXPECT_EQ(errorIn("launch:\n  eager: {value: -1, unit: us, tag: datasheet, source: s}\n"),
            "x.yaml:5:18: error: launch.eager.value is -1; 0 or more is expected");
  EXPECT_EQ(errorIn("l2:\n  cliff_end: {value: 17, unit: ratio, tag: datasheet, source: s}\n"),
            "x.yaml:5:22: error: l2.cliff_end.value is 17; above 0 and at most 16 is expected");
  EXPECT_EQ(errorIn("attention:\n  split: {value: 0, unit: tokens, tag: datasheet, source: s}\n"),
            "x.yaml:5:18: error: attention.split.value is 0; at least 1 is expected");
}

TEST(DeviceSpecErrors, MissingParts) {
  for (std::string_view key : {"value", "unit", "tag", "source"}) {
    std::string mapping = "{";
    for (std::string_view other : {"value: 1", "unit: TB/s", "tag: datasheet", "source: s"})
      if (!other.starts_with(key))
        mapping += (mapping == "{" ? "" : ", ") + std::string(other);
    EXPECT_EQ(errorOfBandwidth(mapping + "}"),
              fmt::format("x.yaml:5:14: error: memory.bandwidth has no {}; value, unit, tag and "
                          "source are expected",
                          key));
  }
  EXPECT_EQ(errorOf([] { parseDeviceSpec("base: 910b3\ndescription: y\n", "x.yaml"); }),
            "x.yaml:1:1: error: name is missing; a text is expected");
  EXPECT_EQ(errorOf([] {
              parseDeviceSpec("name: x\ndescription: y\n"
                              "cube:\n"
                              "  frequency: {value: 1, unit: GHz, tag: datasheet, source: s}\n",
                              "x.yaml");
            }),
            "x.yaml:4:3: error: cube.cores is missing; a value in count with tag and source is "
            "expected");
  EXPECT_EQ(errorOf([] { parseDeviceSpec("- 1\n", "x.yaml"); }),
            "x.yaml:1:1: error: a device spec is an array of 1; a mapping is expected");
}

TEST(DeviceSpecErrors, Ranges) {
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: fitted, source: s}"),
            "x.yaml:5:14: error: memory.bandwidth is tagged fitted and has no range; p10 and p90 "
            "are expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: measured, source: s, p10: 0.9}"),
            "x.yaml:5:14: error: memory.bandwidth has p10 or p90 alone; both or neither are "
            "expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: measured, source: s, p10: 2, p90: 3}"),
            "x.yaml:5:68: error: memory.bandwidth.p10 is 2; at most its value is expected");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: measured, source: s, p10: 1, p90: 0.5}"),
            "x.yaml:5:76: error: memory.bandwidth.p90 is 0.5; at least its value is expected");
}

TEST(DeviceSpecErrors, Keys) {
  EXPECT_EQ(errorIn("vectors: {}\n"),
            "x.yaml:4:1: error: unknown key \"vectors\" in a device spec; name, description, base, "
            "cube, vector, memory, l2, attention, kernel, launch, collective, host_link, topology "
            "are known");
  EXPECT_EQ(errorIn("vector:\n  lanes: 3\n"),
            "x.yaml:5:3: error: unknown key \"lanes\" in vector; cores, frequency, flops, share "
            "are known");
  EXPECT_EQ(errorOfBandwidth("{value: 1, unit: TB/s, tag: measured, source: s, per: core}"),
            "x.yaml:5:63: error: unknown key \"per\" in memory.bandwidth; value, unit, tag, "
            "source, p10, p90 are known");
  EXPECT_EQ(errorIn("vector: 3\n"), "x.yaml:4:9: error: vector is 3; a mapping is expected");
  EXPECT_EQ(errorOf([] { parseDeviceSpec("name: x\nbase: 910c\n", "x.yaml"); }),
            "x.yaml:2:7: error: base is \"910c\" (a string); one of 310p3, 910b3, 910b-24core, a3 "
            "is expected");
}

TEST(DeviceSpecErrors, Topology) {
  EXPECT_EQ(errorIn("topology:\n  rack: {}\n"),
            "x.yaml:5:3: error: unknown key \"rack\" in topology; card, server, super_node, "
            "cluster are known");
  EXPECT_EQ(errorIn("topology:\n  server: {kind: star}\n"),
            "x.yaml:5:18: error: topology.server.kind is \"star\" (a string); one of full_mesh, "
            "switch, ring is expected");
  EXPECT_EQ(errorIn("topology:\n  server: {speed: 1}\n"),
            "x.yaml:5:12: error: unknown key \"speed\" in topology.server; kind, devices, "
            "bandwidth, share, latency are known");
  EXPECT_EQ(errorIn("topology:\n  card:\n    devices: {value: 2, unit: count, tag: datasheet, "
                    "source: s}\n"),
            "x.yaml:6:5: error: topology.card.kind is missing; one of full_mesh, switch, ring is "
            "expected");
  EXPECT_EQ(errorIn("topology:\n  card:\n    kind: ring\n    devices: {value: 2, unit: count, tag: "
                    "datasheet, source: s}\n"),
            "x.yaml:6:5: error: topology.card.bandwidth is missing; a value in GB/s or TB/s with "
            "tag and source is expected");
  EXPECT_EQ(errorIn("topology:\n  cluster:\n    devices: {value: 12, unit: count, tag: datasheet, "
                    "source: s}\n"),
            "x.yaml:6:14: error: topology.cluster.devices is 12; a multiple of the 8 devices of "
            "the level inside, and more is expected");
}

TEST(DeviceSpecErrors, Contradictions) {
  EXPECT_EQ(errorIn("memory:\n  usable: {value: 65, unit: GiB, tag: datasheet, source: s}\n"),
            "x.yaml:5:11: error: memory.usable is 6.97932e+10; at most memory.capacity is "
            "expected");
  EXPECT_EQ(errorIn("l2:\n  cliff_start: {value: 1, unit: ratio, tag: datasheet, source: s}\n"),
            "x.yaml:5:16: error: l2.cliff_start is 1; below l2.cliff_end, in the whole range of "
            "both is expected");
  EXPECT_EQ(errorIn("attention:\n  prefill_share:\n    length_1024: {value: 0.9, unit: share, tag: "
                    "datasheet, source: s}\n"),
            "x.yaml:6:18: error: attention.prefill_share.length_1024 is 0.9; at most 4 times that "
            "of half the length is expected");
}

// --- platform files

const DeviceSpec &base() {
  return *findDeviceSpec("910b3");
}

TEST(PlatformIni, SampleBecomesASpec) {
  const DeviceSpec spec =
      readPlatformIni(VINCI_SOURCE_DIR "/tests/unit/device/data/sample_platform.ini", base());
  EXPECT_EQ(spec.name, "Sample1");
  EXPECT_EQ(spec[CubeCores].value, 10);
  EXPECT_EQ(spec[CubeFrequency].value, 1500);
  EXPECT_EQ(spec[CubeFlopsBFloat16].value, 8192);
  EXPECT_EQ(spec[CubeFlopsInt8].value, 16384);
  EXPECT_EQ(spec[VectorCores].value, 20);
  EXPECT_EQ(spec[VectorFrequency].value, 1400);
  EXPECT_EQ(spec[L2Capacity].value, 100663296);
  EXPECT_EQ(spec[L2Bandwidth].value, 110 * 10 * 1500);
  EXPECT_EQ(spec[MemoryCapacity].value, 34359738368);
  EXPECT_NEAR(spec[MemoryUsable].value, 34359738368.0 * 61 / 64, 1);
  EXPECT_TRUE(spec.sources[size_t(CubeCores)].ends_with("sample_platform.ini: "
                                                        "SoCInfo.cube_core_cnt"));
  // What the file cannot tell.
  EXPECT_EQ(spec[MemoryBandwidth].value, base()[MemoryBandwidth].value);
  EXPECT_EQ(spec.sources[size_t(CubeShareFloat)], base().sources[size_t(CubeShareFloat)]);
}

TEST(PlatformIni, CoresThatAreNotSplitHaveVectorUnits) {
  const DeviceSpec spec = parsePlatformIni("[SoCInfo]\nai_core_cnt=8\nvector_core_cnt=7\n"
                                           "l2_size=16777216\n[AICoreSpec]\ncube_freq=1060\n"
                                           "[AICoreMemoryRates]\nl2_rate=114\n",
                                           "p.ini", *findDeviceSpec("310p3"));
  EXPECT_EQ(spec.name, "310p3");
  EXPECT_EQ(spec[CubeCores].value, 8);
  EXPECT_EQ(spec[VectorCores].value, 15);
  EXPECT_EQ(spec[VectorFrequency].value, 1060);
  EXPECT_NEAR(spec[L2Bandwidth].value, 967e3, 1e3);
}

TEST(PlatformIni, Errors) {
  const auto errorOfIni = [](const std::string &text) {
    return errorOf([&] { parsePlatformIni(text, "p.ini", base()); });
  };
  EXPECT_EQ(errorOfIni("[SoCInfo]\nl2_size=1\n"),
            "p.ini: error: SoCInfo.ai_core_cnt is missing; a whole number, at least 1, is "
            "expected");
  EXPECT_EQ(errorOfIni("[SoCInfo]\nai_core_cnt=many\n"),
            "p.ini:2:1: error: SoCInfo.ai_core_cnt is \"many\"; a whole number, at least 1, is "
            "expected");
  EXPECT_EQ(errorOfIni("[SoCInfo]\nai_core_cnt=0\n"),
            "p.ini:2:1: error: SoCInfo.ai_core_cnt is \"0\"; a whole number, at least 1, is "
            "expected");
  EXPECT_EQ(errorOfIni("[SoCInfo\n"),
            "p.ini:1:1: error: \"[SoCInfo\" is no section; [name] is expected");
  EXPECT_EQ(errorOfIni("[SoCInfo]\nai_core_cnt\n"),
            "p.ini:2:1: error: \"ai_core_cnt\" is neither a section nor a value; [name] or "
            "key=value is expected");
  EXPECT_EQ(errorOfIni("[SoCInfo]\nai_core_cnt=1\n\nai_core_cnt=2\n"),
            "p.ini:4:1: error: SoCInfo.ai_core_cnt stands twice; the first is in line 2");
}

} // namespace
} // namespace vinci
