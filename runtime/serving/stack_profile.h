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

  StackValue servingGapUs;  ///< host work between a step's end and the next step's start
  StackValue launchUsPerOp; ///< host time per operation where shapes are dynamic
  StackValue tokenizerUs;   ///< per request
  StackValue tokenizerProcesses;
  StackValue detokenizerUsPerToken;
  StackValue prefillHostBound; ///< flag: prefill is launched operation by operation
  StackValue async;            ///< flag: the gap is hidden behind the next step
  StackValue prefillBatchBound, decodeBatchBound; ///< 0: none

  BatchBounds batchBounds() const {
    return {uint32_t(prefillBatchBound.value), uint32_t(decodeBatchBound.value)};
  }
};

/// Throws Error with the place for a missing or unknown key, a value out of its range, another
/// unit, no source, an unknown tag, or a range that does not contain the value.
StackProfile parseStackProfile(std::string text, std::string fileName);
StackProfile readStackProfile(const std::string &path);

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
