// Every combination of fusions that concern a model, on every legal degree: greedy ids and logits
// are those of one device without fusions, in float32.
//
//   vinci-combinations [--part 1/2] [--state FILE] [--cache DIR] MODEL...
//
// A fusion concerns a model on some degrees if switching it changes the program, with all others on
// or with all others off. Combinations that give a program which has run already are counted, not
// run again. What has passed stands in the state file and is passed over by the same build.
#include "runtime/exec/loaded_model.h"
#include "runtime/plan/plan_file.h"
#include "runtime/reference/reference_model.h"
#include "runtime/serving/engine.h"
#include "runtime/support/error.h"
#include "tools/compiler/compiler.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <dlfcn.h>
#include <fstream>
#include <set>

namespace vinci {
namespace {

constexpr double tolerance = 1e-4;     ///< of logits
constexpr double clearDecision = 0.01; ///< between the two best logits
constexpr double clearRouting = 1e-5;  ///< between the probabilities of experts
constexpr uint32_t tokens = 8;
const std::vector<int32_t> prompt = {1446, 364, 258, 1947, 475, 301, 538, 287, 387, 1326, 11, 40};

struct Deployment {
  std::filesystem::path model;
  int64_t tp = 1, ep = 1;

  std::string name() const {
    return fmt::format("{} --tp {} --ep {}", model.filename().string(), tp, ep);
  }
};

using Switches = std::map<std::string, bool>;

std::string text(const Switches &switches) {
  std::string text;
  for (const auto &[pass, on] : switches)
    text += fmt::format("{}{}{}", text.empty() ? "" : ",", on ? "+" : "-", pass);
  return text;
}

/// What a run gives.
struct Output {
  std::vector<int32_t> ids;
  std::vector<float> logits; ///< of prompt and ids but the last
};

class Compilation {
public:
  Compilation(Compiler &compiler, std::filesystem::path cache)
      : compiler_(compiler), cache_(std::move(cache)) {}

  /// Throws Error if the degrees are not legal for the model.
  CompileResult compile(const Deployment &deployment, const Switches &switches,
                        const std::string &stopAfter = {}) const {
    CompileOptions options;
    options.dtype = DType::Float32;
    options.maxSeqLen = 64;
    options.passes = switches;
    options.degrees.tp = deployment.tp;
    if (deployment.ep > 1)
      options.degrees.ep = deployment.ep;
    options.stopAfter = stopAfter;
    options.irLocations = false;
    options.kernelCacheDirectory = cache_;
    return compiler_.compile({.files = {deployment.model}}, options);
  }
  std::vector<std::string> switchable() const {
    std::vector<std::string> names;
    for (const Compiler::Pass &pass : compiler_.passes())
      if (pass.optional)
        names.push_back(pass.name);
    return names;
  }

private:
  Compiler &compiler_;
  std::filesystem::path cache_;
};

Output run(Plan plan, const std::filesystem::path &model, uint32_t threads) {
  std::vector<Pack> packs = Pack::createAll(plan, Checkpoint::open(model));
  LoadedModel loaded(std::move(plan), std::move(packs), {.threads = threads});
  Output output;
  Engine engine(loaded);
  Request request;
  request.promptIds = prompt;
  request.maxTokens = tokens;
  request.ignoreEos = true;
  request.onLogits = [&](uint32_t, std::span<const float> logits) {
    output.logits.insert(output.logits.end(), logits.begin(), logits.end());
  };
  engine.submit(std::move(request));
  output.ids = engine.run()[0].outputIds;
  return output;
}

/// Why the plan's output is not what it should be; empty if it is.
std::string difference(const Output &expected, const Output &found) {
  if (found.ids != expected.ids)
    return fmt::format("ids [{}], not [{}]", fmt::join(found.ids, ", "),
                       fmt::join(expected.ids, ", "));
  double worst = found.logits.size() == expected.logits.size() ? 0 : INFINITY;
  for (size_t i = 0; std::isfinite(worst) && i < found.logits.size(); ++i) {
    const double error = std::abs(double(found.logits[i]) - expected.logits[i]);
    worst = error > worst || std::isnan(error) ? error : worst; // NaN ends the loop
  }
  return worst <= tolerance ? std::string()
                            : fmt::format("logits differ by {}; {} is legal", worst, tolerance);
}

/// Fails if a decision of the model is so close that rounding may change it: another prompt is
/// needed then.
void requireClearDecisions(const Output &output, const ReferenceModel &reference) {
  const size_t vocabulary = output.logits.size() / (prompt.size() + tokens - 1);
  for (size_t row = prompt.size() - 1; row < prompt.size() + tokens - 1; ++row) {
    std::vector<float> logits(output.logits.begin() + ptrdiff_t(row * vocabulary),
                              output.logits.begin() + ptrdiff_t((row + 1) * vocabulary));
    std::ranges::partial_sort(logits, logits.begin() + 2, std::greater<>());
    if (logits[0] - logits[1] < clearDecision)
      fail("token {} is decided by {}; at least {} is needed", row, logits[0] - logits[1],
           clearDecision);
  }
  std::vector<int32_t> ids = prompt;
  ids.insert(ids.end(), output.ids.begin(), output.ids.end() - 1);
  const auto margin = reference.forward(ids).routerMargin;
  if (margin && margin->probability < clearRouting)
    fail("the router of layer {} decides token {} by {}; at least {} is needed", margin->layer,
         margin->token, margin->probability, clearRouting);
}

/// What has passed, in a file that outlives an interrupted run. Its first word is the build.
class State {
public:
  State(const std::filesystem::path &path, uint64_t build) : path_(path), build_(build) {
    std::ifstream file(path);
    std::string line;
    const std::string prefix = fmt::format("{:016x} ", build);
    while (std::getline(file, line))
      if (line.starts_with(prefix))
        passed_.insert(line.substr(prefix.size()));
  }
  bool contains(const std::string &key) const { return passed_.contains(key); }
  void add(const std::string &key) {
    if (!path_.empty() && passed_.insert(key).second)
      std::ofstream(path_, std::ios::app) << fmt::format("{:016x} {}\n", build_, key);
  }

private:
  std::filesystem::path path_;
  uint64_t build_;
  std::set<std::string> passed_;
};

struct Counts {
  uint64_t combinations = 0, programs = 0, before = 0, failed = 0;
};

class Combinations {
public:
  Combinations(const Compilation &compilation, State &state, uint32_t part, uint32_t parts)
      : compilation_(compilation), state_(state), part_(part), parts_(parts) {}

  void runAll(const Deployment &deployment, const Output &expected);
  const Counts &counts() const { return counts_; }

private:
  std::vector<std::string> concerning(const Deployment &deployment) const;
  void runOne(const Deployment &deployment, const Switches &switches, const Output &expected);
  void tell(const Deployment &deployment, uint64_t done, uint64_t all);

  const Compilation &compilation_;
  State &state_;
  uint32_t part_, parts_;
  Counts counts_;
  std::set<uint64_t> ran_; ///< programs of the deployment
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

std::vector<std::string> Combinations::concerning(const Deployment &deployment) const {
  const std::vector<std::string> all = compilation_.switchable();
  std::vector<std::string> names;
  const auto program = [&](bool others, const std::string &name, bool on) {
    Switches switches;
    for (const std::string &pass : all)
      switches[pass] = pass == name ? on : others;
    return compilation_.compile(deployment, switches, "memory").ir;
  };
  for (const std::string &name : all)
    if (program(true, name, true) != program(true, name, false) ||
        program(false, name, true) != program(false, name, false))
      names.push_back(name);
  return names;
}

void Combinations::runOne(const Deployment &deployment, const Switches &switches,
                          const Output &expected) {
  const std::string key = fmt::format("{} {}", deployment.name(), text(switches));
  if (state_.contains(key)) {
    ++counts_.before;
    return;
  }
  try {
    const std::string program = compilation_.compile(deployment, switches, "memory").ir;
    if (ran_.insert(hashBytes(std::as_bytes(std::span(program)))).second) {
      ++counts_.programs;
      const CompileResult result = compilation_.compile(deployment, switches);
      for (uint32_t threads : {1, 2})
        if (const std::string problem = difference(
                expected, run(Plan::parse(result.plan, "plan"), deployment.model, threads));
            !problem.empty())
          fail("{} threads: {}", threads, problem);
    }
    state_.add(key);
  } catch (const Error &error) {
    ++counts_.failed;
    fmt::print("FAILED {}: {}\n", key, error.message());
  }
}

void Combinations::tell(const Deployment &deployment, uint64_t done, uint64_t all) {
  const auto now = std::chrono::steady_clock::now();
  if (done < all && now - told_ < std::chrono::minutes(1))
    return;
  told_ = now;
  fmt::print("{}: {} of {}; in all {} combinations, {} programs run, {} passed before, {} failed\n",
             deployment.name(), done, all, counts_.combinations, counts_.programs, counts_.before,
             counts_.failed);
  std::fflush(stdout);
}

void Combinations::runAll(const Deployment &deployment, const Output &expected) {
  ran_.clear();
  const std::vector<std::string> names = concerning(deployment);
  const uint64_t all = uint64_t{1} << names.size();
  for (uint64_t bits = part_ - 1; bits < all; bits += parts_) {
    Switches switches;
    for (const std::string &pass : compilation_.switchable())
      switches[pass] = false; // also what does not concern the model
    for (size_t i = 0; i < names.size(); ++i)
      switches[names[i]] = (bits >> i & 1) != 0;
    ++counts_.combinations;
    runOne(deployment, switches, expected);
    tell(deployment, bits, all);
  }
  tell(deployment, all, all);
}

std::vector<Deployment> deploymentsOf(const std::filesystem::path &model,
                                      const Compilation &compilation, bool hasExperts) {
  std::vector<Deployment> legal;
  for (int64_t ep : hasExperts ? std::vector<int64_t>{1, 2, 4, 8} : std::vector<int64_t>{1})
    for (int64_t tp : {1, 2, 4, 8}) {
      const Deployment deployment{model, tp, ep};
      try {
        compilation.compile(deployment, {}, "partition");
        legal.push_back(deployment);
      } catch (const Error &) {
        // Which are refused, and how, golden/cover says.
      }
    }
  return legal;
}

/// The file of the compiler, which says what build this is.
std::filesystem::path compilerLibrary() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(&vinciCompiler), &info) == 0)
    failInternal("nobody knows where the compiler was loaded from");
  return info.dli_fname;
}

int main(int argc, char **argv) {
  CLI::App app("Every combination of fusions on every legal degree.");
  std::vector<std::filesystem::path> models;
  std::filesystem::path state, cache = "kernels";
  std::string part = "1/1";
  app.add_option("models", models, "Folders of models with weights")->required();
  app.add_option("--part", part, "I/N: every N-th combination, from the I-th on");
  app.add_option("--state", state, "Where it is noted what has passed");
  app.add_option("--cache", cache, "Folder for compiled kernels");
  CLI11_PARSE(app, argc, argv);
  uint32_t number = 0, parts = 0;
  if (std::sscanf(part.c_str(), "%u/%u", &number, &parts) != 2 || number < 1 || number > parts)
    fail("--part {} is no part; 1/2 and 2/2 are the parts of two", part);

  Compiler &compiler = *vinciCompiler(compilerInterface);
  const Compilation compilation(compiler, cache);
  State passed(state, hashBytes(MappedFile::open(compilerLibrary()).bytes()));
  Combinations combinations(compilation, passed, number, parts);
  for (const std::filesystem::path &model : models) {
    const ReferenceModel reference(compiler.referenceConfig({.files = {model}}),
                                   Checkpoint::open(model));
    Switches none;
    for (const std::string &pass : compilation.switchable())
      none[pass] = false;
    const Output expected =
        run(Plan::parse(compilation.compile({model}, none).plan, "plan"), model, 1);
    requireClearDecisions(expected, reference);
    for (const Deployment &deployment :
         deploymentsOf(model, compilation, reference.config().numExperts > 0))
      combinations.runAll(deployment, expected);
  }
  return combinations.counts().failed == 0 ? 0 : 1;
}

} // namespace
} // namespace vinci

int main(int argc, char **argv) {
  try {
    return vinci::main(argc, argv);
  } catch (const vinci::Error &error) {
    fmt::print(stderr, "error: {}\n", error.message());
    return 1;
  }
}
