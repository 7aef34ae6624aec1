// A folder of a test's own, and files in the safetensors format to put there.
#pragma once

#include "runtime/support/error.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <vector>

namespace vinci {

class TemporaryFolder : public testing::Test {
protected:
  void SetUp() override {
    const testing::TestInfo *test = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(testing::TempDir()) /
             (std::string("vinci-") + test->test_suite_name() + "-" + test->name());
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write(const std::string &name, const std::string &content) const {
    std::ofstream(folder / name, std::ios::binary) << content;
  }

  std::filesystem::path folder;
};

/// Length, header, data: whatever they are.
inline std::string safetensors(const std::string &header, const std::string &data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char *>(&length), sizeof length) + header + data;
}

/// One tensor of an honest file.
struct TestTensor {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string data;
};

/// An honest file of these tensors.
inline std::string safetensors(const std::vector<TestTensor> &tensors) {
  std::string header, data;
  for (const TestTensor &tensor : tensors) {
    uint64_t end = data.size() + tensor.data.size();
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.empty() ? "" : ",", tensor.name, tensor.dtype,
                          fmt::join(tensor.shape, ","), data.size(), end);
    data += tensor.data;
  }
  return safetensors(fmt::format("{{{}}}", header), data);
}

inline std::string bytesOf(std::span<const float> values) {
  return {reinterpret_cast<const char *>(values.data()), values.size_bytes()};
}

/// The message of the Error that `action` throws; empty if it throws none.
template <typename Action> std::string messageOf(Action action) {
  try {
    action();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

#define EXPECT_CONTAINS(text, part)                                                                \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text)

} // namespace vinci
