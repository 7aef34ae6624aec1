// Cases without libFuzzer: each is made from a seed and its number alone, so that any of them can
// be made again.
//
//   vinci-ir-mutations [--cases N | --seconds S] [--seed K] [--first I] [--out FOLDER] CORPUS...
//
// Runs N mutations (1000) of the corpus, each in a process of its own, and goes on after a crash:
// MLIR's parser may leave a damaged heap behind. A case that crashes, or takes more than ten
// seconds, is written to FOLDER. Exit code 1 if there were
// any. --cases 0 runs every text of the corpus as it is: FOLDER's files, for example.
#include "tests/fuzz/ir/ir_case.h"

#include "runtime/plan/atomic_file.h"
#include "runtime/support/error.h"

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vinci;
using namespace vinci::fuzz;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VINCI_SHADOW_MEMORY // takes terabytes of addresses
#endif
#endif

namespace {

constexpr unsigned secondsPerCase = 10;
constexpr rlim_t bytesPerChild = rlim_t(4) << 30;

struct Options {
  uint64_t cases = 1000, seconds = 0, seed = 1, first = 0;
  std::string out = ".";
  std::vector<std::string> corpus;
};

class Driver {
public:
  explicit Driver(const Options &options) : options_(options) {
    registerPasses();
    for (const std::string &path : options.corpus)
      for (std::string &text : readCorpus(path, /*generic=*/options.cases > 0))
        corpus_.push_back(std::move(text));
    if (corpus_.empty())
      fail("the corpus is empty; files ending in .mlir, or folders with some, are expected");
    mutator_.emplace(corpus_);
  }

  int run() {
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return uint64_t(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    };
    const uint64_t count = options_.cases == 0 ? corpus_.size() : options_.cases;
    const bool timed = options_.seconds > 0;
    uint64_t next = options_.first;
    const uint64_t end = timed ? UINT64_MAX : options_.first + count;
    while (next < end && !(timed && seconds() >= options_.seconds))
      runCaseApart(next++);
    fmt::print(
        "{} cases of {} texts in {} s: {} refused as text, {} by parser and verifiers, {} by "
        "passes, {} went through; {} crashed\n",
        next - options_.first, corpus_.size(), seconds(), reached_[0], reached_[1], reached_[2],
        reached_[3], crashes_);
    return crashes_ > 0;
  }

private:
  std::string makeCase(uint64_t number) const {
    if (options_.cases == 0)
      return corpus_[number];
    Dice dice(options_.seed * 0x9E3779B97F4A7C15 + number);
    const std::string &text = dice.pick(corpus_);
    const std::string mutated = dice.chance(15) ? text : mutator_->mutate(text, dice);
    return withPipeline(mutated, makePipeline(dice));
  }

  void runCaseApart(uint64_t number) {
    const std::string text = makeCase(number);
    const pid_t child = fork();
    if (child < 0)
      failInternal("cannot fork");
    if (child == 0)
      runChild(text);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && size_t(WEXITSTATUS(status)) < reached_.size()) {
      ++reached_[size_t(WEXITSTATUS(status))];
      return;
    }
    const auto path = std::filesystem::path(options_.out) /
                      fmt::format("crash-{}-{}.mlir", options_.seed, number);
    writeFileAtomically(path, std::as_bytes(std::span(text)));
    fmt::print("case {}: {}, written to {}\n", number,
               !WIFSIGNALED(status)          ? fmt::format("exit code {}", WEXITSTATUS(status))
               : WTERMSIG(status) == SIGALRM ? "no end"
                                             : strsignal(WTERMSIG(status)),
               path.string());
    std::fflush(stdout);
    ++crashes_;
  }

  [[noreturn]] static void runChild(const std::string &text) {
#ifndef VINCI_SHADOW_MEMORY
    const rlimit memory = {bytesPerChild, bytesPerChild};
    setrlimit(RLIMIT_AS, &memory);
#endif
    alarm(secondsPerCase);
    _exit(int(runCase(text)));
  }

  const Options &options_;
  std::vector<std::string> corpus_;
  std::optional<Mutator> mutator_;
  std::array<uint64_t, 4> reached_ = {}; ///< cases, by how far they came
  uint64_t crashes_ = 0;
};

} // namespace

int main(int argc, char **argv) {
  CLI::App app("Mutations of IR through the verifiers and passes");
  Options options;
  app.add_option("--cases", options.cases);
  app.add_option("--seconds", options.seconds);
  app.add_option("--seed", options.seed);
  app.add_option("--first", options.first);
  app.add_option("--out", options.out);
  app.add_option("CORPUS", options.corpus)->required();
  CLI11_PARSE(app, argc, argv);
  try {
    return Driver(options).run();
  } catch (const Error &error) {
    fmt::print(stderr, "{}\n", error.what());
    return exitCode(error.kind());
  }
}
