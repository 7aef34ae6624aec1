// What attributes and types of the llm dialect accept, and how the irregular ones are spelled.
#include "ir/llm/Llm.h"
#include "ir/llm/PlainNumbers.h"
#include "runtime/support/lengths.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

#define GET_ATTRDEF_CLASSES
#include "ir/llm/LlmAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/llm/LlmTypes.cpp.inc"

namespace vinci::llm {

using EmitError = function_ref<InFlightDiagnostic()>;

void LlmDialect::registerAttributesAndTypes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/llm/LlmAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/llm/LlmTypes.cpp.inc"
      >();
}

/// f32, bf16 or f16.
static bool isFloat(Type type) {
  return type.isF32() || type.isBF16() || type.isF16();
}

//===- #llm.dims ------------------------------------------------------------------------------===//

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<DimExpr> names;
  auto parseElement = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    std::string text;
    if (parser.parseString(&text))
      return failure();
    std::optional<DimExpr> dim = parseDim(text);
    if (!dim)
      return parser.emitError(loc)
             << "unknown dimension '" << text
             << "'; legal are tokens, sequences, logit_rows and token_shares, or a multiple "
                "such as tokens*8";
    names.push_back(*dim);
    return success();
  };
  if (parser.parseLess() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseElement) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<DimsAttr>(parser.getContext(), names);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getNames(), printer,
                        [&](const DimExpr &dim) { printer << '"' << toString(dim) << '"'; });
  printer << "]>";
}

LogicalResult DimsAttr::verify(EmitError emitError, ArrayRef<DimExpr> names) {
  if (names.empty())
    return emitError() << "#llm.dims names no dimension; a tensor of static shape has no encoding";
  return success();
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type, EmitError emitError) const {
  size_t dynamic = llvm::count_if(shape, ShapedType::isDynamic);
  if (dynamic != getNames().size())
    return emitError() << "#llm.dims names " << getNames().size()
                       << " dimensions, but the shape has " << dynamic << " dynamic ones";
  return success();
}

//===- #llm.generation, #llm.model, #llm.limits
//--------------------------------------------------===//

/// Fails if `value` is not in low..high.
static LogicalResult checkRange(EmitError emitError, StringRef what, int64_t value, int64_t low,
                                int64_t high) {
  if (value < low || value > high)
    return emitError() << what << " is " << value << "; legal are " << low << " to " << high;
  return success();
}

static constexpr int64_t maxInt32 = (int64_t(1) << 31) - 1;

/// Fails if `value` is no distribution of lengths.
static LogicalResult checkLengths(EmitError emitError, StringRef what, StringAttr value) {
  try {
    LengthDistribution::parse(value.getValue(), what, {});
  } catch (const Error &error) {
    return emitError() << error.message();
  }
  return success();
}

LogicalResult GenerationAttr::verify(
    EmitError emitError, ArrayRef<int64_t> eosTokenIds, std::optional<int64_t> bosTokenId,
    std::optional<int64_t> padTokenId, BoolAttr, FloatAttr temperature, std::optional<int64_t> topK,
    FloatAttr topP, FloatAttr repetitionPenalty, StringAttr, ArrayAttr prompts,
    std::optional<int64_t> maxTokens, StringAttr inputTokens, StringAttr outputTokens,
    std::optional<int64_t> requests, std::optional<int64_t> concurrency) {
  for (int64_t id : eosTokenIds)
    if (failed(checkRange(emitError, "eos_token_ids entry", id, 0, maxInt32)))
      return failure();
  if (failed(checkRange(emitError, "bos_token_id", bosTokenId.value_or(0), 0, maxInt32)) ||
      failed(checkRange(emitError, "pad_token_id", padTokenId.value_or(0), 0, maxInt32)) ||
      failed(checkRange(emitError, "top_k", topK.value_or(0), 0, maxInt32)))
    return failure();
  for (auto [name, value] : {std::pair("temperature", temperature), std::pair("top_p", topP),
                             std::pair("repetition_penalty", repetitionPenalty)})
    if (value && !(std::isfinite(value.getValueAsDouble()) && value.getValueAsDouble() >= 0))
      return emitError() << name << " is " << value.getValueAsDouble()
                         << "; it must be finite and not negative";
  for (Attribute prompt : prompts ? prompts.getValue() : ArrayRef<Attribute>())
    if (!llvm::isa<StringAttr>(prompt))
      return emitError() << "prompts holds " << prompt << "; its elements must be strings";
  for (auto [name, value] : {std::pair("max_tokens", maxTokens), std::pair("requests", requests),
                             std::pair("concurrency", concurrency)})
    if (value && failed(checkRange(emitError, name, *value, 1, maxInt32)))
      return failure();
  for (auto [name, value] :
       {std::pair("input_tokens", inputTokens), std::pair("output_tokens", outputTokens)})
    if (value && failed(checkLengths(emitError, name, value)))
      return failure();
  return success();
}

LogicalResult ModelAttr::verify(EmitError emitError, StringRef name, StringRef architecture,
                                int64_t vocabSize, int64_t hiddenSize, int64_t numHiddenLayers,
                                int64_t maxPositionEmbeddings, Type dtype, int64_t parameters,
                                GenerationAttr, std::optional<int64_t> numKeyValueHeads) {
  if (!isFloat(dtype))
    return emitError() << "dtype is " << dtype << "; legal are f32, bf16 and f16";
  return success(
      succeeded(checkRange(emitError, "vocab_size", vocabSize, 1, maxInt32)) &&
      succeeded(checkRange(emitError, "hidden_size", hiddenSize, 1, maxInt32)) &&
      succeeded(checkRange(emitError, "num_hidden_layers", numHiddenLayers, 1, maxHiddenLayers)) &&
      succeeded(
          checkRange(emitError, "max_position_embeddings", maxPositionEmbeddings, 1, maxInt32)) &&
      succeeded(checkRange(emitError, "parameters", parameters, 0, int64_t(1) << 50)) &&
      succeeded(
          checkRange(emitError, "num_key_value_heads", numKeyValueHeads.value_or(1), 1, 65536)));
}

LogicalResult LimitsAttr::verify(EmitError emitError, int64_t maxSeqLen, int64_t maxTokensPerStep,
                                 int64_t maxBatch, int64_t kvBlocks, int64_t blockSize,
                                 std::optional<int64_t> tokenShares,
                                 std::optional<int64_t> maxLogitRows) {
  if (failed(checkRange(emitError, "max_seq_len", maxSeqLen, 1, maxInt32)) ||
      failed(checkRange(emitError, "max_tokens_per_step", maxTokensPerStep, 1, maxInt32)) ||
      failed(checkRange(emitError, "max_batch", maxBatch, 1, maxInt32 - 1)) ||
      failed(checkRange(emitError, "kv_blocks", kvBlocks, 1, maxInt32)) ||
      failed(checkRange(emitError, "block_size", blockSize, 16, 65536)) ||
      failed(checkRange(emitError, "token_shares", tokenShares.value_or(2), 2, 65536)))
    return failure();
  if (blockSize % 16 != 0)
    return emitError() << "block_size is " << blockSize << "; it must be a multiple of 16";
  if (kvBlocks > maxInt32 / blockSize)
    return emitError() << "kv_blocks * block_size is " << kvBlocks << " * " << blockSize
                       << "; slots are numbered in 31 bits, at most " << maxInt32 / blockSize
                       << " blocks of this size are legal";
  if (maxBatch > maxTokensPerStep)
    return emitError() << "max_batch is " << maxBatch << ", more than max_tokens_per_step "
                       << maxTokensPerStep << "; decoding needs a token for each sequence";
  // A decode wants the logits of every sequence.
  return checkRange(emitError, "max_logit_rows", maxLogitRows.value_or(maxBatch), maxBatch,
                    maxTokensPerStep);
}

//===- #llm.precision -------------------------------------------------------------------------===//

Type PrecisionAttr::getTypeOf(PrecisionRegion region) const {
  switch (region) {
  case PrecisionRegion::Compute:
    return getCompute();
  case PrecisionRegion::Layernorm:
    return getLayernorm();
  case PrecisionRegion::Softmax:
    return getSoftmax();
  case PrecisionRegion::Rotary:
    return getRotary();
  case PrecisionRegion::Parameters:
    return getParameters();
  }
  return {};
}

LogicalResult PrecisionAttr::verify(EmitError emitError, Type compute, Type layernorm, Type softmax,
                                    Type rotary, Type parameters, BoolAttr) {
  if (!isFloat(compute))
    return emitError() << "compute is " << compute << "; legal are f32, bf16 and f16";
  for (auto [region, type] :
       {std::pair(PrecisionRegion::Layernorm, layernorm),
        std::pair(PrecisionRegion::Softmax, softmax), std::pair(PrecisionRegion::Rotary, rotary)})
    if (type != compute && !type.isF32())
      return emitError() << toString(region) << " is " << type << ", but compute is " << compute
                         << "; legal are f32 and the type of compute";
  if (parameters != compute)
    return emitError() << "parameters is " << parameters << ", but compute is " << compute
                       << "; they must be equal, as no kernel multiplies two types";
  return success();
}

//===- !llm.kv_cache --------------------------------------------------------------------------===//

Type KvCacheType::parse(AsmParser &parser) {
  SmallVector<int64_t, 2> shape;
  Type elementType;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(elementType) || parser.parseGreater())
    return {};
  if (shape.size() != 2) {
    parser.emitError(loc, "a KV cache type is <num_key_value_heads x head_dim x element type>");
    return {};
  }
  return parser.getChecked<KvCacheType>(loc, parser.getContext(), shape[0], shape[1], elementType);
}

void KvCacheType::print(AsmPrinter &printer) const {
  printer << "<" << getHeads() << "x" << getHeadDim() << "x" << getElementType() << ">";
}

LogicalResult KvCacheType::verify(EmitError emitError, int64_t heads, int64_t headDim,
                                  Type elementType) {
  if (!isFloat(elementType))
    return emitError() << "the element type of a KV cache is " << elementType
                       << "; legal are f32, bf16 and f16";
  return success(
      succeeded(checkRange(emitError, "num_key_value_heads of a KV cache", heads, 1, 65536)) &&
      succeeded(checkRange(emitError, "head_dim of a KV cache", headDim, 2, 65536)));
}

} // namespace vinci::llm
