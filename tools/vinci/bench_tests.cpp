#include "tools/vinci/bench_tests.h"

#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"

#include <algorithm>

namespace vinci {

/// Tokens that are generated at depth, and by each sequence of a batch.
static constexpr uint32_t atDepthTokens = 64, batchedTokens = 32;

void addBenchTestFlags(CLI::App &command, BenchTestFlags &flags) {
  constexpr const char *group = "Tests";
  const auto add = [&](const char *names, auto &list, const char *help) {
    command.add_option(names, list, help)->delimiter(',')->allow_extra_args(false)->group(group);
  };
  add("-p,--prompt-tokens", flags.prompts,
      "Prompt lengths, as 128,512: pp512; 0: none (default: 512)");
  add("-n,--decode-tokens", flags.decodes,
      "Tokens to generate, one sequence: tg128; 0: none (default: 128)");
  add("-b,--batch", flags.batches,
      "Sequences that generate 32 tokens each, after 32: tg32@b8; 0: none (default: 1,8,32)");
  add("-d,--depth", flags.depths,
      "Tokens in the cache before 64 are generated: tg64@d2048; 0: none (default: 2048)");
}

std::vector<ChosenTest> chosenTests(const BenchTestFlags &flags) {
  std::vector<ChosenTest> tests;
  const auto add = [&](const char *flag, const std::optional<std::vector<int64_t>> &given,
                       std::vector<int64_t> usual, auto make) {
    for (int64_t size : given.value_or(usual)) {
      if (size < 0 || size > (1 << 20))
        fail("{} {} is no size of a test; 0 (none) to {} are legal", flag, size, 1 << 20);
      if (size > 0)
        tests.push_back({make(uint32_t(size)), given.has_value()});
    }
  };
  add("-p", flags.prompts, {512}, BenchTest::prompt);
  add("-n", flags.decodes, {128}, BenchTest::decode);
  add("-d", flags.depths, {2048},
      [](uint32_t depth) { return BenchTest::atDepth(atDepthTokens, depth); });
  add("-b", flags.batches, {1, 8, 32},
      [](uint32_t batch) { return BenchTest::batched(batchedTokens, batch); });
  return tests;
}

static void leaveOut(std::vector<ChosenTest> &tests, auto problemOf) {
  std::erase_if(tests, [&](const ChosenTest &chosen) {
    const std::string problem = problemOf(chosen.test);
    if (problem.empty() || chosen.wanted)
      return false;
    fmt::print(stderr, "{} is left out: {}\n", chosen.test.name, problem);
    return true;
  });
}

static void requireAny(const std::vector<ChosenTest> &tests, const std::string &origin) {
  if (tests.empty())
    fail(SourcePosition{origin}, "there is no test to run; -p, -n, -b and -d say which");
}

void setLimits(const Source &model, std::vector<ChosenTest> &tests, CompileFlags &flags) {
  const uint64_t longest =
      compiler().summarize(toImportRequest(model.path, flags)).maxPositionEmbeddings;
  const auto problemOf = [&](const BenchTest &test) {
    return test.maxSeqLen() > longest
               ? fmt::format("it needs sequences of {} tokens, the model has positions for {}",
                             test.maxSeqLen(), longest)
               : "";
  };
  leaveOut(tests, problemOf);
  for (const auto &[test, wanted] : tests)
    if (const std::string problem = problemOf(test); !problem.empty())
      fail(SourcePosition{model.path.string()}, "{} cannot run: {}", test.name, problem);
  requireAny(tests, model.path.string());
  int64_t maxSeqLen = 1, maxBatch = 1;
  for (const auto &[test, wanted] : tests) {
    maxSeqLen = std::max<int64_t>(maxSeqLen, test.maxSeqLen());
    maxBatch = std::max<int64_t>(maxBatch, test.batch);
  }
  if (!flags.maxSeqLen)
    flags.maxSeqLen = maxSeqLen;
  if (!flags.maxBatch)
    flags.maxBatch = maxBatch;
  if (!flags.maxTokensPerStep && *flags.maxBatch > 512)
    flags.maxTokensPerStep = flags.maxBatch;
  const int64_t blockSize = flags.blockSize.value_or(128);
  if (flags.kvBlocks || blockSize < 1)
    return;
  int64_t blocks = (*flags.maxSeqLen + blockSize - 1) / blockSize;
  for (const auto &[test, wanted] : tests)
    blocks = std::max<int64_t>(blocks, test.kvBlocks(uint32_t(blockSize)));
  flags.kvBlocks = blocks;
}

std::vector<BenchTest> fittingTests(std::vector<ChosenTest> tests, const ModelLimits &limits,
                                    const std::string &origin) {
  leaveOut(tests, [&](const BenchTest &test) { return misfit(test, limits); });
  requireAny(tests, origin);
  std::vector<BenchTest> fitting;
  for (const auto &[test, wanted] : tests) {
    if (const std::string problem = misfit(test, limits); !problem.empty())
      fail(SourcePosition{origin}, "{} cannot run: {}", test.name, problem);
    fitting.push_back(test);
  }
  return fitting;
}

} // namespace vinci
