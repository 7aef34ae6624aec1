// Launch scripts, .env files and command lines as documents that readServe reads:
//
//   {"serve": {"tensor-parallel-size": 8, …},      the flags of a vLLM server
//    "run_mindie": {"max-seq-len": 2560, …},       the options of run_mindie.sh
//    "env": {"HCCL_BUFFSIZE": "512", …}}           variables, always texts
//
// with what the script has, each value at its place in the script.
#pragma once

#include "frontend/settings/findings.h"
#include "runtime/support/json.h"

namespace vinci {

/// Reads what a script or a .env file sets and which server it starts; all else in it (cd, pip,
/// source, tests) is skipped. Commands inside if, for and the like count as run, and a note says
/// so. Of a variable or flag that is given twice the last value is used, and of two servers the
/// first; both are reported.
JsonDocument parseLaunchScript(std::string text, std::string name, Findings &findings);

/// The same for a text that must start a server: a command, with or without variables set in front
/// of it, or flags of vLLM's serve command alone.
JsonDocument parseServeCommand(std::string text, std::string name, Findings &findings);

} // namespace vinci
