// --input-len file:PROMPTS and --output-len file:PROMPTS: lengths of real prompts, counted as `run
// --prompts` would give them to the model.
#pragma once

#include "tools/vinci/model_source.h"
#include "tools/vinci/simulation_setup.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// PROMPTS if `text` is file:PROMPTS, which LengthDistribution does not read.
/// Throws Error naming `flag` if PROMPTS is empty.
std::optional<std::string> promptsFileOf(std::string_view text, std::string_view flag);

/// What turns prompts to tokens.
struct PromptTokenizer {
  /// Empty where the model's folder is not known; prompts that are ids need none.
  std::filesystem::path directory;
  std::string chatTemplate; ///< in place of the directory's; empty: the directory's
};

/// The folder that `option`, the value of --tokenizer, names; without one the model's, or that
/// which a plan was compiled from, empty if it is not known. Throws Error if the option names none.
std::filesystem::path tokenizerFolderOf(const Source &source, const Plan *plan,
                                        const std::string &option);

/// The longest prompt that a scheduler takes.
struct PromptLimit {
  int64_t tokens = LengthDistribution::largest;
  std::string rule;  ///< which settings say so
  bool cuts = false; ///< a longer one is shortened and not refused
};
PromptLimit promptLimitOf(const ServingSettings &settings);

/// The tokens of each prompt of `file`, with progress on stderr. Throws Error naming the prompt if
/// one is empty or longer than the limit, or if there is no tokenizer for it.
std::vector<int64_t> promptLengths(const std::string &file, const PromptTokenizer &tokenizer,
                                   const PromptLimit &limit);

/// The max_tokens of each prompt of `file`. Throws Error naming the first that has none.
std::vector<int64_t> outputBudgets(const std::string &file);

/// Reads what --input-len and --output-len of `load` have in files into its `files`, unless they
/// are there. A trace of requests has lengths of its own, and then nothing is read. `model` is what
/// `plan` was made from.
void readPromptLengths(LoadSettings &load, const std::string &model, const ServedPlan &plan);

} // namespace vinci
