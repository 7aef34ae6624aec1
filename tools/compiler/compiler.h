// The compiler as one shared library, behind an interface without MLIR.
//
// `libvinci-compiler.so` is the only part of Vinci that links MLIR. The `vinci` binary loads it
// (compiler_library.h) when a subcommand compiles or reads IR, and only then: running a plan never
// maps it.
#pragma once

#include "frontend/deployment_spec.h"
#include "frontend/import/request.h"
#include "frontend/precision.h"
#include "runtime/reference/reference_config.h"
#include "tools/compiler/program_view.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// Among how many ranks the work is divided; degrees.h says what absent ones follow from.
struct RequestedDegrees {
  std::optional<int64_t> tp; ///< of everything that is not named
  std::optional<int64_t> ep, world, attnTp, moeTp, embedTp, lmHeadTp;

  bool operator==(const RequestedDegrees &) const = default;
};

/// What `vinci compile` takes. Absent values are the model's own or the documented defaults.
struct CompileOptions {
  std::optional<DType> dtype;       ///< activations and weights; default: the checkpoint's
  RequestedPrecision precision;     ///< does not contradict `dtype`
  std::string cpu = "native";       ///< avx2, avx512, avx512-vnni, avx512-bf16, amx or native
  std::optional<int64_t> maxSeqLen; ///< longest sequence, prompt and output together
  std::optional<int64_t> maxTokensPerStep;
  std::optional<int64_t> maxBatch;
  std::optional<int64_t> kvBlocks;
  std::optional<int64_t> blockSize;      ///< tokens per KV-cache block
  std::optional<int64_t> maxLogitRows;   ///< rows of logits in one step
  std::map<std::string, bool> passes;    ///< names of passes that are switched on or off
  RequestedDegrees degrees;              ///< none: the deployment's
  std::optional<bool> sequenceParallel;  ///< absent: the deployment's, with its degrees
  std::optional<bool> wholeRowScales;    ///< of dynamic quantisation; absent: the target's stack's
  std::string stopAfter;                 ///< a phase of `phases()`; empty: all of them
  bool kernels = true;                   ///< compile them; a plan without is good for times only
  bool irLocations = true;               ///< whether CompileResult::ir says where each op came from
  bool recordPasses = false;             ///< for CompileResult::passes
  std::filesystem::path dumpIrDirectory; ///< one numbered file per pass; empty: none
  std::filesystem::path kernelCacheDirectory; ///< of compiled kernels; empty: no cache. The plan is
                                              ///< the same either way
};

/// What a pass left behind.
struct PassRecord {
  std::string name;     ///< of the pass; of the first record, "import": what they were given
  std::string phase;    ///< of the pass; empty for the first record
  std::string summary;  ///< of what it does
  bool changed = false; ///< the first record counts as changed. Else the rest is empty
  std::vector<BodyView> bodies; ///< as viewIr gives them
  std::vector<std::byte> plan;  ///< that would come of it if no later pass could be switched on;
                                ///< without kernels
};

struct CompileResult {
  std::vector<std::byte> plan; ///< empty if stopped before the phase `plan`
  std::string ir;              ///< the module after the last phase, if that was not `plan`
  std::vector<std::string> warnings;
  std::vector<std::string> remarks; ///< what passes say of what they found
  std::vector<PassRecord> passes;   ///< in the order in which they ran, if they were recorded
  DeploymentSpec deployment;        ///< how the files say that the model is run; of IR its target
};

/// A model that was read but not compiled, for `inspect`.
struct ModelSummary {
  std::string name;
  std::string architecture;
  DType dtype = DType::Float32;
  PrecisionPolicy precision; ///< without options
  uint64_t parameters = 0;
  uint64_t weightBytes = 0; ///< what is computed with, in `dtype` and the types of quantisation
  uint64_t hiddenSize = 0;
  uint64_t numHiddenLayers = 0;
  uint64_t numAttentionHeads = 0;
  uint64_t numKeyValueHeads = 0;
  uint64_t headDim = 0;
  uint64_t vocabSize = 0;
  uint64_t maxPositionEmbeddings = 0;
  uint64_t kvBytesPerToken = 0; ///< all layers, in `dtype`
  struct Tensor {
    std::string name;
    DType dtype = DType::Float32; ///< what it is computed with
    std::vector<uint64_t> shape;
  };
  std::vector<Tensor> tensors; ///< what the checkpoint must hold
  /// Consecutive layers whose linears have one scheme; empty if no description says any.
  struct QuantisedLayers {
    uint64_t first = 0, last = 0;
    std::string scheme; ///< "attention W8A8, mlp W8A8_DYNAMIC"
  };
  std::vector<QuantisedLayers> quantisation;
  std::string headScheme; ///< of lm_head, if it is quantised: "W8A8_DYNAMIC"
};

class Compiler {
public:
  virtual ~Compiler() = default;

  /// Compiles the model that the files of `request` describe. What they say of limits and precision
  /// holds where `options` is silent. Reads no weights. Throws Error.
  virtual CompileResult compile(const ImportRequest &request, const CompileOptions &options) = 0;
  /// Compiles the phases that remain for an IR file of any phase (textual or bytecode). With the
  /// locations that `compile` writes, the plan is that of compiling the model directly.
  virtual CompileResult compileIr(const std::filesystem::path &irFile,
                                  const CompileOptions &options) = 0;
  virtual ModelSummary summarize(const ImportRequest &request) = 0;
  /// The hyperparameters of the model, for the reference.
  virtual ReferenceConfig referenceConfig(const ImportRequest &request) = 0;
  /// What the files of `request` resolve to, in the form of deployment.json.
  virtual std::string importFiles(const ImportRequest &request) = 0;
  /// Parses, verifies and prints an IR file.
  virtual std::string printIr(const std::filesystem::path &irFile) = 0;
  /// The functions of an IR file, op by op; what stands outside of them as a body of its own,
  /// "module" or "program".
  virtual std::vector<BodyView> viewIr(const std::filesystem::path &irFile) = 0;
  /// Assembly of the function `symbol` of an ELF object from a plan.
  virtual std::string disassemble(const std::vector<std::byte> &object,
                                  std::string_view symbol) = 0;
  /// The names that `--stop-after` takes, in order.
  virtual std::vector<std::string> phases() = 0;
  /// The passes between model and plan, in order.
  struct Pass {
    std::string name;
    std::string phase;
    bool optional = false;   ///< a name that `CompileOptions::passes` takes
    bool onByDefault = true; ///< always, if it is not optional
    std::string needs;       ///< what it asks of the target; empty: nothing
    std::string summary;
  };
  virtual std::vector<Pass> passes() = 0;
  /// Targets of `--cpu` with the features they stand for; `native` resolved for this machine.
  struct Target {
    std::string name;
    std::vector<std::string> features;
    bool runsHere = false;
    bool isNative = false;
  };
  virtual std::vector<Target> targets() = 0;
};

} // namespace vinci

namespace vinci {
/// Raise with every change of this header: the binary and the library come from one build, and a
/// mix must not run.
inline constexpr uint32_t compilerInterface = 11;
} // namespace vinci

/// The library's entry point; the object lives as long as the library. Null if it was built for
/// another interface.
extern "C" vinci::Compiler *vinciCompiler(uint32_t interface);
