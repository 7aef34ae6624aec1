#include "tools/vinci/prompt_lengths.h"

#include "runtime/support/error.h"
#include "tools/vinci/plan_cache.h"
#include "tools/vinci/progress.h"
#include "tools/vinci/prompts.h"
#include "tools/vinci/resources.h"

#include <algorithm>

namespace vinci {

namespace {

/// A prompt in messages: only JSON Lines say where one stands.
struct Place {
  const std::string &file;
  const std::vector<PromptRecord> &records;
  size_t index;

  SourcePosition position() const { return {file, records[index].line}; }
  std::string name() const { return fmt::format("prompt {} of {}", index + 1, records.size()); }
};

void requireTokenizer(const Place &place, const PromptTokenizer &tokenizer,
                      PromptEncoder &encoder) {
  if (place.records[place.index].kind == PromptRecord::Kind::Ids)
    return;
  constexpr std::string_view legal =
      "--tokenizer DIR with a folder that has one, prompts as token ids (\"ids\": [1, 2]), or "
      "fixed:N, uniform:A-B, normal:M,S or quantiles:… in place of the file";
  if (tokenizer.directory.empty())
    fail(place.position(),
         "{} is no list of ids, and which folder this plan was compiled from is not known here; "
         "legal are {}",
         place.name(), legal);
  if (!encoder.tokenizerIfAny())
    fail(
        SourcePosition{tokenizer.directory.string()},
        "there is neither tokenizer.json nor vocab.json with merges.txt to count the tokens of {}; "
        "legal are {}",
        place.file, legal);
}

int64_t lengthOf(const Place &place, PromptEncoder &encoder, const PromptLimit &limit) {
  const auto tokens = int64_t(encoder.fromRecord(place.records[place.index]).ids.size());
  if (tokens == 0)
    fail(place.position(), "{} is empty: it has no tokens to continue", place.name());
  if (tokens > limit.tokens && !limit.cuts)
    fail(place.position(), "{} has {} tokens; 1 to {} are expected ({})", place.name(), tokens,
         limit.tokens, limit.rule);
  return tokens;
}

} // namespace

std::optional<std::string> promptsFileOf(std::string_view text, std::string_view flag) {
  constexpr std::string_view kind = "file:";
  if (!text.starts_with(kind))
    return std::nullopt;
  if (text == kind)
    fail("{} is \"file:\" and names no file; file:PROMPTS.jsonl is expected", flag);
  return std::string(text.substr(kind.size()));
}

std::filesystem::path tokenizerFolderOf(const Source &source, const Plan *plan,
                                        const std::string &option) {
  if (!option.empty())
    return findTokenizerDirectory(option);
  if (source.kind == SourceKind::Model)
    return source.directory();
  const std::filesystem::path cache = findCacheDirectory();
  if (!plan || cache.empty())
    return {};
  return PlanCache(cache).findModel(*plan).value_or(std::filesystem::path());
}

PromptLimit promptLimitOf(const ServingSettings &settings) {
  if (!settings.isMindie)
    return {settings.vllm.maxModelLen - 1,
            fmt::format("max-model-len {} has room for them and one to generate",
                        settings.vllm.maxModelLen)};
  const MindieSettings &mindie = settings.mindie;
  return {
      std::min(mindie.maxInputTokenLen, mindie.maxSeqLen - 1),
      fmt::format("maxInputTokenLen {}, maxSeqLen {}", mindie.maxInputTokenLen, mindie.maxSeqLen),
      mindie.truncation};
}

std::vector<int64_t> promptLengths(const std::string &file, const PromptTokenizer &tokenizer,
                                   const PromptLimit &limit) {
  const std::vector<PromptRecord> records = readPromptFile(file);
  PromptEncoder encoder(tokenizer.directory, tokenizer.chatTemplate);
  Progress progress("counting tokens");
  std::vector<int64_t> lengths;
  for (size_t index = 0; index < records.size(); ++index) {
    const Place place{file, records, index};
    requireTokenizer(place, tokenizer, encoder);
    lengths.push_back(lengthOf(place, encoder, limit));
    progress.report(index + 1, records.size());
  }
  progress.finish();
  return lengths;
}

std::vector<int64_t> outputBudgets(const std::string &file) {
  const std::vector<PromptRecord> records = readPromptFile(file);
  std::vector<int64_t> budgets;
  for (size_t index = 0; index < records.size(); ++index) {
    const Place place{file, records, index};
    const std::optional<int64_t> &budget = records[index].sampling.maxTokens;
    if (!budget)
      fail(place.position(),
           "{} has no max_tokens, which --output-len file:… takes for the length of its output; "
           "every prompt with a \"max_tokens\" from 1, or fixed:N, uniform:A-B, normal:M,S or "
           "quantiles:… in place of the file are legal",
           place.name());
    budgets.push_back(*budget);
  }
  return budgets;
}

void readPromptLengths(LoadSettings &load, const std::string &model, const ServedPlan &plan) {
  LoadSettings::Files &files = load.files;
  if (!load.traceFile.empty() || files.inputs || files.outputs)
    return;
  if (const auto file = promptsFileOf(load.inputLengths, "--input-len")) {
    const auto *chatTemplate = plan.plan().root()->generation()->chat_template();
    const PromptTokenizer tokenizer{
        tokenizerFolderOf(findSource(model), &plan.plan(), load.tokenizer),
        chatTemplate ? chatTemplate->str() : ""};
    std::vector<int64_t> lengths = promptLengths(*file, tokenizer, promptLimitOf(plan.settings()));
    files.prompts = lengths.size();
    files.inputs = LengthDistribution::list(std::move(lengths));
  }
  if (const auto file = promptsFileOf(load.outputLengths, "--output-len")) {
    std::vector<int64_t> budgets = outputBudgets(*file);
    if (!files.inputs)
      files.prompts = budgets.size();
    files.outputs = LengthDistribution::list(std::move(budgets));
  }
}

} // namespace vinci
