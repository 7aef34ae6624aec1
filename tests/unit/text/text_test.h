// What the tests of runtime/text share: errors to compare, folders to fill, a small tokenizer to
// vary.
#pragma once

#include "runtime/support/error.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace vinci {

/// what() of the vinci::Error that `call` throws; fails the test if it throws none.
template <typename Call> std::string errorOf(Call call) {
  try {
    call();
  } catch (const Error &error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

#define EXPECT_CONTAINS(text, part)                                                                \
  EXPECT_PRED2([](const std::string &whole,                                                        \
                  const std::string &wanted) { return whole.find(wanted) != std::string::npos; },  \
               text, part)

/// A folder of this test's own, removed at its end.
class Folder {
public:
  Folder() {
    const auto *test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("vinci-") + test->test_suite_name() + "-" + test->name();
    std::replace(name.begin(), name.end(), '/', '-');
    path_ = std::filesystem::path(testing::TempDir()) / name;
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string path() const { return path_.string(); }
  std::string pathOf(const std::string &name) const { return (path_ / name).string(); }
  void write(const std::string &name, const std::string &text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

private:
  std::filesystem::path path_;
};

/// A whole byte-level tokenizer: the 256 bytes (ids 0 to 255 in their byte order), "he", "ll",
/// "llo", "hello" and "Ġhello", and two added tokens, <|end|> (special) and <think>.
nlohmann::json smallTokenizer();

/// Random text of `length` characters from all planes, including combining marks, white space and
/// <|end|>.
std::string randomText(std::mt19937 &random, size_t length);

} // namespace vinci
