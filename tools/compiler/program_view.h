// A program as lists of commands, for looking at it: what a plan's bodies and the functions of IR
// have in common.
#pragma once

#include "ir/llm/Origin.h"

#include <cstddef>
#include <string>
#include <vector>

namespace vinci {

struct CommandView {
  std::string op;       ///< "matmul"
  std::string text;     ///< how people see it: the kernel's name, the printed op
  std::string key;      ///< what makes commands of two programs the same one: all but the operands
  std::string location; ///< "config.json:12:3", or empty
  /// Names of values and buffers; those of a body's own are different from those of others.
  std::vector<std::string> outputs, inputs;
  llm::Origin origin; ///< of an op of IR; of a plan's command none
};

struct BodyView {
  std::string name;
  size_t calls = 0; ///< in the entry that calls it most
  std::vector<CommandView> commands;
};

} // namespace vinci
