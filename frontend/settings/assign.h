// Puts values into settings: checks them against the table and reports who contradicts whom.
#pragma once

#include "frontend/settings/findings.h"
#include "frontend/settings/rules.h"
#include "runtime/support/json.h"

namespace vinci {

/// What is read so far.
struct Import {
  Resolved resolved;
  Findings findings;
};

/// How a value may be spelled.
enum class Spelling {
  Typed,   ///< as JSON and YAML type it
  Textual, ///< texts of numbers and booleans, and 0/1, too: variables and flags
};

/// Reads `value` as what `rule` says and hands it to `settle`. `key` is what messages call it: its
/// name in the file. Fails at the value's place if it is of another type or out of range.
void assign(Import &import, const SettingRule &rule, const JsonValue &value, std::string_view key,
            Authority authority, Spelling spelling = Spelling::Typed);

/// The same for a text that stands for one of the rule's choices.
void assignText(Import &import, const SettingRule &rule, std::string text, SourcePosition origin,
                Authority authority);

/// Puts `value` into `setting` if it is absent or of no higher authority. If both were said and
/// differ, a contradiction that names both values and places is reported.
template <typename T>
void settle(Findings &findings, std::string_view name, Setting<T> &setting, T value,
            SourcePosition origin, Authority authority);

/// As reports show it: 4, 1e-06, bfloat16, [1, 2], "a text".
std::string show(bool value);
std::string show(int64_t value);
std::string show(double value);
std::string show(const std::string &value);
std::string show(const std::vector<int64_t> &value);
std::string show(const std::vector<std::string> &value);

template <typename T>
void settle(Findings &findings, std::string_view name, Setting<T> &setting, T value,
            SourcePosition origin, Authority authority) {
  const bool said = setting.value && setting.authority != Authority::Default;
  const bool wins = !setting.value || authority >= setting.authority;
  if (said && authority != Authority::Default && *setting.value != value)
    findings.add(FindingKind::Contradiction, origin, "{} is {}, but {} says {}; {} is used", name,
                 show(value), toString(setting.origin), show(*setting.value),
                 show(wins ? value : *setting.value));
  if (wins)
    setting = {std::move(value), std::move(origin), authority};
}

} // namespace vinci
