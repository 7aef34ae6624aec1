#include "tools/vinci/workload.h"
#include "runtime/support/error.h"
#include "runtime/support/lengths.h"

#include <algorithm>

namespace vinci {

namespace {

constexpr uint32_t mostRequests = 65536;
constexpr uint64_t mostPromptTokens = uint64_t(1) << 28; // 1 GiB of ids

std::vector<WorkloadRequest> ownPrompts(const fb::Generation &generation) {
  std::vector<WorkloadRequest> requests;
  for (const auto *prompt : *generation.prompts()) {
    PromptRecord &record = requests.emplace_back().prompt;
    record.kind = PromptRecord::Kind::Text;
    record.text = prompt->str();
  }
  return requests;
}

std::optional<LengthDistribution> lengthsOf(const flatbuffers::String *text,
                                            std::string_view name) {
  if (!text || text->size() == 0)
    return std::nullopt;
  return LengthDistribution::parse(text->string_view(), name, {});
}

/// Ids that stand for text: none that ends or begins one, none without a token.
std::vector<int32_t> ordinaryIds(const fb::Plan &plan, const Tokenizer *tokenizer) {
  const fb::Generation &generation = *plan.generation();
  const auto isOrdinary = [&](int32_t id) {
    if (tokenizer && (tokenizer->isSpecial(id) || tokenizer->bytesOf(id).empty()))
      return false;
    const auto *eos = generation.eos_token_ids();
    return id != generation.bos_token_id() && id != generation.pad_token_id() &&
           std::find(eos->begin(), eos->end(), id) == eos->end();
  };
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < int32_t(plan.model()->vocab_size()); ++id)
    if (isOrdinary(id))
      ids.push_back(id);
  if (ids.empty())
    fail("the deployment's prompts cannot be made up: the model has no ordinary tokens");
  return ids;
}

uint32_t numberOfRequests(const fb::Generation &generation) {
  const auto requests = generation.requests();
  const uint32_t count = requests ? *requests : generation.concurrency().value_or(1);
  if (count > mostRequests)
    fail("the deployment's workload has {} requests; at most {} are made up", count, mostRequests);
  return count;
}

/// The prompt's length, shortened or refused if the request is longer than the model can be.
int64_t fitLength(int64_t length, int64_t outputTokens, uint32_t index, uint32_t maxSeqLen,
                  bool truncation) {
  const int64_t room = int64_t(maxSeqLen) - outputTokens;
  if (length <= room)
    return length;
  if (truncation && room >= 1)
    return room;
  fail("request {} of the deployment's workload has {} prompt tokens and {} to generate, but "
       "max_seq_len is {}; compile with a larger --max-seq-len, generate fewer with --max-tokens, "
       "or "
       "shorten the prompts with --truncation",
       index + 1, length, outputTokens, maxSeqLen);
}

std::vector<WorkloadRequest> makeUp(const fb::Plan &plan, const LengthDistribution &inputs,
                                    const std::optional<LengthDistribution> &outputs,
                                    const Tokenizer *tokenizer, const WorkloadOptions &options) {
  const std::vector<int32_t> ordinary = ordinaryIds(plan, tokenizer);
  const uint32_t count = numberOfRequests(*plan.generation());
  const int64_t cap = plan.generation()->max_tokens().value_or(LengthDistribution::largest);
  uint64_t total = 0;
  std::vector<WorkloadRequest> requests(count);
  for (uint32_t index = 0; index < count; ++index) {
    WorkloadRequest &request = requests[index];
    if (outputs && !options.maxTokens)
      request.outputTokens =
          uint32_t(std::min(cap, outputs->sample(options.seed, index, RandomStream::OutputTokens)));
    // Without a length of its own an output may end anywhere: one token must fit.
    const int64_t outputTokens = request.outputTokens.value_or(1);
    const int64_t length =
        fitLength(inputs.sample(options.seed, index, RandomStream::InputTokens), outputTokens,
                  index, plan.limits()->max_seq_len(), options.truncation);
    total += uint64_t(length);
    if (total > mostPromptTokens)
      fail("the prompts of the deployment's {} requests have more than {} tokens together; lower "
           "workload.requests",
           count, mostPromptTokens);
    request.prompt.kind = PromptRecord::Kind::Ids;
    for (int64_t i = 0; i < length; ++i) {
      const double draw =
          uniformAt(options.seed, uint64_t(index) << 32 | uint64_t(i), RandomStream::PromptIds);
      request.prompt.ids.push_back(ordinary[size_t(draw * double(ordinary.size()))]);
    }
  }
  return requests;
}

std::string describe(const std::optional<LengthDistribution> &outputs,
                     const WorkloadOptions &options) {
  if (outputs && !options.maxTokens)
    return fmt::format(", and outputs of {:.5g} on average that no end token ends",
                       outputs->mean());
  return "";
}

} // namespace

std::vector<WorkloadRequest> workloadRequests(const fb::Plan &plan, const Tokenizer *tokenizer,
                                              const WorkloadOptions &options) {
  const fb::Generation &generation = *plan.generation();
  if (generation.prompts() && generation.prompts()->size())
    return ownPrompts(generation);
  const auto inputs = lengthsOf(generation.input_tokens(), "input_tokens");
  const auto outputs = lengthsOf(generation.output_tokens(), "output_tokens");
  if (!inputs)
    throw Error(
        ErrorKind::Usage, {},
        "run needs one of --prompt, --prompt-ids, --chat and --prompts: the deployment has no "
        "prompts of its own and says no input_tokens");
  std::vector<WorkloadRequest> requests = makeUp(plan, *inputs, outputs, tokenizer, options);
  fmt::print(stderr, "made up {} prompt{} of {:.5g} random tokens on average{}: the deployment's\n",
             requests.size(), requests.size() == 1 ? "" : "s", inputs->mean(),
             describe(outputs, options));
  return requests;
}

} // namespace vinci
