// A graph's replay beside the same step launched command by command, in one process, on the same
// weights, cache and arena: blocks of decode steps of both in turn.
//
//   vinci compile austen-qwen3 -o x.plan --graph-mode full-decode-only --graph-batch-sizes 1
//   vinci-bench-replay x.plan [threads] [blocks]
//
// Printed are microseconds a step, the median over blocks and the fastest tenth, and the median
// over blocks of eager / replay. Weights are made up.
#include "runtime/exec/loaded_model.h"
#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace vinci {
namespace {

constexpr uint32_t stepsOfBlock = 100;

/// Decode steps of one sequence, from `depth` on again and again.
class Steps {
public:
  explicit Steps(LoadedModel &model)
      : model_(model), batch_(model.limits()), ids_(model.limits().maxSeqLen, 1),
        blocks_(model.limits().blocksPerSequence()) {
    std::iota(blocks_.begin(), blocks_.end(), 0);
    model_.fillCache(/*seed=*/1);
  }
  /// Seconds of a step of a block.
  double block(bool replay) {
    model_.setReplay(replay);
    for (uint32_t step = 0; step < 5; ++step)
      run(step);
    const auto start = std::chrono::steady_clock::now();
    for (uint32_t step = 0; step < stepsOfBlock; ++step)
      run(step);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return time.count() / stepsOfBlock;
  }

private:
  void run(uint32_t step) {
    batch_.clear();
    batch_.add(ids_, step, 1, blocks_, true);
    model_.step(EntryKind::Decode, batch_.inputs(EntryKind::Decode));
  }

  LoadedModel &model_;
  StepBatch batch_;
  std::vector<int32_t> ids_, blocks_;
};

double quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  return values[size_t(double(values.size() - 1) * q)];
}

void compare(const std::string &path, uint32_t threads, uint32_t blocks) {
  Plan plan = Plan::open(path);
  std::vector<Pack> packs = Pack::createRandom(plan, /*seed=*/1);
  LoadedModel model(std::move(plan), std::move(packs), {.threads = threads});
  Steps steps(model);
  steps.block(true);
  if (model.replays() == 0)
    fail(SourcePosition{path}, "no graph is captured for a decode step of one token; compile with "
                               "--graph-mode full-decode-only --graph-batch-sizes 1");
  std::vector<double> eager, replay, ratio;
  for (uint32_t i = 0; i < blocks; ++i) {
    // Neither is always the first.
    const bool replayFirst = i % 2 == 1;
    const double first = steps.block(replayFirst), second = steps.block(!replayFirst);
    replay.push_back(replayFirst ? first : second);
    eager.push_back(replayFirst ? second : first);
    ratio.push_back(eager.back() / replay.back());
  }
  fmt::print("{} threads, {} blocks of {} steps\n", model.threads(), blocks, stepsOfBlock);
  const auto line = [](const char *name, const std::vector<double> &seconds) {
    fmt::print("{:<8}{:8.1f} us a step, fastest tenth {:.1f}\n", name, quantile(seconds, 0.5) * 1e6,
               quantile(seconds, 0.1) * 1e6);
  };
  line("eager", eager);
  line("replay", replay);
  fmt::print("eager / replay {:.3f} (quartiles {:.3f}, {:.3f})\n", quantile(ratio, 0.5),
             quantile(ratio, 0.25), quantile(ratio, 0.75));
}

} // namespace
} // namespace vinci

int main(int argc, char **argv) try {
  const std::span<char *> arguments(argv, size_t(argc));
  if (argc < 2 || argc > 4) {
    fmt::print(stderr, "usage: {} PLAN [threads] [blocks]\n", arguments[0]);
    return 2;
  }
  vinci::compare(arguments[1], argc > 2 ? uint32_t(std::stoul(arguments[2])) : 0,
                 argc > 3 ? uint32_t(std::stoul(arguments[3])) : 100);
} catch (const std::exception &error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
