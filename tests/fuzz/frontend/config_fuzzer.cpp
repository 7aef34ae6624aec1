// Bytes -> config.json (and, behind a line of "----", generation_config.json) -> ModelSpec, limits
// and expected tensors. Whatever the bytes are, the reader either gives a ModelSpec that keeps its
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
  std::optional<std::string_view> generation;
  constexpr std::string_view separator = "\n----\n";
  if (size_t at = text.find(separator); at != std::string_view::npos) {
    generation = text.substr(at + separator.size());
    text = text.substr(0, at);
  }
  try {
    checkPromises(parseHuggingFaceConfig(text, generation, "model/config.json"));
  } catch (const Error &error) {
    require(error.kind() == ErrorKind::User && !error.message().empty());
  }
  return 0;
}
