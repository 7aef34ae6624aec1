#include "tools/vinci/compile_options.h"
#include "runtime/device/graph_capture.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/resources.h"

#include <charconv>
#include <fmt/ranges.h>

namespace vinci {

bool CompileFlags::any() const {
  return !dtype.empty() || !precision.empty() || cpu != "native" || maxSeqLen || maxTokensPerStep ||
         maxBatch || kvBlocks || blockSize || maxLogitRows || !serveFlags.empty() ||
         !target.empty() || !passes.empty() || !graphMode.empty() || !graphSizes.empty() ||
         !set.empty() || strict || degrees != RequestedDegrees() || sequenceParallel ||
         !dynamicScales.empty();
}

constexpr const char *group = "Compile options";

void addPassesFlag(CLI::App &command, std::string &passes) {
  command
      .add_option("--passes", passes,
                  "Passes to switch on (+name) or off (-name), in this order; all stands for all "
                  "that can be switched: -all,+fuse-swiglu (default: see vinci passes)")
      ->group(group);
}

static void addDegreeFlags(CLI::App &command, CompileFlags &flags) {
  RequestedDegrees &degrees = flags.degrees;
  const auto add = [&](const char *flag, std::optional<int64_t> &degree, const char *help) {
    command.add_option(flag, degree, help)->group("Parallelism");
  };
  add("--tp", degrees.tp,
      "Ranks that divide every layer (default: what the deployment says, else 1)");
  add("--ep", degrees.ep, "Ranks that divide the experts, each expert whole on one of them");
  add("--world", degrees.world, "Ranks in all (default: the largest degree)");
  add("--attn-tp", degrees.attnTp,
      "Ranks that divide attention and dense MLPs; what they leave of the world are groups with "
      "sequences of their own (default: --tp, else the world)");
  add("--moe-tp", degrees.moeTp,
      "Ranks that divide the width of each expert (default: what --ep leaves of the world)");
  add("--embed-tp", degrees.embedTp,
      "Ranks that divide the vocabulary of the embedding (default: as attention)");
  add("--lm-head-tp", degrees.lmHeadTp,
      "Ranks that divide the vocabulary of the head (default: as attention)");
  command
      .add_flag_function(
          "--sequence-parallel,!--no-sequence-parallel",
          [&flags](int64_t count) { flags.sequenceParallel = count > 0; },
          "Give each rank of a step a share of its tokens for sums and norms; for long "
          "prompts (default: what the deployment says, else not)")
      ->group("Parallelism");
  command
      .add_option("--dynamic-scales", flags.dynamicScales,
                  "Scales of W8A8_DYNAMIC activations that ranks have parts of: row, of the whole "
                  "row, as on one device, or rank, of each part, as the vendor's stacks have them "
                  "(default: row on the host, rank on an NPU)")
      ->group("Parallelism");
}

void addCompileFlags(CLI::App &command, CompileFlags &flags) {
  command
      .add_option(
          "--dtype", flags.dtype,
          "Activations and weights: bfloat16, float16 or float32 (default: the checkpoint's)")
      ->group(group);
  command
      .add_option("--precision", flags.precision,
                  "What the regions of the model compute in, any of compute, layernorm, softmax, "
                  "rotary, parameters and keep_origin: compute=float16,softmax=float16 (default: "
                  "compute and parameters as --dtype, the others float32)")
      ->group(group);
  command
      .add_option("--cpu", flags.cpu,
                  "Instructions that kernels may use: native, avx2, avx512, avx512-vnni, avx512-bf16 or amx "
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
      .add_option(
          "--max-logit-rows", flags.maxLogitRows,
          "Most rows of logits in one step, from --max-batch on; scoring, which wants those "
          "of every token, takes steps of as many tokens (default: --max-tokens-per-step)")
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
  addPassesFlag(command, flags.passes);
  command
      .add_option("--graph-mode", flags.graphMode,
                  "Steps that are captured as graphs: none, piecewise, full-decode-only, "
                  "full-and-piecewise or full (default: what the deployment says, else none)")
      ->group(group);
  command
      .add_option("--graph-batch-sizes", flags.graphSizes,
                  "Tokens that a graph is captured for, as 1,2,4,8; smaller steps are padded "
                  "(default: what the deployment says, else vLLM's sizes)")
      ->group(group);
  command
      .add_option("--set", flags.set,
                  "A setting of the deployment in place of what its files say: "
                  "scheduler.max_prefill_seqs=1, or by the vendor's name, "
                  "ScheduleConfig.maxPrefillBatchSize=1; may be repeated")
      ->group(group);
  command
      .add_option("--from-vllm-args", flags.serveFlags,
                  "The flags of a vLLM serve command, as one text: limits, degrees, memory")
      ->group(group);
  addDegreeFlags(command, flags);
  command
      .add_flag("--strict", flags.strict, "Refuse a deployment whose files contradict each other")
      ->group(group);
  command
      .add_flag("--no-cache", flags.noCache,
                "Neither read nor write the cache of plans, kernels and packed weights")
      ->group(group);
}

/// The type of this name, if it is one to compute with.
static std::optional<DType> parseFloatType(std::string_view name) {
  const std::optional<DType> type = parseDType(name);
  return type == DType::Int32 || type == DType::Int8 ? std::nullopt : type;
}

/// One `name=value` of --precision.
static void setPrecision(RequestedPrecision &precision, std::string_view item) {
  const size_t equals = std::min(item.find('='), item.size());
  const std::string_view name = item.substr(0, equals);
  const std::string_view value = item.substr(std::min(equals + 1, item.size()));
  const auto set = [&](auto &field, const auto &parsed, std::string_view legal) {
    if (!parsed)
      fail("--precision '{}' has no legal value; legal are {}", item, legal);
    if (field)
      fail("--precision names {} twice", name);
    field = parsed;
  };
  for (const PrecisionField &field : precisionFields)
    if (name == field.name)
      return set(precision.*field.requested, parseFloatType(value),
                 "bfloat16, float16 and float32");
  if (name != "keep_origin")
    fail("--precision '{}' names no region; legal are compute, layernorm, softmax, rotary, "
         "parameters and keep_origin, each with = and a value",
         item);
  set(precision.keepOriginDtype,
      value == "true"    ? std::optional(true)
      : value == "false" ? std::optional(false)
                         : std::nullopt,
      "true and false");
}

static RequestedPrecision parsePrecision(std::string_view text) {
  RequestedPrecision precision;
  for (size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    setPrecision(precision, text.substr(begin, end - begin));
  }
  return precision;
}

std::map<std::string, bool> parsePasses(std::string_view text) {
  std::map<std::string, bool> switches;
  if (text.empty())
    return switches;
  std::vector<std::string> legal;
  for (const Compiler::Pass &pass : compiler().passes())
    if (pass.optional)
      legal.push_back(pass.name);
  for (size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const std::string name(item.substr(std::min<size_t>(item.size(), 1)));
    if (!item.starts_with('+') && !item.starts_with('-'))
      fail("--passes '{}' says neither + (on) nor - (off); legal are +name and -name", item);
    if (name != "all" && std::find(legal.begin(), legal.end(), name) == legal.end())
      fail("--passes '{}' names no pass that can be switched; legal are {} and all", item,
           fmt::join(legal, ", "));
    for (const std::string &pass : legal)
      if (name == "all" || name == pass)
        switches[pass] = item.front() == '+';
  }
  return switches;
}

/// What is no list of sizes; the compiler knows what a step can have.
static void checkGraphSizes(const CompileFlags &flags) {
  const std::string &text = flags.graphSizes;
  if (text.empty())
    return;
  int64_t before = 0;
  for (size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    int64_t size = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, size);
    if (error != std::errc() || stop != text.data() + end || size <= before || size > 65536)
      fail("--graph-batch-sizes '{}': '{}' is no size; ascending integers from 1 to 65536 are "
           "expected, as 1,2,4,8",
           text, text.substr(begin, end - begin));
    before = size;
  }
}

CompileOptions toCompileOptions(const CompileFlags &flags) {
  CompileOptions options;
  if (!flags.dtype.empty()) {
    options.dtype = parseFloatType(flags.dtype);
    if (!options.dtype)
      fail("--dtype '{}' is not a type to compute with; legal are bfloat16, float16 and float32",
           flags.dtype);
  }
  if (!flags.precision.empty())
    options.precision = parsePrecision(flags.precision);
  if (options.dtype && options.precision.compute.value_or(*options.dtype) != *options.dtype)
    fail("--dtype {} contradicts --precision compute={}; give one or the other", flags.dtype,
         toString(*options.precision.compute));
  static constexpr const char *cpus[] = {"native", "avx2", "avx512", "avx512-vnni", "avx512-bf16", "amx"};
  if (std::find(std::begin(cpus), std::end(cpus), flags.cpu) == std::end(cpus))
    fail("--cpu '{}' is unknown; legal are native, avx2, avx512, avx512-vnni, avx512-bf16 and amx", flags.cpu);
  options.cpu = flags.cpu;
  if (!flags.graphMode.empty() && !parseGraphMode(flags.graphMode))
    fail("--graph-mode '{}' is unknown; legal are {}", flags.graphMode, graphModeNames());
  checkGraphSizes(flags);
  options.passes = parsePasses(flags.passes);
  options.maxSeqLen = flags.maxSeqLen;
  options.maxTokensPerStep = flags.maxTokensPerStep;
  options.maxBatch = flags.maxBatch;
  options.kvBlocks = flags.kvBlocks;
  options.blockSize = flags.blockSize;
  options.maxLogitRows = flags.maxLogitRows;
  options.degrees = flags.degrees;
  if (const auto cache = findCacheDirectory(); !flags.noCache && !cache.empty())
    options.kernelCacheDirectory = cache / "kernels";
  options.sequenceParallel = flags.sequenceParallel;
  if (!flags.dynamicScales.empty()) {
    if (flags.dynamicScales != "row" && flags.dynamicScales != "rank")
      fail("--dynamic-scales '{}' is unknown; legal are row and rank", flags.dynamicScales);
    options.wholeRowScales = flags.dynamicScales == "row";
  }
  return options;
}

ImportRequest toImportRequest(const std::filesystem::path &path, const CompileFlags &flags) {
  ImportRequest request = {.files = {path},
                           .serveFlags = flags.serveFlags,
                           .target = flags.target,
                           .overrides = flags.set,
                           .strict = flags.strict};
  if (!flags.graphMode.empty())
    request.overrides.push_back("execution.graph_mode=" + flags.graphMode);
  if (!flags.graphSizes.empty())
    request.overrides.push_back("execution.graph_batch_sizes=[" + flags.graphSizes + "]");
  return request;
}

static std::string canonicalText(const RequestedPrecision &precision) {
  std::vector<std::string> parts;
  for (const PrecisionField &field : precisionFields)
    if (const auto type = precision.*field.requested)
      parts.push_back(fmt::format("{}={}", field.name, toString(*type)));
  if (precision.keepOriginDtype)
    parts.push_back(fmt::format("keep_origin={}", *precision.keepOriginDtype));
  return parts.empty() ? "default" : fmt::format("{}", fmt::join(parts, ","));
}

std::string canonicalText(const ImportRequest &request, const CompileOptions &options) {
  auto number = [](const std::optional<int64_t> &value) {
    return value ? std::to_string(*value) : std::string("default");
  };
  std::vector<std::string> passes;
  for (const auto &[name, on] : options.passes)
    passes.push_back((on ? "+" : "-") + name);
  std::string degrees;
  for (const auto degree : {&RequestedDegrees::tp, &RequestedDegrees::ep, &RequestedDegrees::world,
                            &RequestedDegrees::attnTp, &RequestedDegrees::moeTp,
                            &RequestedDegrees::embedTp, &RequestedDegrees::lmHeadTp})
    degrees += (degrees.empty() ? "" : ",") + number(options.degrees.*degree);
  return fmt::format(
      "dtype={} precision={} cpu={} degrees={} sequence-parallel={} dynamic-scales={} "
      "max-seq-len={} max-tokens-per-step={} max-batch={} kv-blocks={} block-size={} "
      "max-logit-rows={} target={} passes={} serve={} set={} strict={}",
      options.dtype ? toString(*options.dtype) : "default", canonicalText(options.precision),
      options.cpu, degrees,
      options.sequenceParallel ? (*options.sequenceParallel ? "true" : "false") : "default",
      options.wholeRowScales ? (*options.wholeRowScales ? "row" : "rank") : "default",
      number(options.maxSeqLen), number(options.maxTokensPerStep), number(options.maxBatch),
      number(options.kvBlocks), number(options.blockSize), number(options.maxLogitRows),
      request.target, fmt::join(passes, ","), request.serveFlags, fmt::join(request.overrides, ","),
      request.strict);
}

} // namespace vinci
