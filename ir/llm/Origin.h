// Which passes made an op of which others. No MLIR in here: Locations.h reads it from locations.
#pragma once

#include <string>
#include <vector>

namespace vinci::llm {

/// An op, as some pass saw it, and what it was made of, down to the ops that the model was built
/// of.
struct Origin {
  std::string op;         ///< "llm.rms_norm"
  std::string role;       ///< which one of its body: "q_norm"; empty if nothing named it
  std::string location;   ///< "config.json:12:3", or empty
  std::string pass;       ///< that made it; empty: it is the model's own
  std::vector<Origin> of; ///< what the pass made it of; empty: it added it
};

} // namespace vinci::llm
