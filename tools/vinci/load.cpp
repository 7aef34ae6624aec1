#include "tools/vinci/load.h"
#include "runtime/exec/region_executor.h"
#include "runtime/support/error.h"
#include "tools/vinci/processes.h"
#include "tools/vinci/progress.h"

namespace vinci {

void addLoadFlags(CLI::App &command, LoadFlags &flags) {
  command.add_option("--model", flags.model,
                     "With a plan: the folder of its weights, or of packed ones, and tokenizer");
  command.add_option("--threads", flags.threads, "Worker threads (default: one per processor)");
  command.add_flag("--poison", flags.poison, "Poison activations that nobody needs any more")
      ->group("");
}

void checkLoadFlags(const LoadFlags &flags) {
  if (flags.threads && (*flags.threads < 1 || *flags.threads > int64_t(RegionExecutor::maxThreads)))
    fail("--threads {} is not a number of threads; 1 to {} are legal", *flags.threads,
         RegionExecutor::maxThreads);
}

std::unique_ptr<LoadedModel> load(ReadyPlan ready, const LoadFlags &flags, bool countExperts) {
  LoadOptions loadOptions;
  loadOptions.countExperts = countExperts;
  loadOptions.threads = uint32_t(flags.threads.value_or(0));
  loadOptions.poison = flags.poison;
  if ((loadOptions.processes = processGroup()))
    requireSame(*loadOptions.processes, "the plan", ready.plan.bytes());
  LoadedModel::requireMemory(ready.plan, loadOptions);
  const bool packed = !flags.randomWeights && Pack::arePacksIn(ready.modelDirectory);
  Progress progress(packed ? "reading weights" : "packing weights");
  PackOptions options;
  options.ranks = heldRanks(ready.plan, loadOptions.processes);
  if (!ready.cacheDirectory.empty())
    options.cacheDir = ready.cacheDirectory / "packs";
  options.progress = [&](uint64_t done, uint64_t total) { progress.report(done, total); };
  options.warning = [](const std::string &message) {
    fmt::print(stderr, "warning: {}\n", message);
  };
  std::vector<Pack> packs =
      flags.randomWeights ? Pack::createRandom(ready.plan, /*seed=*/1, options)
      : packed            ? Pack::readAll(ready.plan, ready.modelDirectory, options)
               : Pack::createAll(ready.plan, Checkpoint::open(ready.modelDirectory), options);
  progress.finish();
  return std::make_unique<LoadedModel>(std::move(ready.plan), std::move(packs), loadOptions);
}

} // namespace vinci
