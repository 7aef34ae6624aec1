// Serving stacks as data: what the software around a model costs and cannot do. One YAML file each
// in runtime/serving/stacks, built into the library; every value says where it is from.
#pragma once

#include "runtime/serving/scheduler_mindie.h"
#include "runtime/support/error.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

enum class StackTag : uint8_t {
  Measured,
  Documented, ///< said by the stack itself or its published settings
  Fitted,     ///< follows from measurements and a model of the rest
  Estimate,
};

std::string_view toString(StackTag tag);

struct StackValue {
  double value = 0;         ///< a flag is 0 or 1
  double low = 0, high = 0; ///< of plausible ones; both `value` where no range is known
  StackTag tag = StackTag::Estimate;
  std::string source;
};

struct StackProfile {
  std::string name, description;
  std::string scheduler; ///< mindie or vllm

  StackValue servingGapUs;  ///< host work between a step's end and the next step's start, all of it
  StackValue launchUsPerOp; ///< host time per operation where shapes are dynamic
  StackValue attentionUs;   ///< host time for each attention of a captured step
  StackValue tokenizerUs;   ///< per request
  StackValue tokenizerProcesses;
  StackValue detokenizerUsPerToken;
  StackValue prefillHostBound; ///< flag: prefill is launched operation by operation
  StackValue capturesDecode;   ///< flag: steps of decoding are captured graphs, if nobody says
  StackValue async;            ///< flag: can plan a step ahead
  StackValue asyncHidesUs;     ///< of the gap, what planning ahead hides; at most the gap
  StackValue groupHandoverUs;  ///< of a group of kernels to another thread that launches
  /// Mean of what a rank's host comes late in a step, with and without threads bound to cores.
  StackValue jitterBoundUs, jitterUnboundUs;
  StackValue prefillBatchBound, decodeBatchBound; ///< 0: none

  BatchBounds batchBounds() const {
    return {uint32_t(prefillBatchBound.value), uint32_t(decodeBatchBound.value)};
  }
};

/// Throws Error with the place for a missing or unknown key, a value out of its range, another
/// unit, no source, an unknown tag, a range that does not contain the value, or a gap that is
/// smaller than what hides of it.
StackProfile parseStackProfile(std::string text, std::string fileName);
StackProfile readStackProfile(const std::string &path);
/// As parseStackProfile reads it; the same profile, the same bytes.
std::string stackProfileYaml(const StackProfile &profile);

/// All that are built in, by name.
const std::vector<StackProfile> &stackProfiles();
/// Throws Error naming the profiles for an unknown one.
const StackProfile &stackProfile(std::string_view name);

/// A file that is built in.
struct StackFile {
  std::string_view name, text;
};
std::span<const StackFile> stackFiles();

} // namespace vinci
