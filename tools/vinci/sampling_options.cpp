#include "tools/vinci/sampling_options.h"
#include "runtime/support/error.h"

#include <limits>

namespace vinci {

static constexpr int64_t defaultMaxTokens = 128;

/// CLI11 reads "-1" into an unsigned number without a word. Returns the complaint, or nothing.
static std::string notNegative(const std::string &text) {
  if (!text.starts_with('-'))
    return "";
  return fmt::format("'{}' is negative; an integer from 0 is expected", text);
}

void addSamplingFlags(CLI::App &command, SamplingFlags &flags) {
  constexpr const char *group = "Sampling (default: greedy)";
  command
      .add_option("--max-tokens", flags.given.maxTokens,
                  "Generate at most so many tokens (default: 128)")
      ->group(group);
  command
      .add_option("--temperature", flags.given.temperature,
                  "Sample at this temperature; 0 is greedy")
      ->group(group);
  command
      .add_option("--top-k", flags.given.topK, "Sample among the k most likely tokens; 0 is all")
      ->group(group);
  command
      .add_option("--top-p", flags.given.topP,
                  "Sample among the fewest tokens that reach this probability")
      ->group(group);
  command
      .add_option("--repetition-penalty", flags.given.repetitionPenalty,
                  "Make tokens seen before less likely; 1 is off")
      ->group(group);
  command
      .add_option("--seed", flags.given.seed, "The same seed gives the same tokens (default: 0)")
      ->check(notNegative)
      ->group(group);
  command
      .add_option("--sampling", flags.mode,
                  "greedy, or model: the defaults of generation_config.json")
      ->group(group);
}

namespace {
/// Values on their way to being effective: each layer that speaks overwrites the value and signs
/// for it.
class Resolution {
public:
  SamplingParams params;
  int64_t maxTokens = defaultMaxTokens;

  void take(const SamplingOverrides &layer, const std::string &place, bool asFlags) {
    auto name = [&](const char *flag) { return asFlags ? std::string(flag) : place; };
    set("max_tokens", maxTokens, layer.maxTokens, name("--max-tokens"));
    set("temperature", params.temperature, layer.temperature, name("--temperature"));
    set("top_k", params.topK, layer.topK, name("--top-k"));
    set("top_p", params.topP, layer.topP, name("--top-p"));
    set("repetition_penalty", params.repetitionPenalty, layer.repetitionPenalty,
        name("--repetition-penalty"));
    set("seed", params.seed, layer.seed, name("--seed"));
    // Asking for a choice among several tokens asks for sampling.
    if ((layer.topK || layer.topP) && !origins_.count("temperature"))
      set("temperature", params.temperature, std::optional(1.0),
          "implied by " + name(layer.topK ? "--top-k" : "--top-p"));
  }

  Report report() const {
    return {{"temperature", entry("temperature", params.temperature)},
            {"top_k", entry("top_k", params.topK)},
            {"top_p", entry("top_p", params.topP)},
            {"repetition_penalty", entry("repetition_penalty", params.repetitionPenalty)},
            {"seed", entry("seed", params.seed)},
            {"max_tokens", entry("max_tokens", maxTokens)}};
  }

private:
  template <typename T>
  void set(const char *name, T &value, const std::optional<T> &given, const std::string &origin) {
    if (!given)
      return;
    value = *given;
    origins_[name] = origin;
  }
  template <typename T> Report entry(const char *name, T value) const {
    const auto origin = origins_.find(name);
    return {{"value", value}, {"origin", origin == origins_.end() ? "default" : origin->second}};
  }

  std::map<std::string, std::string> origins_;
};
} // namespace

/// generation_config.json as transformers understands it: greedy unless do_sample, top_k 50 unless
/// it says otherwise.
static SamplingOverrides modelDefaults(const fb::Generation &model) {
  SamplingOverrides defaults;
  if (const auto penalty = model.repetition_penalty())
    defaults.repetitionPenalty = *penalty;
  if (!model.do_sample().value_or(false)) {
    defaults.temperature = 0;
    return defaults;
  }
  defaults.temperature = model.temperature().value_or(1.0);
  defaults.topK = model.top_k().value_or(50);
  defaults.topP = model.top_p().value_or(1.0);
  return defaults;
}

EffectiveSampling resolveSampling(const SamplingFlags &flags, const fb::Generation &model,
                                  std::optional<uint32_t> outputTokens,
                                  const SamplingOverrides &prompt) {
  Resolution resolution;
  if (const auto maxTokens = outputTokens ? outputTokens : model.max_tokens())
    resolution.take({.maxTokens = int64_t(*maxTokens)}, "deployment", false);
  if (flags.mode == "model")
    resolution.take(modelDefaults(model), "generation_config.json", false);
  else if (flags.mode == "greedy") {
    if (flags.given.temperature.value_or(0) > 0 || flags.given.topK || flags.given.topP)
      fail("--sampling greedy contradicts --temperature, --top-k and --top-p; give one or the "
           "other");
  } else if (!flags.mode.empty())
    fail("--sampling '{}' is unknown; legal are greedy and model", flags.mode);
  resolution.take(flags.given, "", true);
  resolution.take(prompt, "the prompts file", false);
  resolution.params.check();
  if (resolution.maxTokens < 1 || resolution.maxTokens > std::numeric_limits<int32_t>::max())
    fail("--max-tokens {} is not a number of tokens to generate; 1 to {} are legal",
         resolution.maxTokens, std::numeric_limits<int32_t>::max());
  return {resolution.params, uint32_t(resolution.maxTokens), resolution.report()};
}

} // namespace vinci
