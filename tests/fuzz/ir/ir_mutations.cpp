// Cases without libFuzzer: each is made from a seed and its number alone, so that any of them can
// be made again.
//
//   vinci-ir-mutations [--cases N | --seconds S] [--seed K] [--first I] [--out FOLDER] CORPUS...
//
// Runs N mutations (1000) of the corpus in child processes, and goes on after a crash. If one of a
// batch crashes, each of them runs again in a process of its own: MLIR's parser may leave a damaged
// heap to the next. A case that crashes by itself, or takes more than ten seconds of processor
// time, is written to FOLDER. Exit code 1 if there were any. --cases 0 runs every text of the
// corpus as it is: FOLDER's files, for example.
#include "tests/fuzz/ir/ir_case.h"

#include "runtime/plan/atomic_file.h"
#include "runtime/support/error.h"

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
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

constexpr uint64_t batch = 100;
constexpr time_t secondsPerCase = 10; // of processor time
constexpr rlim_t bytesPerChild = rlim_t(4) << 30;

using Counts = std::array<uint64_t, 4>; ///< of cases, by how far they came

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
    void *memory =
        mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      failInternal("no shared memory");
    reached_ = new (memory) Counts{};
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
      next = runBatch(next, std::min(end, next + batch));
    const Counts &reached = *reached_;
    fmt::print(
        "{} cases of {} texts in {} s: {} refused as text, {} by parser and verifiers, {} by "
        "passes, {} went through; {} crashed\n",
        next - options_.first, corpus_.size(), seconds(), reached[0], reached[1], reached[2],
        reached[3], crashes_);
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

  /// Runs cases `begin` to `end` and returns `end`.
  uint64_t runBatch(uint64_t begin, uint64_t end) {
    const Counts before = *reached_;
    const uint64_t crashes = crashes_;
    if (runApart(begin, end) == 0)
      return end;
    *reached_ = before;
    for (uint64_t number = begin; number < end; ++number)
      if (const int status = runApart(number, number + 1))
        reportCrash(number, status);
    if (crashes_ == crashes)
      fmt::print("cases {} to {} crash together, but none by itself\n", begin, end - 1);
    std::fflush(stdout);
    return end;
  }

  /// Runs cases in a child; gives what waitpid says, 0 if all is well.
  int runApart(uint64_t begin, uint64_t end) {
    const pid_t child = fork();
    if (child < 0)
      failInternal("cannot fork");
    if (child == 0)
      runChild(begin, end);
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }

  [[noreturn]] void runChild(uint64_t begin, uint64_t end) {
#ifndef VINCI_SHADOW_MEMORY
    const rlimit memory = {bytesPerChild, bytesPerChild};
    setrlimit(RLIMIT_AS, &memory);
#endif
    for (uint64_t number = begin; number < end; ++number) {
      const std::string text = makeCase(number);
      const itimerval limit = {{}, {secondsPerCase, 0}};
      setitimer(ITIMER_PROF, &limit, nullptr);
      ++(*reached_)[size_t(runCase(text))];
    }
    _exit(0);
  }

  void reportCrash(uint64_t number, int status) {
    const auto path = std::filesystem::path(options_.out) /
                      fmt::format("crash-{}-{}.mlir", options_.seed, number);
    const std::string text = makeCase(number);
    writeFileAtomically(path, std::as_bytes(std::span(text)));
    fmt::print("case {}: {}, written to {}\n", number,
               !WIFSIGNALED(status)          ? fmt::format("exit code {}", WEXITSTATUS(status))
               : WTERMSIG(status) == SIGPROF ? "no end"
                                             : strsignal(WTERMSIG(status)),
               path.string());
    ++crashes_;
  }

  const Options &options_;
  std::vector<std::string> corpus_;
  std::optional<Mutator> mutator_;
  Counts *reached_ = nullptr; ///< shared with children
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
