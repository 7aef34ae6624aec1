// Reads a file of nested keys by a table: each key is a setting, is known not to matter, or is read
// by a function of its own; what is none of these is reported.
#pragma once

#include "frontend/settings/assign.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class KeyReader;

/// A value of the file's and the choice of ours that it stands for.
struct ValueName {
  std::string_view theirs;    ///< as a message shows it without quotes: eager, 0, true
  std::string_view ours = {}; ///< empty: it is legal and says nothing
};

struct KeyRule {
  /// "model.model_config.num_layers". A rule for an object speaks for all that is in it.
  std::string_view path;
  /// The setting that takes the value; empty if it is none.
  std::string_view setting = {};
  /// For settings with choices, where the file has other words for them; without a setting, what is
  /// legal.
  std::vector<ValueName> values = {};
  /// Reads what is no plain value of one setting.
  void (*read)(KeyReader &reader, const JsonValue &value, std::string_view key) = nullptr;
};

/// A key that is known and says nothing about inference.
inline KeyRule irrelevant(std::string_view path) {
  return {path};
}

class KeyReader {
public:
  /// `format` is what messages call the kind of file: "a recipe".
  KeyReader(Import &import, std::string_view format, Authority authority,
            Spelling spelling = Spelling::Typed)
      : import_(import), format_(format), authority_(authority), spelling_(spelling) {}

  /// Reads all keys of `object`, an object. null counts as absent. Fails at a key that is unknown
  /// but two letters away from a known one that the file lacks: a misspelling must not pass for an
  /// absent key. Other unknown keys are findings.
  void read(const JsonValue &object, std::span<const KeyRule> rules);

  /// Reads one value by its rule.
  void apply(const KeyRule &rule, const JsonValue &value, std::string_view key);

  Import &import() { return import_; }
  Authority authority() const { return authority_; }
  /// Assigns to a setting, as a table's row would.
  void assign(std::string_view setting, const JsonValue &value, std::string_view key) {
    vinci::assign(import_, settingRule(setting), value, key, authority_, spelling_);
  }
  /// Assigns whichever of our choices `value` stands for; only checks it if `setting` is empty.
  void assignNamed(std::string_view setting, const JsonValue &value, std::string_view key,
                   std::span<const ValueName> values);
  /// Puts `meaning`, which `value` stands for, into a setting of that type.
  template <typename T>
  void assignMeaning(std::string_view setting, const JsonValue &value, std::string_view key,
                     T meaning) {
    vinci::settle(
        import_.findings, key,
        std::get<Setting<T> &(*)(Resolved &)>(settingRule(setting).access)(import_.resolved),
        std::move(meaning), value.position(), authority_);
  }
  template <typename... Args>
  void report(FindingKind kind, const JsonValue &value, fmt::format_string<Args...> format,
              Args &&...args) {
    import_.findings.add(kind, value.position(), fmt::format(format, std::forward<Args>(args)...));
  }

private:
  void readObject(const JsonValue &object, const std::string &prefix,
                  std::span<const KeyRule> rules);
  void unknown(const JsonValue &object, const JsonValue &key, const std::string &prefix,
               std::span<const KeyRule> rules);

  Import &import_;
  std::string_view format_;
  Authority authority_;
  Spelling spelling_;
};

/// The value at `path` ("a.b.c") in `object`; nothing if it is absent or null.
std::optional<JsonValue> findAt(const JsonValue &object, std::string_view path);

/// The same, failing at `object` if it is absent or null.
JsonValue requireAt(const JsonValue &object, std::string_view path, std::string_view expected);

/// Two names that a file may have for the same value; those of one pair are in the same mapping.
struct TwoSpellings {
  std::string_view first, second; ///< paths
};

/// Fails at the second spelling if an object has both and they differ.
void requireAgreement(const JsonValue &object, std::span<const TwoSpellings> pairs);

/// The known name that `name` is probably meant to be, of those in `candidates`: at most two
/// letters are missing, surplus, wrong or swapped, and fewer than a third of it. Empty if there is
/// none.
std::string_view nearestName(std::string_view name, std::span<const std::string_view> candidates);

} // namespace vinci
