// One case: a text and a pipeline, through everything that vinci-opt does with them.
#pragma once

#include "tests/fuzz/ir/ir_mutator.h"

#include <string>
#include <vector>

namespace vinci::fuzz {

/// How far a case came.
enum class Reached {
  Text,     ///< refused before MLIR sees it
  Parser,   ///< refused by the parser or by a verifier
  Pipeline, ///< refused by a pass
  End,      ///< printed
};

/// A pipeline of Vinci's passes (and MLIR's canonicalize and cse), in the order of the compiler or
/// in any other: "partition{world=4},npu.program(plan-memory)".
std::string makePipeline(Dice &dice);

/// The text with a first line that says which pipeline to run: "// passes: …". runCase reads it
/// back; a text without such a line is parsed, verified and printed.
std::string withPipeline(const std::string &text, const std::string &pipeline);

/// Never throws; what is wrong with a text is a diagnostic, and diagnostics are dropped.
Reached runCase(const std::string &text);

/// The parts of the .mlir files below `path`, or of the file `path`, that are separated by
/// "// -----"; sorted by name. `generic` adds each that parses in MLIR's generic form, in which
/// attributes may be of any kind.
std::vector<std::string> readCorpus(const std::string &path, bool generic);

/// Once, before anything else.
void registerPasses();

} // namespace vinci::fuzz
