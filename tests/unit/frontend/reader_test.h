// For tests of readers: what a file said, as text, and the one line that a bad file gives.
#pragma once

#include "frontend/settings/assign.h"
#include "runtime/support/yaml.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace vinci::test {

using Reader = void (*)(Import &, const JsonDocument &);

inline std::string dataFile(const std::string &name) {
  return VINCI_SOURCE_DIR "/tests/unit/frontend/data/" + name;
}

/// Reads `text`, called `name` in messages.
inline Import import(Reader reader, std::string text, std::string name) {
  Import result;
  reader(result, parseYaml(std::move(text), std::move(name)));
  return result;
}

/// Reads a file of tests/unit/frontend/data, called `f` in messages.
inline Import importFile(Reader reader, const std::string &name) {
  return import(reader, readTextFile(dataFile(name), 1 << 20), "f");
}

/// All settings that somebody said: "section.setting = value", a line each.
inline std::string said(Import &import) {
  std::string result;
  for (const SettingRule &rule : settingRules())
    visitSetting(rule, import.resolved, [&](auto &setting) {
      if (setting && setting.authority != Authority::Default)
        result += fmt::format("{} = {}\n", rule.name, show(*setting));
    });
  return result;
}

/// Where a setting was said: "f:3:4".
inline std::string originOf(Import &import, std::string_view name) {
  return visitSetting(settingRule(name), import.resolved,
                      [](auto &setting) { return toString(setting.origin); });
}

/// A line each: "contradiction 3:4 message".
inline std::string findings(const Import &import) {
  std::string result;
  for (const Finding &finding : import.findings.list())
    result += fmt::format("{} {}:{} {}\n", toString(finding.kind), finding.position.line,
                          finding.position.column, finding.message);
  return result;
}

/// A good file in which one text is replaced by another.
struct Change {
  std::string from, to;
  std::string message; ///< behind "f:"
};

inline std::string changed(std::string text, const Change &change) {
  const size_t at = text.find(change.from);
  EXPECT_NE(at, std::string::npos) << change.from;
  if (at != std::string::npos)
    text.replace(at, change.from.size(), change.to);
  return text;
}

/// Every change must give its error, one line.
inline void expectErrors(Reader reader, const std::string &good,
                         const std::vector<Change> &changes) {
  for (const Change &change : changes) {
    std::string message = "no error";
    try {
      import(reader, changed(good, change), "f");
    } catch (const Error &error) {
      EXPECT_EQ(exitCode(error.kind()), 1);
      message = error.what();
    }
    EXPECT_EQ(message, "f:" + change.message) << change.from << " -> " << change.to;
  }
}

/// Every change must give this as its only finding besides those of the good file.
inline void expectFindings(Reader reader, const std::string &good,
                           const std::vector<Change> &changes) {
  const auto before = import(reader, good, "f").findings.list();
  for (const Change &change : changes) {
    const auto after = import(reader, changed(good, change), "f").findings.list();
    std::string added;
    for (const Finding &finding : after)
      if (std::ranges::none_of(before, [&](auto &old) { return old.message == finding.message; }))
        added += fmt::format("{}:{}: {}: {}", finding.position.line, finding.position.column,
                             toString(finding.kind), finding.message);
    EXPECT_EQ(added, change.message) << change.from << " -> " << change.to;
  }
}

} // namespace vinci::test
