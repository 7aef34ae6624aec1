// Bytes -> IR and, on its first line, a pipeline -> vinci-opt. Mutations know tokens; what
// libFuzzer adds is coverage.
#include "tests/fuzz/ir/ir_case.h"

#include <algorithm>
#include <cstring>

using namespace vinci::fuzz;

static const Mutator &mutator() {
  static const Mutator instance(readCorpus(VINCI_SOURCE_DIR "/tests/lit", /*generic=*/false));
  return instance;
}

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  registerPasses();
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  Dice dice(seed);
  std::string text(reinterpret_cast<const char *>(data), size);
  if (text.starts_with("// passes: ") && dice.chance(80)) {
    const size_t line = std::min(text.find('\n'), text.size());
    text =
        text.substr(0, line) + "\n" + mutator().mutate(std::string_view(text).substr(line), dice);
  } else {
    text = withPipeline(mutator().mutate(text, dice), makePipeline(dice));
  }
  const size_t kept = std::min(text.size(), maxSize);
  std::memcpy(data, text.data(), kept);
  return kept;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  runCase({reinterpret_cast<const char *>(data), size});
  return 0;
}
