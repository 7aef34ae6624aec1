// Files to import with one thing changed, and what comes of reading them.
#pragma once

#include "frontend/settings/assign.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace vinci::test {

inline std::string dataFile(const std::string &name) {
  std::ifstream stream(VINCI_SOURCE_DIR "/tests/unit/frontend/data/" + name);
  EXPECT_TRUE(stream) << name;
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// A text with an `@` where the message must point: it is taken out, and `place` is "line:column".
struct Marked {
  std::string text, place;

  explicit Marked(std::string marked) : text(std::move(marked)) {
    const size_t at = text.find('@');
    if (at == std::string::npos)
      return;
    text.erase(at, 1);
    const size_t line = 1 + size_t(std::count(text.begin(), text.begin() + int64_t(at), '\n'));
    const size_t begin = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    place = fmt::format("{}:{}", line, begin == std::string::npos ? at + 1 : at - begin);
  }
};

/// `text` with `from`, which stands in it once, replaced.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from << " stands more than once";
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// What read() throws, "no error" if it does not.
template <typename Read> std::string errorOf(Read read) {
  try {
    read();
  } catch (const Error &error) {
    EXPECT_EQ(exitCode(error.kind()), 1);
    return error.what();
  }
  return "no error";
}

/// "kind line:column message" of each finding, without the file's name.
inline std::vector<std::string> shown(const Findings &findings) {
  std::vector<std::string> lines;
  for (const Finding &finding : findings.list())
    lines.push_back(fmt::format("{} {}:{} {}", toString(finding.kind), finding.position.line,
                                finding.position.column, finding.message));
  return lines;
}

using Lines = std::vector<std::string>;

} // namespace vinci::test
