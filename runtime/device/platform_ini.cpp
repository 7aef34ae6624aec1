#include "runtime/device/platform_ini.h"
#include "runtime/device/constants.h"
#include "runtime/support/error.h"
#include "runtime/support/json.h"

#include <charconv>
#include <map>
#include <optional>

namespace vinci {

namespace {

struct IniValue {
  std::string text;
  uint32_t line = 0;
};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Keys are "section.key". The first of two equal keys would hide the other: an error.
std::map<std::string, IniValue> parseIni(std::string_view text, const std::string &fileName) {
  std::map<std::string, IniValue> values;
  std::string section;
  uint32_t line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (content.empty() || content[0] == '#' || content[0] == ';')
      continue;
    if (content[0] == '[') {
      if (content.back() != ']')
        fail(SourcePosition{fileName, line, 1}, "{} is no section; [name] is expected",
             quoteForMessage(content));
      section = trimmed(content.substr(1, content.size() - 2));
      continue;
    }
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos)
      fail(SourcePosition{fileName, line, 1},
           "{} is neither a section nor a value; [name] or key=value is expected",
           quoteForMessage(content));
    const std::string key = fmt::format("{}.{}", section, trimmed(content.substr(0, equals)));
    const auto [entry, isNew] =
        values.try_emplace(key, std::string(trimmed(content.substr(equals + 1))), line);
    if (!isNew)
      fail(SourcePosition{fileName, line, 1}, "{} stands twice; the first is in line {}", key,
           entry->second.line);
  }
  return values;
}

class PlatformReader {
public:
  PlatformReader(const std::string &text, const std::string &fileName, const DeviceSpec &base)
      : values_(parseIni(text, fileName)), fileName_(fileName), spec_(base) {}

  DeviceSpec read() {
    using enum Constant;
    const double aiCores = need("SoCInfo.ai_core_cnt");
    const auto cubeCores = find("SoCInfo.cube_core_cnt");
    const double cores = cubeCores.value_or(aiCores);
    const double frequency = need("AICoreSpec.cube_freq");
    set(CubeCores, cores, cubeCores ? "SoCInfo.cube_core_cnt" : "SoCInfo.ai_core_cnt");
    set(CubeFrequency, frequency, "AICoreSpec.cube_freq");
    set(L2Capacity, need("SoCInfo.l2_size"), "SoCInfo.l2_size");
    if (const auto vectorCores = find("SoCInfo.vector_core_cnt"))
      set(VectorCores, cubeCores ? *vectorCores : aiCores + *vectorCores,
          "SoCInfo.vector_core_cnt");
    set(VectorFrequency, find("VectorCoreSpec.vec_freq").value_or(frequency),
        find("VectorCoreSpec.vec_freq") ? "VectorCoreSpec.vec_freq" : "AICoreSpec.cube_freq");
    if (const auto size = find("AICoreSpec.l0_c_size"))
      set(CubeL0c, *size, "AICoreSpec.l0_c_size");
    readCubeStep();
    for (const std::string key : {"AICoreMemoryRates.l2_read_rate", "AICoreMemoryRates.l2_rate"})
      if (const auto rate = find(key)) {
        set(L2Bandwidth, *rate * cores * frequency, key);
        break;
      }
    if (const auto size = find("SoCInfo.memory_size")) {
      const double usable = spec_[MemoryUsable].value / spec_[MemoryCapacity].value;
      set(MemoryCapacity, *size, "SoCInfo.memory_size");
      set(MemoryUsable, *size * usable, "SoCInfo.memory_size");
      spec_[MemoryUsable].tag = Provenance::Estimate;
      spec_.sources[size_t(MemoryUsable)] += ", the usable share of " + spec_.name;
    }
    spec_.description = fmt::format("read from {}, the rest of {}", fileName_, spec_.name);
    if (const auto version = values_.find("version.SoC_version"); version != values_.end())
      spec_.name = version->second.text;
    if (const auto [constant, expected] = findContradiction(spec_); !expected.empty())
      fail(SourcePosition{fileName_}, "{} is {:g}; {} is expected", nameOf(constant),
           spec_[constant].value, expected);
    return std::move(spec_);
  }

private:
  /// The step is given for float16; int8 has twice the depth. Other types keep their proportion.
  void readCubeStep() {
    using enum Constant;
    const auto m = find("AICoreSpec.cube_m_size"), n = find("AICoreSpec.cube_n_size"),
               k = find("AICoreSpec.cube_k_size");
    if (!m || !n || !k)
      return;
    const double flops = 2 * *m * *n * *k, before = spec_[CubeFlopsFloat16].value;
    for (Constant constant : {CubeFlopsFloat16, CubeFlopsBFloat16, CubeFlopsInt8})
      if (spec_.has(constant))
        set(constant, spec_[constant].value * flops / before, "AICoreSpec.cube_m_size");
  }

  std::optional<double> find(const std::string &key) const {
    const auto value = values_.find(key);
    if (value == values_.end())
      return std::nullopt;
    const std::string &text = value->second.text;
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number == 0)
      fail(SourcePosition{fileName_, value->second.line, 1},
           "{} is {}; a whole number, at least 1, is expected", key, quoteForMessage(text));
    return double(number);
  }

  double need(const std::string &key) const {
    const auto value = find(key);
    if (!value)
      fail(SourcePosition{fileName_}, "{} is missing; a whole number, at least 1, is expected",
           key);
    return *value;
  }

  void set(Constant constant, double value, std::string_view key) {
    Quantity &quantity = spec_[constant];
    quantity = {value, value, value, Provenance::Datasheet, nameOf(constant)};
    spec_.sources[size_t(constant)] = fmt::format("{}: {}", fileName_, key);
  }

  std::map<std::string, IniValue> values_;
  std::string fileName_;
  DeviceSpec spec_;
};

} // namespace

DeviceSpec parsePlatformIni(const std::string &text, const std::string &fileName,
                            const DeviceSpec &base) {
  return PlatformReader(text, fileName, base).read();
}

DeviceSpec readPlatformIni(const std::filesystem::path &path, const DeviceSpec &base) {
  return parsePlatformIni(readTextFile(path, size_t(16) << 20), path.string(), base);
}

} // namespace vinci
