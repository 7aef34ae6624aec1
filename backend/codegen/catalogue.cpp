#include "backend/codegen/catalogue.h"

#include "runtime/support/error.h"
#include "runtime/support/kernel_limits.h"

#include <algorithm>

namespace vinci {
namespace {

using enum ConstantKind;

// Tiles are sized for the caches, not for a number of threads: work for a few microseconds each, so
// that 2 to 64 workers find enough of them and none is dominated by being claimed.
constexpr uint64_t weightBytesPerTile =
    32 * 1024; // per tile of a matmul: half of what an L1 and L2 pair likes
constexpr uint32_t matmulRowBlock = 96; // a multiple of every register block, x stays in L2
constexpr uint32_t maxMatmulColumns = 512;
constexpr uint64_t elementsPerTile = 8 * 1024; // of the memory-bound row-wise kernels

constexpr uint64_t ceilDiv(uint64_t a, uint64_t b) {
  return (a + b - 1) / b;
}

uint64_t size(const KernelSpec &spec, const char *name) {
  return static_cast<uint64_t>(spec.integer(name));
}

/// Rows of `elements` each, so many to a tile that it has elementsPerTile.
KernelTiles rowTiles(VinciDim symbol, uint64_t scale, uint64_t elements) {
  const uint64_t rows = std::clamp<uint64_t>(elementsPerTile / elements, 1, 64);
  return {symbol, scale, static_cast<uint32_t>(rows), 1};
}

/// Column tiles of a weight in panels are runs of panel pairs: a pair is read as two streams at once.
uint32_t matmulColumns(uint64_t n, uint64_t k, DType dtype) {
  const uint64_t pairBytes = 64 * ceilDiv(k, 32) * 32 * byteSize(dtype);
  const uint64_t pairs = ceilDiv(n, 64);
  const uint64_t columns = pairs / ceilDiv(weightBytesPerTile, pairBytes);
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(columns, 1, std::min<uint64_t>(pairs, maxMatmulColumns)));
}

KernelTiles matmulTiles(const KernelSpec &spec) {
  const RowCount rows = spec.rows();
  return {rows.symbol, rows.scale, matmulRowBlock,
          matmulColumns(size(spec, "n"), size(spec, "k"), spec.dtype())};
}

/// Rows that experts work on for each token of the step.
uint64_t groupedRows(const KernelSpec &spec) {
  return size(spec, "rows_per_token") * size(spec, "top_k");
}

KernelTiles int8MatmulTiles(const KernelSpec &spec) {
  return {VINCI_DIM_TOKENS, 1, matmulRowBlock,
          matmulColumns(size(spec, "n"), size(spec, "k"), DType::Int8)};
}

KernelTiles int8RowMatmulTiles(const KernelSpec &spec) {
  KernelTiles tiles = int8MatmulTiles(spec);
  tiles.symbol = spec.rows().symbol;
  tiles.scale = spec.rows().scale;
  return tiles;
}

KernelTiles groupedInt8Tiles(const KernelSpec &spec) {
  return {VINCI_DIM_TOKENS, groupedRows(spec), matmulRowBlock,
          matmulColumns(size(spec, "n"), size(spec, "k"), DType::Int8)};
}

KernelTiles elementwiseTiles(const KernelSpec &spec) {
  return rowTiles(VINCI_DIM_TOKENS, size(spec, "rows_per_token"), size(spec, "n"));
}

/// Rows of probabilities: an exponential is worth several elements.
KernelTiles probabilityTiles(const KernelSpec &spec, const char *columns) {
  return rowTiles(VINCI_DIM_TOKENS, size(spec, "rows_per_token"), 8 * size(spec, columns));
}

KernelTiles oneTile(const KernelSpec &) {
  return {VINCI_DIM_ONE, 1, 1, 1};
}

/// Sums over the choices of a token.
KernelTiles choiceTiles(const KernelSpec &spec) {
  return rowTiles(VINCI_DIM_TOKENS, size(spec, "rows_per_token"),
                  size(spec, "n") * size(spec, "top_k"));
}

KernelTiles attentionTiles(const KernelSpec &spec) {
  // As many query tokens as fill the kernel's 16 rows of query heads: they share each K and V that
  // is read.
  const uint64_t group = size(spec, "heads") / size(spec, "kv_heads");
  const auto tokens = static_cast<uint32_t>(std::max<uint64_t>(16 / group, 1));
  return {VINCI_DIM_TOKENS, 1, tokens, static_cast<uint32_t>(size(spec, "kv_heads"))};
}

std::optional<std::string> checkMatmul(const KernelSpec &spec) {
  const DType out = spec.dtype("out_dtype");
  if (out != spec.dtype() && out != DType::Float32)
    return fmt::format("out_dtype {} must be dtype {} or float32", toString(out),
                       toString(spec.dtype()));
  return std::nullopt;
}

std::optional<std::string> checkEvenHeadDim(const KernelSpec &spec) {
  if (spec.integer("head_dim") % 2 != 0)
    return fmt::format("head_dim {} must be even", spec.integer("head_dim"));
  return std::nullopt;
}

std::optional<std::string> checkBlockSize(const KernelSpec &spec) {
  if (spec.integer("block_size") % 16 != 0)
    return fmt::format("block_size {} must be a multiple of 16", spec.integer("block_size"));
  return std::nullopt;
}

std::optional<std::string> checkAttention(const KernelSpec &spec) {
  if (spec.integer("heads") % spec.integer("kv_heads") != 0)
    return fmt::format("heads {} must be a multiple of kv_heads {}", spec.integer("heads"),
                       spec.integer("kv_heads"));
  return checkBlockSize(spec);
}

std::optional<std::string> checkTopK(const KernelSpec &spec) {
  if (spec.integer("top_k") > spec.integer("num_experts"))
    return fmt::format("top_k {} must not exceed num_experts {}", spec.integer("top_k"),
                       spec.integer("num_experts"));
  return std::nullopt;
}

constexpr ConstantRule dtype{"dtype", ElementType};
constexpr ConstantRule compute{"compute", RegionType};
constexpr ConstantRule n{"n", Size};
constexpr ConstantRule k{"k", Size};
constexpr ConstantRule int8Depth{"k", Size, 1, maxInt8Depth};
constexpr ConstantRule rowsPerToken{"rows_per_token", Size, 1, 65536};
constexpr ConstantRule sharded{"sharded", Flag}; // a rank's part, which begins elsewhere
constexpr ConstantRule heads{"heads", Size, 1, 65536};
constexpr ConstantRule kvHeads{"kv_heads", Size, 1, 65536};
constexpr ConstantRule headDim{"head_dim", Size, 1, 512}; // bounds the attention kernel's stack
constexpr ConstantRule blockSize{"block_size", Size, 16, 65536};
constexpr ConstantRule numExperts{"num_experts", Size, 1, 65536};
constexpr ConstantRule choices{"top_k", Size, 1, 65536}; // rows of pairs for each row of tokens
const std::vector<ConstantRule> splitQkv = {dtype,          compute,        {"rotary", RegionType},
                                            heads,          kvHeads,        headDim,
                                            {"norm", Flag}, {"rope", Flag}, {"eps", Real}};
constexpr ConstantRule topK{"top_k", Size, 1, 64}; // bounds the routing kernel's stack
constexpr ConstantRule residual{"residual", Flag};
constexpr ConstantRule dynamic{"dynamic", Flag}; // quantises rows by scales of their own

const std::vector<OptionalOperand> normsAndTable = {
    {"q_norm", "norm"}, {"k_norm", "norm"}, {"table", "rope"}};

/// What rms_norm_quant and swiglu_quant quantise by.
const OptionalOperand outScale{"out_scale", "dynamic"}, quantScale{"scale", "dynamic", 0},
    quantOffset{"offset", "dynamic", 0};

/// Of experts whose products are gate and up: n is the columns of the result.
std::optional<std::string> checkGated(const KernelSpec &spec) {
  if (spec.integer("n") % gatedColumns != 0)
    return fmt::format("n {} must be a multiple of {}", spec.integer("n"), gatedColumns);
  return std::nullopt;
}

std::optional<std::string> checkRotation(const KernelSpec &spec) {
  return spec.integer("rope") != 0 ? checkEvenHeadDim(spec) : std::nullopt;
}

KernelTiles splitQkvTiles(const KernelSpec &spec) {
  return rowTiles(VINCI_DIM_TOKENS, 1,
                  (size(spec, "heads") + 2 * size(spec, "kv_heads")) * size(spec, "head_dim"));
}

std::vector<CatalogueEntry> makeCatalogue() {
  const auto with = [](std::vector<ConstantRule> rules, const ConstantRule &last) {
    rules.push_back(last);
    return rules;
  };
  const auto none = [](const KernelSpec &) -> std::optional<std::string> { return std::nullopt; };
  return {
      {"embedding",
       "embedding",
       {dtype,
        {"hidden", Size},
        {"vocab", Size, 1, int64_t{1} << 31},
        sharded,
        {"panels", Flag},
        {"rows", Rows}},
       {"out"},
       {"token_ids", "table", "start"},
       {{"start", "sharded"}},
       none,
       [](const KernelSpec &s) {
         return rowTiles(s.rows().symbol, s.rows().scale, size(s, "hidden"));
       }},
      {"gather_rows",
       "embedding",
       {dtype, n},
       {"out"},
       {"x", "logit_indices"},
       {},
       none,
       [](const KernelSpec &s) { return rowTiles(VINCI_DIM_LOGIT_ROWS, 1, size(s, "n")); }},
      {"join_columns",
       "embedding",
       {dtype, n, {"part", Size}, {"rows", Rows}},
       {"out"},
       {"x"},
       {},
       none,
       [](const KernelSpec &s) { return rowTiles(s.rows().symbol, s.rows().scale, size(s, "n")); }},
      {"rope_table",
       "rope",
       {dtype, headDim},
       {"out"},
       {"positions", "inv_freq"},
       {},
       checkEvenHeadDim,
       [](const KernelSpec &s) { return rowTiles(VINCI_DIM_TOKENS, 1, 16 * size(s, "head_dim")); }},
      {"rope",
       "rope",
       {dtype, compute, heads, headDim},
       {"out"},
       {"x", "table"},
       {},
       checkEvenHeadDim,
       [](const KernelSpec &s) {
         return rowTiles(VINCI_DIM_TOKENS, 1, size(s, "heads") * size(s, "head_dim"));
       }},
      {"rope_qk",
       "rope",
       {dtype, compute, heads, kvHeads, headDim},
       {"q_out", "k_out"},
       {"q", "k", "table"},
       {},
       checkEvenHeadDim,
       [](const KernelSpec &s) {
         return rowTiles(VINCI_DIM_TOKENS, 1,
                         (size(s, "heads") + size(s, "kv_heads")) * size(s, "head_dim"));
       }},
      {"rms_norm",
       "norm",
       {dtype,
        compute,
        n,
        {"groups", Size, 1, 65536},
        {"eps", Real},
        {"bias", Flag},
        {"rows", Rows}},
       {"out"},
       {"x", "weight", "bias"},
       {{"bias", "bias"}},
       none,
       [](const KernelSpec &s) {
         return rowTiles(s.rows().symbol, s.rows().scale * size(s, "groups"), size(s, "n"));
       }},
      {"add_rms_norm",
       "norm",
       {dtype,
        compute,
        n,
        {"groups", Size, 1, 65536},
        {"eps", Real},
        {"bias", Flag},
        {"rows", Rows}},
       {"out", "sum"},
       {"x", "residual", "weight", "bias"},
       {{"bias", "bias"}},
       none,
       [](const KernelSpec &s) {
         return rowTiles(s.rows().symbol, s.rows().scale * size(s, "groups"), size(s, "n"));
       }},
      {"rms_norm_quant",
       "norm",
       {dtype, compute, n, {"eps", Real}, {"bias", Flag}, residual, dynamic, {"rows", Rows}},
       {"out", "out_scale", "sum"},
       {"x", "residual", "weight", "bias", "scale", "offset"},
       {outScale,
        {"sum", "residual"},
        {"residual", "residual"},
        {"bias", "bias"},
        quantScale,
        quantOffset},
       none,
       [](const KernelSpec &s) { return rowTiles(s.rows().symbol, s.rows().scale, size(s, "n")); }},
      {"matmul",
       "matmul",
       {dtype, {"out_dtype", ElementType}, n, k, {"bias", Flag}, {"rows", Rows}},
       {"out"},
       {"x", "w", "bias"},
       {{"bias", "bias"}},
       checkMatmul,
       matmulTiles},
      // The product alone: the command goes on with a collective. `axes` keeps those over other
      // axes apart, a bit for each.
      {"matmul_all_reduce",
       "matmul",
       {dtype,
        {"out_dtype", ElementType},
        n,
        k,
        {"bias", Flag},
        {"rows", Rows},
        {"axes", Size, 1, 255}},
       {"out"},
       {"x", "w", "bias"},
       {{"bias", "bias"}},
       checkMatmul,
       matmulTiles},
      {"split_qkv",
       "qkv",
       splitQkv,
       {"q", "k", "v"},
       {"qkv", "q_norm", "k_norm", "table"},
       normsAndTable,
       checkRotation,
       splitQkvTiles},
      {"append_qkv",
       "qkv",
       with(splitQkv, blockSize),
       {"q", "cache"},
       {"qkv", "q_norm", "k_norm", "table", "slot_mapping"},
       normsAndTable,
       [](const KernelSpec &s) {
         const auto message = checkRotation(s);
         return message ? message : checkBlockSize(s);
       },
       splitQkvTiles},
      {"kv_append",
       "kv_cache",
       {dtype, kvHeads, headDim, blockSize},
       {"cache"},
       {"k", "v", "slot_mapping"},
       {},
       checkBlockSize,
       [](const KernelSpec &s) {
         return rowTiles(VINCI_DIM_TOKENS, 1, 4 * size(s, "kv_heads") * size(s, "head_dim"));
       }},
      {"attention",
       "attention",
       {dtype,
        {"softmax", RegionType},
        heads,
        kvHeads,
        headDim,
        blockSize,
        {"max_blocks", Size},
        {"scale", Real}},
       {"out"},
       {"q", "cache", "query_start", "context_lens", "block_tables"},
       {},
       checkAttention,
       attentionTiles},
      {"add",
       "elementwise",
       {dtype, n, {"rows", Rows}},
       {"out"},
       {"a", "b"},
       {},
       none,
       [](const KernelSpec &s) { return rowTiles(s.rows().symbol, s.rows().scale, size(s, "n")); }},
      {"mul",
       "elementwise",
       {dtype, n, rowsPerToken},
       {"out"},
       {"a", "b"},
       {},
       none,
       elementwiseTiles},
      {"silu", "elementwise", {dtype, n, rowsPerToken}, {"out"}, {"x"}, {}, none, elementwiseTiles},
      {"swiglu",
       "elementwise",
       {dtype, n, rowsPerToken, {"two_operands", Flag}},
       {"out"},
       {"gate", "up"},
       {{"up", "two_operands"}},
       none,
       elementwiseTiles},
      {"softmax",
       "moe",
       {n, rowsPerToken},
       {"out"},
       {"x"},
       {},
       none,
       [](const KernelSpec &s) { return probabilityTiles(s, "n"); }},
      {"top_k",
       "moe",
       {numExperts, topK, rowsPerToken},
       {"weights", "experts"},
       {"probabilities"},
       {},
       checkTopK,
       [](const KernelSpec &s) { return probabilityTiles(s, "num_experts"); }},
      {"normalize_rows", "moe", {n, rowsPerToken}, {"out"}, {"x"}, {}, none, elementwiseTiles},
      {"swiglu_quant",
       "elementwise",
       {dtype, n, rowsPerToken, {"two_operands", Flag}, dynamic},
       {"out", "out_scale"},
       {"gate", "up", "scale", "offset"},
       {outScale, {"up", "two_operands"}, quantScale, quantOffset},
       none,
       elementwiseTiles},
      {"moe_route",
       "moe",
       {numExperts, topK, {"norm_topk_prob", Flag}, rowsPerToken},
       {"weights", "experts"},
       {"logits"},
       {},
       checkTopK,
       [](const KernelSpec &s) { return probabilityTiles(s, "num_experts"); }},
      {"argsort",
       "moe",
       {numExperts, topK, rowsPerToken, sharded},
       {"row_of"},
       {"experts", "first_expert"},
       {{"first_expert", "sharded"}},
       none,
       oneTile},
      {"inverse_permutation",
       "moe",
       {rowsPerToken},
       {"position_of"},
       {"row_of"},
       {},
       none,
       oneTile},
      {"expert_offsets",
       "moe",
       {numExperts, topK, rowsPerToken, sharded},
       {"expert_offsets"},
       {"experts", "first_expert"},
       {{"first_expert", "sharded"}},
       none,
       oneTile},
      {"moe_sort",
       "moe",
       {numExperts, topK, rowsPerToken, sharded},
       {"row_of", "position_of", "expert_offsets"},
       {"experts", "first_expert"},
       {{"first_expert", "sharded"}},
       none,
       oneTile},
      {"permute_tokens",
       "moe",
       {dtype, n, choices, rowsPerToken},
       {"out"},
       {"x", "row_of"},
       {},
       none,
       [](const KernelSpec &s) {
         return rowTiles(VINCI_DIM_TOKENS, groupedRows(s), size(s, "n"));
       }},
      {"grouped_matmul",
       "matmul",
       {dtype, n, k, numExperts, choices, rowsPerToken, {"gather", Flag}},
       {"out"},
       {"x", "row_of", "expert_offsets", "w"},
       {},
       none,
       [](const KernelSpec &s) {
         return KernelTiles{VINCI_DIM_TOKENS, groupedRows(s), matmulRowBlock,
                            matmulColumns(size(s, "n"), size(s, "k"), s.dtype())};
       }},
      {"grouped_matmul_swiglu",
       "matmul",
       {dtype, n, k, numExperts, choices, rowsPerToken, {"gather", Flag}},
       {"out"},
       {"x", "row_of", "expert_offsets", "w"},
       {},
       checkGated,
       [](const KernelSpec &s) { // gate and up: as many bytes as of twice the depth
         return KernelTiles{VINCI_DIM_TOKENS, groupedRows(s), matmulRowBlock,
                            matmulColumns(size(s, "n"), 2 * size(s, "k"), s.dtype())};
       }},
      {"quantize",
       "quant",
       {dtype, n},
       {"out"},
       {"x", "scale", "offset"},
       {},
       none,
       [](const KernelSpec &s) { return rowTiles(VINCI_DIM_TOKENS, 1, size(s, "n")); }},
      {"row_max", "quant", {dtype, n, rowsPerToken}, {"out"}, {"x"}, {}, none, elementwiseTiles},
      {"dynamic_quantize",
       "quant",
       {dtype, n, {"parts", Size, 1, 65536}, {"row_max", Flag}, {"rows", Rows}},
       {"out", "out_scale"},
       {"x", "row_max"},
       {{"row_max", "row_max"}},
       none,
       [](const KernelSpec &s) { return rowTiles(s.rows().symbol, s.rows().scale, size(s, "n")); }},
      {"quant_matmul",
       "quant",
       {dtype, n, int8Depth},
       {"out"},
       {"x", "w", "quant_bias", "deq_scale"},
       {},
       none,
       int8MatmulTiles},
      {"dynamic_quant_matmul",
       "quant",
       {dtype, n, int8Depth, {"bias", Flag}, {"rows", Rows}},
       {"out"},
       {"x", "x_scale", "w", "w_scale", "bias"},
       {{"bias", "bias"}},
       none,
       int8RowMatmulTiles},
      {"grouped_dynamic_quant_matmul",
       "quant",
       {dtype, n, int8Depth, numExperts, choices, rowsPerToken, {"gather", Flag}},
       {"out"},
       {"x", "x_scale", "row_of", "expert_offsets", "w", "w_scale"},
       {},
       none,
       groupedInt8Tiles},
      {"weight_quant_matmul",
       "weight_quant",
       {dtype, n, k, {"bias", Flag}},
       {"out"},
       {"x", "w", "w_scale", "bias"},
       {{"bias", "bias"}},
       none,
       int8MatmulTiles},
      {"grouped_weight_quant_matmul",
       "weight_quant",
       {dtype, n, k, numExperts, choices, rowsPerToken, {"gather", Flag}},
       {"out"},
       {"x", "row_of", "expert_offsets", "w", "w_scale"},
       {},
       none,
       groupedInt8Tiles},
      {"unpermute_tokens",
       "moe",
       {dtype, n, rowsPerToken},
       {"out"},
       {"y", "position_of"},
       {},
       none,
       elementwiseTiles},
      {"weighted_sum",
       "moe",
       {dtype, n, topK, rowsPerToken},
       {"out"},
       {"y", "weights"},
       {},
       none,
       choiceTiles},
      {"grouped_matmul_swiglu_quant",
       "quant",
       {dtype,
        {"n", Size, 1, maxGatedRow}, // bounds the kernel's stack
        int8Depth,
        numExperts,
        choices,
        rowsPerToken,
        {"gather", Flag}},
       {"out", "out_scale"},
       {"x", "x_scale", "row_of", "expert_offsets", "w", "w_scale"},
       {},
       checkGated,
       [](const KernelSpec &s) { // whole rows, as many as the kernel multiplies at a time
         return KernelTiles{VINCI_DIM_TOKENS, groupedRows(s), 4, 1};
       }},
      {"moe_combine",
       "moe",
       {dtype, n, topK, rowsPerToken},
       {"out"},
       {"y", "position_of", "weights"},
       {},
       none,
       choiceTiles},
  };
}

} // namespace

std::span<const CatalogueEntry> catalogue() {
  static const std::vector<CatalogueEntry> entries = makeCatalogue();
  return entries;
}

const CatalogueEntry &catalogueEntry(std::string_view op) {
  const auto entries = catalogue();
  const auto entry = std::ranges::find(entries, op, &CatalogueEntry::op);
  if (entry == entries.end())
    failInternal("kernel op \"{}\" is not in the catalogue", op);
  return *entry;
}

std::string templateName(const KernelSpec &spec) {
  std::string name = "vinci_" + spec.op;
  for (const ConstantRule &rule : catalogueEntry(spec.op).constants)
    if (rule.kind == ElementType || rule.kind == RegionType)
      name += "_" + spec.text(std::string(rule.name));
  return name;
}

} // namespace vinci
