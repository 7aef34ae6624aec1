#include "runtime/device/device_spec.h"
#include "runtime/device/constants.h"
#include "runtime/device/embedded_specs.h"
#include "runtime/support/yaml.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <set>

namespace vinci {

namespace {

constexpr std::string_view levelNames[levelCount] = {"card", "server", "super_node", "cluster"};
constexpr std::string_view linkNames[] = {"full_mesh", "switch", "ring"};
constexpr std::string_view tagNames[] = {"measured", "datasheet", "fitted", "estimate"};

std::string below(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

class SpecReader {
public:
  explicit SpecReader(const JsonDocument &document) : document_(document) {}

  DeviceSpec read() {
    const JsonValue root = document_.root();
    if (!root.isObject())
      root.failExpected("a device spec", "a mapping");
    if (const auto base = root.find("base"))
      startFrom(*base);
    readMapping(root, "");
    for (std::string_view key : {"name", "description"})
      if (!root.find(key))
        fail(root.position(), "{} is missing; a text is expected", key);
    checkComplete();
    checkConsistent();
    return std::move(spec_);
  }

private:
  void startFrom(const JsonValue &value) {
    const DeviceSpec *base = findDeviceSpec(value.toText("base"));
    if (base == nullptr)
      value.failExpected("base", fmt::format("one of {}", fmt::join(deviceSpecNames(), ", ")));
    spec_ = *base;
  }

  void readMapping(const JsonValue &mapping, const std::string &path) {
    for (const auto &[keyValue, value] : mapping.members()) {
      const std::string_view key = keyValue.toText("a key");
      const std::string child = below(path, key);
      if (path.empty() && key == "base")
        continue;
      if (path.empty() && (key == "name" || key == "description")) {
        (key == "name" ? spec_.name : spec_.description) = readText(value, key);
      } else if (const auto row = std::ranges::find(constantRows(), child, &ConstantRow::name);
                 row != constantRows().end()) {
        readConstant(*row, value);
      } else if (const auto level = std::ranges::find(levelNames, key);
                 path == "topology" && level != std::end(levelNames)) {
        readLevel(value, child, level - std::begin(levelNames));
      } else if (!isSection(child)) {
        fail(keyValue.position(), "unknown key {} in {}; {} are known", keyValue.describe(),
             path.empty() ? "a device spec" : path, keysOf(path));
      } else {
        requireMapping(value, child);
        readMapping(value, child);
      }
    }
  }

  void readLevel(const JsonValue &value, const std::string &path, size_t level) {
    requireMapping(value, path);
    const bool isNew = !spec_.hasLevel(level); // not in the base
    for (const auto &[keyValue, member] : value.members()) {
      const std::string child = below(path, keyValue.toText("a key"));
      if (keyValue.toText("a key") == "kind") {
        const auto kind = std::ranges::find(linkNames, member.toText(child));
        if (kind == std::end(linkNames))
          member.failExpected(child, fmt::format("one of {}", fmt::join(linkNames, ", ")));
        spec_.links[level] = LinkKind(kind - std::begin(linkNames));
      } else if (const auto row = std::ranges::find(constantRows(), child, &ConstantRow::name);
                 row != constantRows().end()) {
        readConstant(*row, member);
      } else {
        fail(keyValue.position(), "unknown key {} in {}; kind, {} are known", keyValue.describe(),
             path, keysOf(path));
      }
    }
    if (isNew && !value.find("kind"))
      fail(value.position(), "{}.kind is missing; one of {} is expected", path,
           fmt::join(linkNames, ", "));
  }

  void readConstant(const ConstantRow &row, const JsonValue &value) {
    if (!value.isObject())
      value.failExpected(row.name, "a mapping of value, unit, tag and source");
    const auto need = [&](std::string_view key) {
      const auto member = value.find(key);
      if (!member)
        fail(value.position(), "{} has no {}; value, unit, tag and source are expected", row.name,
             key);
      return *member;
    };
    for (const auto &[key, member] : value.members()) {
      static constexpr std::string_view known[] = {"value", "unit", "tag", "source", "p10", "p90"};
      if (std::ranges::find(known, key.toText("a key")) == std::end(known))
        fail(key.position(), "unknown key {} in {}; {} are known", key.describe(), row.name,
             fmt::join(known, ", "));
    }
    const std::string unitKey = below(row.name, "unit");
    const JsonValue unitValue = need("unit");
    const Unit *unit = findUnit(row.dimension, unitValue.toText(unitKey));
    if (unit == nullptr)
      unitValue.failExpected(unitKey, unitNames(row.dimension));

    Quantity quantity;
    quantity.name = row.name;
    quantity.value = readNumber(row, need("value"), "value", *unit);
    const JsonValue tag = need("tag");
    const auto tagName = std::ranges::find(tagNames, tag.toText(below(row.name, "tag")));
    if (tagName == std::end(tagNames))
      tag.failExpected(below(row.name, "tag"), fmt::format("one of {}", fmt::join(tagNames, ", ")));
    quantity.tag = Provenance(tagName - std::begin(tagNames));
    spec_.sources[size_t(row.constant)] = readText(need("source"), below(row.name, "source"));
    readRange(row, value, *unit, quantity);
    spec_[row.constant] = quantity;
  }

  void readRange(const ConstantRow &row, const JsonValue &value, const Unit &unit,
                 Quantity &quantity) const {
    const auto low = value.find("p10"), high = value.find("p90");
    if (low.has_value() != high.has_value())
      fail(value.position(), "{} has p10 or p90 alone; both or neither are expected", row.name);
    const bool certain =
        quantity.tag == Provenance::Measured || quantity.tag == Provenance::Datasheet;
    if (!low && !certain && row.dimension != Dimension::Count)
      fail(value.position(), "{} is tagged {} and has no range; p10 and p90 are expected", row.name,
           toString(quantity.tag));
    quantity.low = low ? readNumber(row, *low, "p10", unit) : quantity.value;
    quantity.high = high ? readNumber(row, *high, "p90", unit) : quantity.value;
    if (quantity.low > quantity.value)
      low->failExpected(below(row.name, "p10"), "at most its value");
    if (quantity.high < quantity.value)
      high->failExpected(below(row.name, "p90"), "at least its value");
  }

  double readNumber(const ConstantRow &row, const JsonValue &value, std::string_view key,
                    const Unit &unit) const {
    const std::string name = below(row.name, key);
    const double number = value.toNumber(name) * unit.factor;
    if (!isWithinBounds(row.dimension, number))
      value.failExpected(name, bounds(row.dimension));
    return number;
  }

  static std::string readText(const JsonValue &value, std::string_view name) {
    const std::string_view text = value.toText(name);
    if (text.find_first_not_of(' ') == std::string_view::npos)
      value.failExpected(name, "a text that says something");
    return std::string(text);
  }

  static void requireMapping(const JsonValue &value, std::string_view name) {
    if (!value.isObject())
      value.failExpected(name, "a mapping");
  }

  static bool isSection(const std::string &path) {
    return std::ranges::any_of(constantRows(), [prefix = path + "."](const ConstantRow &row) {
      return row.name.starts_with(prefix);
    });
  }

  /// What may stand in the mapping at `path`.
  static std::string keysOf(const std::string &path) {
    std::vector<std::string_view> keys;
    if (path.empty())
      keys = {"name", "description", "base"};
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const ConstantRow &row : constantRows()) {
      if (!row.name.starts_with(prefix))
        continue;
      const std::string_view rest = row.name.substr(prefix.size());
      const std::string_view key = rest.substr(0, rest.find('.'));
      if (keys.empty() || keys.back() != key)
        keys.push_back(key);
    }
    return fmt::format("{}", fmt::join(keys, ", "));
  }

  /// Where `name` stands or the innermost mapping around it that there is.
  SourcePosition nearest(std::string_view name) const {
    JsonValue value = document_.root();
    while (!name.empty()) {
      const auto inner = value.find(name.substr(0, name.find('.')));
      if (!inner)
        break;
      value = *inner;
      name = name.find('.') == std::string_view::npos ? "" : name.substr(name.find('.') + 1);
    }
    return value.position();
  }

  void checkComplete() const {
    for (const ConstantRow &row : constantRows())
      if (!spec_.has(row.constant) && !(row.optional && siblingsAbsent(row)))
        fail(nearest(row.name), "{} is missing; a value in {} with tag and source is expected",
             row.name, unitNames(row.dimension));
  }

  /// Series and levels are there as a whole or not at all.
  bool siblingsAbsent(const ConstantRow &row) const {
    const std::string_view section = row.name.substr(0, row.name.rfind('.'));
    if (section == "cube.flops")
      return true;
    return std::ranges::none_of(constantRows(), [&](const ConstantRow &other) {
      return other.name.substr(0, other.name.rfind('.')) == section && spec_.has(other.constant);
    });
  }

  void checkConsistent() const {
    if (const auto [constant, expected] = findContradiction(spec_); !expected.empty())
      fail(nearest(nameOf(constant)), "{} is {:g}; {} is expected", nameOf(constant),
           spec_[constant].value, expected);
  }

  const JsonDocument &document_;
  DeviceSpec spec_;
};

/// Each is read when it is first asked for; the one that another starts from is read first.
template <size_t index> const DeviceSpec &shipped() {
  static const DeviceSpec spec =
      parseDeviceSpec(embeddedSpecs[index].text, embeddedSpecs[index].fileName);
  return spec;
}

constexpr const DeviceSpec &(*shippedSpecs[])() = {shipped<0>, shipped<1>, shipped<2>, shipped<3>};

} // namespace

std::string_view toString(Provenance tag) {
  return tagNames[size_t(tag)];
}

std::span<const std::string_view> deviceSpecNames() {
  return embeddedSpecNames;
}

const DeviceSpec *findDeviceSpec(std::string_view name) {
  const auto found = std::ranges::find(embeddedSpecNames, name);
  return found == std::end(embeddedSpecNames)
             ? nullptr
             : &shippedSpecs[found - std::begin(embeddedSpecNames)]();
}

DeviceSpec parseDeviceSpec(std::string text, std::string fileName) {
  return SpecReader(parseYaml(std::move(text), std::move(fileName))).read();
}

DeviceSpec deviceSpec(const std::string &nameOrFile) {
  if (const DeviceSpec *spec = findDeviceSpec(nameOrFile))
    return *spec;
  if (!nameOrFile.ends_with(".yaml"))
    fail("no device is called {}; {} or a file whose name ends in .yaml are legal",
         quoteForMessage(nameOrFile), fmt::join(deviceSpecNames(), ", "));
  return parseDeviceSpec(readTextFile(nameOrFile, size_t(1) << 20), nameOrFile);
}

GroupShape DeviceSpec::groupOf(std::span<const uint32_t> devices) const {
  GroupShape shape;
  shape.ranks = devices.size();
  uint64_t inner = 1; // devices in a unit of the level below
  for (size_t level = 0; level < levelCount; ++level) {
    if (!hasLevel(level))
      continue;
    const auto size = uint64_t((*this)[levelBegin(level)].value);
    std::set<std::pair<uint64_t, uint64_t>> units; // (unit of this level, unit of that below)
    for (uint64_t device : devices)
      units.emplace(device / size, device / inner);
    uint32_t count = 0;
    for (auto unit = units.begin(); unit != units.end();) {
      const auto end = units.lower_bound({unit->first + 1, 0});
      count = std::max(count, uint32_t(std::distance(unit, end)));
      unit = end;
    }
    shape.perLevel[level] = count;
    inner = size;
  }
  for (uint64_t device : devices)
    if (devices.size() > 1 && device / inner != devices[0] / inner)
      fail("{} joins {} devices at most; a group has devices {} and {}", name, inner, devices[0],
           device);
  return shape;
}

GroupShape DeviceSpec::firstDevices(uint32_t ranks) const {
  std::vector<uint32_t> devices(ranks);
  for (uint32_t i = 0; i < ranks; ++i)
    devices[i] = i;
  return groupOf(devices);
}

} // namespace vinci
