// Bytes -> config.json (and, each behind a line of "----", generation_config.json and
// quant_model_description.json) -> ModelSpec, limits and expected tensors. Whatever the bytes are, the reader either gives a ModelSpec that keeps its
// promises or throws vinci::Error.
#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config.h"
#include "frontend/limits.h"

#include <cstdlib>
#include <string_view>

using namespace vinci;

static void require(bool holds) {
  if (!holds)
    std::abort();
}

static void checkPromises(const ModelSpec &spec) {
  require(spec.numAttentionHeads % spec.numKeyValueHeads == 0 && spec.headDim % 2 == 0);
  require(!spec.name.empty());
  if (spec.quant)
    require(int64_t(spec.quant->layers.size()) == spec.numHiddenLayers);
  for (int64_t id : spec.eosTokenIds)
    require(id >= 0 && id < spec.vocabSize);

  CheckpointSize size = checkpointSize(spec);
  require(size.activeParameters <= size.parameters);
  if (size.tensors < 10000) // the long lists say nothing new and are slow
    require(double(expectedTensors(spec).size()) == size.tensors);

  Limits limits = defaultLimits(spec);
  require(limits.kvBlocks >= limits.maxBlocksPerSequence());
  require(limits.maxTokensPerStep >= limits.maxBatch &&
          limits.maxSeqLen <= spec.maxPositionEmbeddings);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  /// Cuts off and returns what stands behind the first separator.
  auto behindSeparator = [](std::string_view &part) -> std::optional<std::string_view> {
    constexpr std::string_view separator = "\n----\n";
    const size_t at = part.find(separator);
    if (at == std::string_view::npos)
      return std::nullopt;
    std::string_view rest = part.substr(at + separator.size());
    part = part.substr(0, at);
    return rest;
  };
  std::optional<std::string_view> generation = behindSeparator(text), description;
  if (generation)
    description = behindSeparator(*generation);
  try {
    checkPromises(parseHuggingFaceConfig(
        text, generation, "model/config.json",
        description ? std::optional(std::string(*description)) : std::nullopt));
  } catch (const Error &error) {
    require(error.kind() == ErrorKind::User && !error.message().empty());
  }
  return 0;
}
