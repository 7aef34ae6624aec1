#include "tools/vinci/compile_options.h"
#include "runtime/support/error.h"

namespace vinci {

bool CompileFlags::any() const {
  return !dtype.empty() || cpu != "native" || maxSeqLen || maxTokensPerStep || maxBatch ||
         kvBlocks || blockSize || !serveFlags.empty() || !target.empty() || strict;
}

void addCompileFlags(CLI::App &command, CompileFlags &flags) {
  constexpr const char *group = "Compile options";
  command
      .add_option(
          "--dtype", flags.dtype,
          "Activations and weights: bfloat16, float16 or float32 (default: the checkpoint's)")
      ->group(group);
  command
      .add_option("--cpu", flags.cpu,
                  "Instructions that kernels may use: native, avx2, avx512, avx512-vnni or amx "
                  "(default: native)")
      ->group(group);
  command
      .add_option("--max-seq-len", flags.maxSeqLen,
                  "Longest sequence, prompt and output together (default: max_position_embeddings)")
      ->group(group);
  command
      .add_option("--max-tokens-per-step", flags.maxTokensPerStep,
                  "Most tokens in one step (default: 512)")
      ->group(group);
  command.add_option("--max-batch", flags.maxBatch, "Most sequences in one step (default: 16)")
      ->group(group);
  command
      .add_option("--kv-blocks", flags.kvBlocks,
                  "Blocks of the paged KV cache (default: one longest sequence and a full batch)")
      ->group(group);
  command.add_option("--block-size", flags.blockSize, "Tokens in a KV-cache block (default: 128)")
      ->group(group);
  command
      .add_option("--target", flags.target,
                  "The NPU: host, 310p3, 910b3 or a3 (default: what the deployment says)")
      ->group(group);
  command
      .add_option("--from-vllm-args", flags.serveFlags,
                  "The flags of a vLLM serve command, as one text: limits, degrees, memory")
      ->group(group);
  command
      .add_flag("--strict", flags.strict, "Refuse a deployment whose files contradict each other")
      ->group(group);
  command
      .add_flag("--no-cache", flags.noCache,
                "Neither read nor write the cache of plans and packed weights")
      ->group(group);
}

CompileOptions toCompileOptions(const CompileFlags &flags) {
  CompileOptions options;
  if (!flags.dtype.empty()) {
    options.dtype = parseDType(flags.dtype);
    if (!options.dtype || *options.dtype == DType::Int32 || *options.dtype == DType::Int8)
      fail("--dtype '{}' is not a type to compute with; legal are bfloat16, float16 and float32",
           flags.dtype);
  }
  static constexpr const char *cpus[] = {"native", "avx2", "avx512", "avx512-vnni", "amx"};
  if (std::find(std::begin(cpus), std::end(cpus), flags.cpu) == std::end(cpus))
    fail("--cpu '{}' is unknown; legal are native, avx2, avx512, avx512-vnni and amx", flags.cpu);
  options.cpu = flags.cpu;
  options.maxSeqLen = flags.maxSeqLen;
  options.maxTokensPerStep = flags.maxTokensPerStep;
  options.maxBatch = flags.maxBatch;
  options.kvBlocks = flags.kvBlocks;
  options.blockSize = flags.blockSize;
  return options;
}

ImportRequest toImportRequest(const std::filesystem::path &path, const CompileFlags &flags) {
  return {.files = {path},
          .serveFlags = flags.serveFlags,
          .target = flags.target,
          .strict = flags.strict};
}

std::string canonicalText(const ImportRequest &request, const CompileOptions &options) {
  auto number = [](const std::optional<int64_t> &value) {
    return value ? std::to_string(*value) : std::string("default");
  };
  return fmt::format("dtype={} cpu={} max-seq-len={} max-tokens-per-step={} max-batch={} "
                     "kv-blocks={} block-size={} target={} serve={} strict={}",
                     options.dtype ? toString(*options.dtype) : "default", options.cpu,
                     number(options.maxSeqLen), number(options.maxTokensPerStep),
                     number(options.maxBatch), number(options.kvBlocks), number(options.blockSize),
                     request.target, request.serveFlags, request.strict);
}

} // namespace vinci
