// Takes the keys out of one config object: remembers which were read, where, and what was odd about
// them.
#pragma once

#include "frontend/model_spec.h"
#include "runtime/support/json.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

namespace vinci {

/// Sizes beyond these are not real models; they keep every product of two of them far from
/// overflow.
struct ConfigCaps {
  static constexpr int64_t size = int64_t(1) << 22; ///< hidden_size, intermediate sizes
  static constexpr int64_t layers = 4096;
  static constexpr int64_t heads = int64_t(1) << 14;
  static constexpr int64_t headDim = 512; ///< what the attention kernel keeps on its stack
  static constexpr int64_t vocab = int64_t(1) << 24;
  static constexpr int64_t positions = int64_t(1) << 26;
  static constexpr int64_t experts = int64_t(1) << 14;
  static constexpr int64_t expertsPerToken = 64; ///< what the routing kernel keeps on its stack
  static constexpr double tensors = double(int64_t(1) << 20);
  static constexpr double elements = double(int64_t(1) << 40); ///< of one weight, as in the IR
  static constexpr double parameters = double(int64_t(1) << 50);
};

class ConfigReader {
public:
  /// Positions of what is read go to spec.origins under `relativeName`.
  ConfigReader(JsonValue object, ModelSpec &spec, std::string relativeName)
      : object_(object), spec_(spec), relativeName_(std::move(relativeName)) {}

  ModelSpec &spec() { return spec_; }
  JsonValue object() const { return object_; }

  /// The value of `key`, which now counts as read; nullopt if it is absent or null.
  std::optional<JsonValue> find(std::string_view key);
  /// Fails unless `key` is there and not null.
  JsonValue require(std::string_view key);
  /// Where `key` stands, or the object if it is absent: the place for messages about it.
  SourcePosition position(std::string_view key) const {
    std::optional<JsonValue> value = object_.find(key);
    return (value ? *value : object_).position();
  }

  int64_t integer(std::string_view key, int64_t minimum, int64_t maximum);
  int64_t integerOr(std::string_view key, int64_t absent, int64_t minimum, int64_t maximum);
  bool booleanOr(std::string_view key, bool absent);
  /// A number in [minimum, maximum].
  double numberOr(std::string_view key, double absent, double minimum, double maximum);

  /// Adds a warning at `value`, unless there are mostWarnings already: then one last says that
  /// there are more.
  void warn(const JsonValue &value, std::string message);
  /// Calls `visit(key, value)` for every member that no one has read.
  template <typename Visitor> void visitUnread(Visitor visit) const {
    for (const auto &[key, value] : object_.members())
      if (!read_.contains(key.toText("key")))
        visit(key, value);
  }

  /// Where a value of ModelSpec came from.
  void recordOrigin(std::string_view key, const JsonValue &value);

  static constexpr size_t mostWarnings = 50;

private:
  JsonValue object_;
  ModelSpec &spec_;
  std::string relativeName_;
  std::set<std::string, std::less<>> read_;
};

/// The value of whichever of two spellings of one thing is given, `modern` before `old`; both given
/// must agree. Returns the key that was given too, for messages.
struct SpelledValue {
  JsonValue value;
  std::string_view key;
};
std::optional<SpelledValue> findEitherSpelling(ConfigReader &reader, std::string_view modern,
                                               std::string_view old);

/// A number in [minimum, maximum]; `name` is for the message.
double numberInRange(const JsonValue &value, std::string_view name, double minimum, double maximum);

} // namespace vinci
