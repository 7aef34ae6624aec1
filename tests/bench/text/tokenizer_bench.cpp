// Encoding 1 MiB of text with a byte-level BPE tokenizer: prose, one word without a break, and
// blanks, the two shapes on which a careless merge loop or split pattern goes quadratic.
//
// The tokenizer is that of models/austen-qwen3; $VINCI_BENCH_TOKENIZER names the folder of another
// one, such as Qwen3's own, for which runtime/text/README.md has a budget.
#include "runtime/text/tokenizer.h"

#include <benchmark/benchmark.h>
#include <cstdlib>
#include <string>

namespace vinci {
namespace {

constexpr size_t megabyte = size_t(1) << 20;

const Tokenizer &tokenizer() {
  const char *given = std::getenv("VINCI_BENCH_TOKENIZER");
  static const Tokenizer tokenizer =
      Tokenizer::fromDirectory(given ? given : VINCI_SOURCE_DIR "/models/austen-qwen3");
  return tokenizer;
}

/// The same sentence with another number each time, so that no cache of words sees it all.
std::string prose() {
  std::string text;
  for (uint32_t i = 0; text.size() < megabyte; ++i)
    text += "It is a truth universally acknowledged, that a man in possession of £" +
            std::to_string(i * 2654435761u) + " must be in want of a wife.\n";
  return text;
}

std::string oneWord() {
  std::string text;
  for (uint32_t i = 0; text.size() < megabyte; ++i)
    text += static_cast<char>('a' + (i * 2654435761u >> 16) % 26);
  return text;
}

void encode(benchmark::State &state, const std::string &text) {
  tokenizer(); // loading it is no part of this
  size_t ids = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(ids = tokenizer().encode(text).size());
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
  state.counters["ids"] = double(ids);
}

BENCHMARK_CAPTURE(encode, prose, prose())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, one_word, oneWord())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, blanks, std::string(megabyte, ' '))->Unit(benchmark::kMillisecond);

} // namespace
} // namespace vinci
