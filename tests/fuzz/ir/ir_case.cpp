#include "tests/fuzz/ir/ir_case.h"

#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "passes/passes.h"
#include "passes/pipelines.h"
#include "runtime/support/json.h"
#include "tools/compiler/ir_text.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <filesystem>
#include <fmt/ranges.h>

namespace vinci::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view pipelineMark = "// passes: ";

class Context : public mlir::MLIRContext {
public:
  Context()
      : MLIRContext(Threading::DISABLED),
        quiet_(this, [](mlir::Diagnostic &) { return mlir::success(); }) {
    loadDialect<llm::LlmDialect, npu::NpuDialect>();
  }

private:
  mlir::ScopedDiagnosticHandler quiet_;
};

/// A degree of parallelism: legal as a rule.
int64_t makeDegree(Dice &dice) {
  static constexpr int64_t legal[] = {1, 1, 2, 2, 4, 8, 3, 16};
  static constexpr int64_t odd[] = {0, -1, 7, 65536, INT64_MAX, INT64_MIN, 1 << 30, 12};
  return dice.chance(90) ? dice.pick(legal) : dice.pick(odd);
}

std::string optionsOf(const std::string &pass, Dice &dice) {
  if (pass == "partition") {
    if (dice.chance(70)) { // degrees that fit each other
      const int64_t world = int64_t(1) << dice.roll(4);
      return fmt::format("{{world={} attention-tp={} moe-tp={} embedding-tp={} lm-head-tp={}}}",
                         world, dice.chance(70) ? world : 1, dice.chance(50) ? world : 1, world,
                         world);
    }
    return fmt::format("{{world={} attention-tp={} moe-tp={} embedding-tp={} lm-head-tp={}}}",
                       makeDegree(dice), makeDegree(dice), makeDegree(dice), makeDegree(dice),
                       makeDegree(dice));
  }
  if (pass == "plan-memory" && dice.chance(30))
    return "{reuse=false}";
  if (pass == "mark-phase")
    return fmt::format("{{phase={}}}", dice.pick(phaseNames));
  return "";
}

std::string spell(const PassInfo &pass, Dice &dice) {
  const std::string name = pass.name + optionsOf(pass.name, dice);
  const bool onProgram = pass.phase == Phase::Schedule || pass.phase == Phase::Memory;
  return onProgram ? "npu.program(" + name + ")" : name;
}

std::vector<std::string> splitFile(const fs::path &path) {
  const std::string text = readTextFile(path, maxIrBytes);
  if (text.starts_with(pipelineMark)) // a case, to be run as it is
    return {text};
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find("// -----", begin), text.size());
    std::string part;
    for (const Token &token : tokenize(std::string_view(text).substr(begin, end - begin)))
      part += token.text;
    if (part.find_first_not_of(" \n") != std::string::npos)
      parts.push_back(std::move(part));
    begin = end == text.size() ? end : end + std::string_view("// -----").size();
  }
  return parts;
}

/// Whether vinci-opt would hand the text to MLIR.
bool passesTextCheck(const std::string &text) {
  try {
    checkIrText(text, "case");
    return true;
  } catch (const Error &) {
    return false;
  }
}

std::string genericForm(const std::string &text) {
  if (!passesTextCheck(text))
    return "";
  Context context;
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return "";
  std::string printed;
  llvm::raw_string_ostream stream(printed);
  module->print(stream, mlir::OpPrintingFlags().printGenericOpForm());
  return printed;
}

} // namespace

std::string makePipeline(Dice &dice) {
  const std::vector<PassInfo> passes = compilePasses();
  std::vector<std::string> names;
  if (dice.chance(60)) { // the compiler's order, with some left out
    for (const PassInfo &pass : passes)
      if (dice.chance(pass.phase == Phase::Partition ? 60 : pass.optional ? 70 : 95))
        names.push_back(spell(pass, dice));
    if (dice.chance(30))
      names.push_back("npu.program(report-program)");
  } else {
    for (size_t i = 0, count = 1 + dice.roll(8); i < count; ++i)
      names.push_back(dice.chance(10)   ? "canonicalize"
                      : dice.chance(10) ? "cse"
                      : dice.chance(10) ? "npu.program(report-program)"
                                        : spell(dice.pick(passes), dice));
  }
  return fmt::format("{}", fmt::join(names, ","));
}

std::string withPipeline(const std::string &text, const std::string &pipeline) {
  return fmt::format("{}{}\n{}", pipelineMark, pipeline, text);
}

Reached runCase(const std::string &text) {
  if (!passesTextCheck(text))
    return Reached::Text;
  std::string_view pipeline;
  if (text.starts_with(pipelineMark))
    pipeline = std::string_view(text).substr(
        pipelineMark.size(), std::min(text.find('\n'), text.size()) - pipelineMark.size());
  Context context;
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return Reached::Parser;
  mlir::PassManager passes(&context);
  if (mlir::failed(mlir::parsePassPipeline(pipeline, passes, llvm::nulls())) ||
      mlir::failed(passes.run(*module)))
    return Reached::Pipeline;
  module->print(llvm::nulls(), mlir::OpPrintingFlags().enableDebugInfo());
  return Reached::End;
}

std::vector<std::string> readCorpus(const std::string &path, bool generic) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto &entry : fs::recursive_directory_iterator(path))
      if (entry.path().extension() == ".mlir")
        files.push_back(entry.path());
    std::ranges::sort(files);
  } else {
    files.push_back(path);
  }
  std::vector<std::string> corpus;
  for (const fs::path &file : files)
    for (std::string &part : splitFile(file)) {
      if (generic)
        if (std::string other = genericForm(part); !other.empty())
          corpus.push_back(std::move(other));
      corpus.push_back(std::move(part));
    }
  return corpus;
}

void registerPasses() {
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  registerVinciPasses();
}

} // namespace vinci::fuzz
