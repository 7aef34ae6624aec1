#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace vinci::test {
namespace {

using namespace std::string_literals;

constexpr std::array<int32_t, 4> contextLens = {1, 20, 75, 130};
constexpr std::array<int32_t, 5> queryStart = {0, 1, 4, 5, 11};

struct Shape {
  DType type;
  uint64_t count;
};

uint64_t size(const KernelSpec &spec, const char *name) {
  return static_cast<uint64_t>(spec.integer(name));
}

uint64_t cacheElements(const KernelSpec &spec, uint64_t blocks) {
  const uint64_t paddedHeadDim = (size(spec, "head_dim") + 15) / 16 * 16;
  return blocks * size(spec, "kv_heads") * 2 * paddedHeadDim * size(spec, "block_size");
}

constexpr uint64_t cacheBlocks = 24;

/// Of rms_norm_quant.
Shape normQuantShapeOf(const KernelSpec &s, std::string_view name, const Dims &dims) {
  const uint64_t rows = dims[s.rows().symbol] * s.rows().scale, n = size(s, "n");
  if (name.ends_with("scale") || name == "offset")
    return {DType::Float32, name == "out_scale" ? rows : 1};
  if (name == "out")
    return {DType::Int8, rows * n};
  return {s.dtype(), name == "weight" || name == "bias" ? n : rows * n};
}

/// Of swiglu_quant.
Shape swigluQuantShapeOf(const KernelSpec &s, std::string_view name, uint64_t tokens) {
  const uint64_t rows = tokens * size(s, "rows_per_token"), n = size(s, "n");
  if (name.ends_with("scale") || name == "offset")
    return {DType::Float32, name == "out_scale" ? rows : 1};
  if (name == "out")
    return {DType::Int8, rows * n};
  return {s.dtype(), rows * n * (size(s, "two_operands") == 0 ? 2 : 1)};
}

/// Of quantize, dynamic_quantize and the matmuls on int8.
Shape quantShapeOf(const KernelSpec &s, std::string_view name, const Dims &dims) {
  uint64_t tokens = dims[VINCI_DIM_TOKENS];
  const uint64_t n = size(s, "n"), k = s.constants.contains("k") ? size(s, "k") : n;
  const bool grouped = s.op.starts_with("grouped"), matmul = s.op.ends_with("matmul");
  const bool gates = s.op == "grouped_matmul_swiglu_quant"; // the weight has 2n columns
  const bool floatInput = s.op.find("weight_quant") != std::string::npos;
  const uint64_t slices = grouped ? size(s, "num_experts") : 1;
  if (grouped)
    tokens *= size(s, "rows_per_token");
  const uint64_t outRows = s.constants.contains("rows") ? dims[s.rows().symbol] * s.rows().scale
                           : grouped                    ? tokens * size(s, "top_k")
                           : s.constants.contains("rows_per_token")
                               ? tokens * size(s, "rows_per_token")
                               : tokens;
  const uint64_t inRows = grouped && size(s, "gather") != 0 ? tokens : outRows;
  if (name == "row_max")
    return {DType::Float32, outRows * size(s, "parts")};
  if (name == "out")
    return {matmul ? s.dtype() : DType::Int8, outRows * n};
  if (name == "x")
    return {(matmul || gates) && !floatInput ? DType::Int8 : s.dtype(), inRows * k};
  if (name == "w")
    return {DType::Int8, slices * reference::panelElements(gates ? 2 * n : n, k, DType::Int8)};
  if (name == "quant_bias")
    return {DType::Int32, n};
  if (name == "bias")
    return {s.dtype(), n};
  const uint64_t scales = name == "w_scale" || name == "deq_scale" ? slices * n * (gates ? 2 : 1)
                          : name == "x_scale"                      ? inRows
                          : name == "out_scale"                    ? outRows
                                                                   : 1;
  return {DType::Float32, scales};
}

/// Element type and count of an operand, by its name in the catalogue.
Shape shapeOf(const KernelSpec &s, std::string_view name, const Dims &dims) {
  const uint64_t tokens = dims[VINCI_DIM_TOKENS], logitRows = dims[VINCI_DIM_LOGIT_ROWS];
  const auto typed = [&](uint64_t count) { return Shape{s.dtype(), count}; };
  const auto ints = [](uint64_t count) { return Shape{DType::Int32, count}; };
  const auto floats = [](uint64_t count) { return Shape{DType::Float32, count}; };
  const auto &op = s.op;
  if (name == "token_ids")
    return ints(tokens * s.rows().scale);
  if (name == "positions" || name == "slot_mapping")
    return ints(tokens);
  if (name == "logit_indices")
    return ints(logitRows);
  if (name == "query_start")
    return ints(queryStart.size());
  if (name == "context_lens")
    return ints(contextLens.size());
  if (name == "block_tables")
    return ints(contextLens.size() * size(s, "max_blocks"));
  const uint64_t rows =
      tokens * (s.constants.contains("rows_per_token") ? size(s, "rows_per_token") : 1);
  const uint64_t pairs = rows * (s.constants.contains("top_k") ? size(s, "top_k") : 1);
  if (name == "row_of" || name == "position_of" || name == "experts")
    return ints(pairs);
  if (name == "start" || name == "first_expert")
    return ints(1);
  if (name == "expert_offsets")
    return ints(size(s, "num_experts") + 1);
  if (name == "logits" || name == "probabilities")
    return floats(rows * size(s, "num_experts"));
  if (name == "weights")
    return floats(pairs);
  if (op == "softmax" || op == "normalize_rows")
    return floats(rows * size(s, "n"));
  if (name == "inv_freq")
    return floats(size(s, "head_dim") / 2);
  if (op == "split_qkv" || op == "append_qkv") {
    const uint64_t headDim = size(s, "head_dim"), kvHeads = size(s, "kv_heads");
    if (name == "table")
      return {s.dtype("rotary"), tokens * headDim};
    if (name.ends_with("_norm"))
      return typed(headDim);
    if (name != "cache")
      return typed(tokens * headDim *
                   (name == "q"     ? size(s, "heads")
                    : name == "qkv" ? size(s, "heads") + 2 * kvHeads
                                    : kvHeads));
  }
  if (name == "table")
    return op.starts_with("rope") ? Shape{s.dtype("compute"), tokens * size(s, "head_dim")}
           : size(s, "panels")
               ? typed(reference::panelElements(size(s, "vocab"), size(s, "hidden"), s.dtype()))
               : typed(size(s, "vocab") * size(s, "hidden"));
  if (name == "cache")
    return typed(cacheElements(s, cacheBlocks));
  if (op == "embedding")
    return typed(dims[s.rows().symbol] * s.rows().scale * size(s, "hidden"));
  if (op == "rope_table")
    return typed(tokens * size(s, "head_dim"));
  if (op == "rope_qk")
    return typed(tokens * size(s, name.starts_with("q") ? "heads" : "kv_heads") *
                 size(s, "head_dim"));
  if (op == "rope" || op == "attention")
    return typed(tokens * size(s, "heads") * size(s, "head_dim"));
  if (op == "kv_append")
    return typed(tokens * size(s, "kv_heads") * size(s, "head_dim"));
  const uint64_t n = size(s, "n");
  if (op == "rms_norm_quant")
    return normQuantShapeOf(s, name, dims);
  if (op == "swiglu_quant")
    return swigluQuantShapeOf(s, name, tokens);
  if (op == "row_max" && name == "out")
    return floats(rows);
  if (s.op.find("quant") != std::string::npos)
    return quantShapeOf(s, name, dims);
  if (op == "rms_norm" || op == "add_rms_norm")
    return typed(
        name == "weight" || name == "bias" ? n : dims[s.rows().symbol] * size(s, "groups") * n);
  if (op == "add")
    return typed(dims[s.rows().symbol] * s.rows().scale * n);
  if (op == "matmul" || op == "matmul_all_reduce") {
    const uint64_t rows = dims[s.rows().symbol] * s.rows().scale;
    if (name == "w")
      return typed(reference::panelElements(n, size(s, "k"), s.dtype()));
    if (name == "bias")
      return typed(n);
    return name == "out" ? Shape{s.dtype("out_dtype"), rows * n} : typed(rows * size(s, "k"));
  }
  if (op.starts_with("grouped_matmul")) {
    const uint64_t pairs = rows * size(s, "top_k"), columns = op == "grouped_matmul" ? n : 2 * n;
    if (name == "w")
      return typed(size(s, "num_experts") *
                   reference::panelElements(columns, size(s, "k"), s.dtype()));
    if (name == "out")
      return typed(pairs * n);
    return typed((size(s, "gather") != 0 ? rows : pairs) * size(s, "k"));
  }
  if (op == "gather_rows")
    return typed((name == "out" ? logitRows : tokens) * n);
  if (op == "moe_combine" || op == "weighted_sum")
    return typed((name == "y" ? pairs : rows) * n);
  if (op == "permute_tokens")
    return typed((name == "out" ? pairs : rows) * n);
  if (op == "join_columns") {
    const uint64_t count = dims[s.rows().symbol] * s.rows().scale, part = size(s, "part");
    return typed(name == "out" ? count * n : count * ((n + part - 1) / part * part));
  }
  const bool halves = op == "swiglu" && name == "gate" && size(s, "two_operands") == 0;
  return typed(tokens * size(s, "rows_per_token") * n * (halves ? 2 : 1)); // elementwise
}

/// Weights of experts, or one weight, as the kernels read them.
void fillWeights(Random &random, const KernelSpec &s, DType type, const Buffer &buffer) {
  const uint64_t n = size(s, "n") * (s.op.starts_with("grouped_matmul_swiglu") ? 2 : 1);
  const uint64_t k = size(s, "k"), slice = reference::panelElements(n, k, type);
  const uint64_t slices = s.op.starts_with("grouped") ? size(s, "num_experts") : 1;
  for (uint64_t i = 0; i < slices; ++i)
    packWeight(randomMatrix(random, n, k, type), n, k, type,
               buffer.data() + i * slice * byteSize(type));
}

/// A routing in which expert 0 gets nothing and the others get what chance gives them.
void fillRouting(Random &random, const KernelSpec &s, const std::vector<std::string_view> &names,
                 OpCase &c) {
  const auto constant = [&](const char *name, int64_t otherwise) {
    return s.constants.contains(name) ? s.integer(name) : otherwise;
  };
  const uint64_t entries =
      c.dims[VINCI_DIM_TOKENS] * size(s, "rows_per_token") * constant("top_k", 1);
  // Sorting for a rank: as many experts again before and after its own.
  const auto numExperts =
      static_cast<int32_t>(constant("num_experts", 4) * (constant("sharded", 0) != 0 ? 3 : 1));
  std::vector<int32_t> experts(entries), rowOf(entries), positionOf(entries);
  for (int32_t &expert : experts)
    expert = random.integer(numExperts > 1 ? 1 : 0, numExperts);
  std::iota(rowOf.begin(), rowOf.end(), 0);
  std::ranges::sort(rowOf, {}, [&](int32_t entry) { return std::pair(experts[entry], entry); });
  for (uint64_t row = 0; row < entries; ++row)
    positionOf[rowOf[row]] = static_cast<int32_t>(row);
  if (!s.op.starts_with("grouped"))
    for (uint64_t i = 0; i < entries; i += 5)
      positionOf[i] = rowOf[i] = -1; // another rank's
  for (size_t i = outputCount(s); i < names.size(); ++i) {
    if (names[i] == "experts")
      std::ranges::copy(experts, c.buffers[i].ints());
    if (names[i] == "row_of")
      std::ranges::copy(rowOf, c.buffers[i].ints());
    if (names[i] == "first_expert")
      c.buffers[i].ints()[0] = numExperts / 3;
    if (names[i] == "position_of")
      std::ranges::copy(positionOf, c.buffers[i].ints());
    if (names[i] == "expert_offsets")
      for (int32_t e = 0; e <= numExperts; ++e)
        c.buffers[i].ints()[e] = static_cast<int32_t>(
            std::ranges::count_if(experts, [&](int32_t expert) { return expert < e; }));
  }
}

/// Slots of the tokens of a step: pairs that begin at an even and at an odd one, single ones, and
/// tokens that are not written.
constexpr std::array<int32_t, 13> slots = {4, 5, 31, -1, 7, 8, 9, 20, 21, -1, 12, 2, 36};

/// Block tables hand the cache's blocks out from the last to the first; unused entries are -1.
void fillBlockTables(const KernelSpec &s, int32_t *tables) {
  int32_t next = cacheBlocks;
  for (const int32_t context : contextLens)
    for (int64_t i = 0; i < s.integer("max_blocks"); ++i)
      *tables++ = i * s.integer("block_size") < context ? --next : -1;
}

void fillInput(Random &random, const KernelSpec &s, std::string_view name, const Dims &dims,
               const Shape &shape, const Buffer &buffer) {
  const auto tokens = static_cast<int32_t>(dims[VINCI_DIM_TOKENS]);
  const auto indices = [&](int32_t low, int32_t high) {
    for (uint64_t i = 0; i < shape.count; ++i)
      buffer.ints()[i] = random.integer(low, high);
  };
  if (name == "w")
    fillWeights(random, s, shape.type, buffer);
  else if (name == "table" && s.op == "embedding" && size(s, "panels") != 0)
    packWeight(randomMatrix(random, size(s, "vocab"), size(s, "hidden"), shape.type),
               size(s, "vocab"), size(s, "hidden"), shape.type, buffer.data());
  else if (name == "token_ids")
    indices(0, static_cast<int32_t>(s.integer("vocab") * (s.integer("sharded") + 1)));
  else if (name == "start")
    buffer.ints()[0] = static_cast<int32_t>(s.integer("vocab") / 2);
  else if (name == "positions")
    indices(0, 1000000);
  else if (name == "logit_indices")
    indices(0, tokens);
  else if (name == "slot_mapping")
    std::ranges::copy(slots, buffer.ints());
  else if (name == "query_start")
    std::ranges::copy(queryStart, buffer.ints());
  else if (name == "context_lens")
    std::ranges::copy(contextLens, buffer.ints());
  else if (name == "block_tables")
    fillBlockTables(s, buffer.ints());
  else if (name == "quant_bias")
    indices(-100000, 100000);
  else if (name == "row_max") // no smaller than any value of the rows need be
    for (uint64_t i = 0; i < shape.count; ++i)
      buffer.floats()[i] = static_cast<float>(random.real(0.5, 4));
  else if (name == "scale")
    buffer.floats()[0] = 0.011f;
  else if (name == "probabilities") // with equals among them
    for (uint64_t i = 0; i < shape.count; ++i)
      buffer.floats()[i] = static_cast<float>(random.integer(0, 9)) / 8;
  else if (s.op == "normalize_rows") // no sum of both signs, which may be next to nothing
    for (uint64_t i = 0; i < shape.count; ++i)
      buffer.floats()[i] = static_cast<float>(random.real(0.1, 1));
  else if (name == "offset")
    buffer.floats()[0] = -7;
  else if (shape.type != DType::Int32)
    random.fill(buffer.elements(shape.type), shape.count);
  // Gates of a few units, for which the activation is neither zero nor the gate itself; weights
  // that are at most about one.
  if ((s.op == "grouped_matmul_swiglu_quant" || s.op.find("weight_quant") != std::string::npos) &&
      name.ends_with("_scale"))
    for (uint64_t i = 0; i < shape.count; ++i)
      buffer.floats()[i] *= 0.01f;
}

} // namespace

OpCase makeCase(const KernelSpec &spec, uint64_t seed) {
  const uint64_t tokens = spec.op == "attention" ? queryStart.back() : slots.size();
  OpCase c{spec, makeDims(tokens, contextLens.size(), 7), {}, {}};
  Random random(seed);
  const auto names = operandNames(spec);
  for (size_t i = 0; i < names.size(); ++i) {
    const Shape shape = shapeOf(spec, names[i], c.dims);
    c.types.push_back(shape.type);
    c.buffers.emplace_back(shape.count * byteSize(shape.type));
    if (i < outputCount(spec))
      c.buffers[i].fill(std::byte{0xFF});
    else
      fillInput(random, spec, names[i], c.dims, shape, c.buffers[i]);
  }
  for (size_t i = 0; i < outputCount(spec); ++i)
    if (names[i] == "cache") // most of it is not written
      c.buffers[i].fill(std::byte{0});
  static const std::set<std::string_view> routed = {
      "moe_sort",       "argsort",          "inverse_permutation", "expert_offsets",
      "permute_tokens", "unpermute_tokens", "moe_combine"};
  if (routed.contains(spec.op) || spec.op.starts_with("grouped"))
    fillRouting(random, spec, names, c);
  return c;
}

KernelSpec makeSpec(const std::string &op, std::map<std::string, Attribute> constants) {
  return {op, std::move(constants)};
}

KernelSpec matmulSpec(const std::string &dtype, int64_t n, int64_t k, int64_t bias,
                      const std::string &outDtype) {
  return makeSpec("matmul", {{"dtype", dtype},
                             {"out_dtype", outDtype.empty() ? dtype : outDtype},
                             {"n", n},
                             {"k", k},
                             {"bias", bias},
                             {"rows", "tokens"s}});
}

/// Specs of the ops with a region that computes in `region`. Shapes and regions have little to do
/// with each other: a region in the element type gets the more awkward half of the shapes.
static void addRegionSpecs(std::vector<KernelSpec> &specs, const std::string &dtype,
                           const std::string &region) {
  const bool all = region == "float32";
  for (const int64_t headDim : {24, 80, 16, 128})
    for (const char *op : {"rope", "rope_qk"})
      if (all || headDim == 24 || headDim == 80) {
        specs.push_back(makeSpec(
            op,
            {{"dtype", dtype}, {"compute", region}, {"heads", int64_t{3}}, {"head_dim", headDim}}));
        if (op == "rope_qk"s)
          specs.back().constants["kv_heads"] = int64_t{2};
      }
  for (const int64_t n : {7, 300, 16, 80})
    for (const std::string &rows : {"tokens"s, "logit_rows"s})
      for (const char *op : {"rms_norm", "add_rms_norm"})
        if (all || (n != 16 && n != 80 && rows == "tokens"))
          specs.push_back(makeSpec(op, {{"dtype", dtype},
                                        {"compute", region},
                                        {"n", n},
                                        {"groups", int64_t{2}},
                                        {"bias", int64_t{n == 300 || n == 16}},
                                        {"eps", 1e-6},
                                        {"rows", rows}}));
  for (const int64_t residual : {0, 1})
    for (const int64_t dynamic : {0, 1})
      for (const int64_t n : {7, 300})
        specs.push_back(makeSpec("rms_norm_quant", {{"dtype", dtype},
                                                    {"compute", region},
                                                    {"n", n},
                                                    {"eps", 1e-6},
                                                    {"bias", int64_t{n == 300}},
                                                    {"residual", residual},
                                                    {"dynamic", dynamic},
                                                    {"rows", n == 7 ? "logit_rows"s : "tokens"s}}));
  struct Heads {
    int64_t heads, kvHeads, headDim, blockSize;
  };
  for (const Heads &h :
       {Heads{6, 2, 24, 32}, {7, 1, 80, 64}, {20, 1, 64, 48}, {4, 4, 16, 16}, {8, 4, 128, 128}})
    if (all || h.kvHeads < 4) // chunks of 32, 64 and 16
      specs.push_back(makeSpec("attention", {{"dtype", dtype},
                                             {"softmax", region},
                                             {"heads", h.heads},
                                             {"kv_heads", h.kvHeads},
                                             {"head_dim", h.headDim},
                                             {"block_size", h.blockSize},
                                             {"max_blocks", int64_t{12}},
                                             {"scale", 0.25}}));
}

/// Specs of split_qkv and append_qkv: each step alone, both and none, in every pair of types.
static void addQkvSpecs(std::vector<KernelSpec> &specs, const std::string &dtype) {
  for (const bool append : {false, true})
    for (const int64_t norm : {0, 1})
      for (const int64_t rope : {0, 1})
        for (const std::string &compute : std::set{"float32"s, dtype})
          for (const std::string &rotary : std::set{"float32"s, dtype}) {
            if ((compute != "float32" && norm == 0) || (rotary != "float32" && rope == 0))
              continue;
            specs.push_back(makeSpec(append ? "append_qkv" : "split_qkv",
                                     {{"dtype", dtype},
                                      {"compute", compute},
                                      {"rotary", rotary},
                                      {"heads", int64_t{6}},
                                      {"kv_heads", int64_t{2}},
                                      {"head_dim", int64_t{norm == rope ? 24 : 80}},
                                      {"norm", norm},
                                      {"rope", rope},
                                      {"eps", norm == 1 ? 1e-6 : 0.0}}));
            if (append)
              specs.back().constants["block_size"] = int64_t{16};
          }
}

std::vector<KernelSpec> allSpecs() {
  std::vector<KernelSpec> specs;
  const auto i = [](int64_t value) { return value; };
  const auto add = [&](const std::string &op, std::map<std::string, Attribute> constants) {
    specs.push_back(makeSpec(op, std::move(constants)));
  };
  for (const std::string dtype : {"float32", "bfloat16", "float16"}) {
    for (const int64_t sharded : {0, 1})
      for (const int64_t panels : {0, 1})
        add("embedding", {{"dtype", dtype},
                          {"hidden", i(panels ? 77 : 80)},
                          {"vocab", i(300)},
                          {"sharded", sharded},
                          {"panels", panels},
                          {"rows", sharded ? "tokens*2"s : "tokens"s}});
    for (const int64_t n : {81, 77, 100})
      add("join_columns", {{"dtype", dtype},
                           {"n", n},
                           {"part", i(27)},
                           {"rows", n == 81 ? "logit_rows"s : "tokens*2"s}});
    add("gather_rows", {{"dtype", dtype}, {"n", i(81)}});
    for (const int64_t headDim : {16, 24, 80, 128}) {
      add("rope_table", {{"dtype", dtype}, {"head_dim", headDim}});
      add("kv_append",
          {{"dtype", dtype}, {"kv_heads", i(2)}, {"head_dim", headDim}, {"block_size", i(16)}});
    }
    for (const char *op : {"mul", "silu"})
      add(op, {{"dtype", dtype}, {"n", i(77)}, {"rows_per_token", i(3)}});
    for (const std::string &rows : {"tokens*3"s, "token_shares"s})
      add("add", {{"dtype", dtype}, {"n", i(77)}, {"rows", rows}});
    for (const int64_t two : {0, 1})
      add("swiglu",
          {{"dtype", dtype}, {"n", i(77)}, {"rows_per_token", i(3)}, {"two_operands", two}});
    for (const auto &[n, k] : {std::pair{300, 176}, {80, 80}, {1, 5}, {160, 1100}})
      specs.push_back(matmulSpec(dtype, n, k, n == 80));
    specs.push_back(matmulSpec(dtype, 300, 80, 0, "float32"));
    specs.back().constants["rows"] = "logit_rows"s;
    specs.push_back(matmulSpec(dtype, 300, 80, 0));
    specs.back().constants["rows"] = "tokens*3"s;
    specs.push_back(matmulSpec(dtype, 80, 176, 1));
    specs.back().op = "matmul_all_reduce";
    specs.back().constants["axes"] = i(2);
    for (const int64_t gather : {0, 1})
      add("grouped_matmul", {{"dtype", dtype},
                             {"rows_per_token", i(1 + gather)},
                             {"n", i(176)},
                             {"k", i(80)},
                             {"num_experts", i(12)},
                             {"top_k", i(3)},
                             {"gather", gather}});
    for (const char *op : {"permute_tokens", "weighted_sum", "moe_combine"})
      add(op, {{"dtype", dtype}, {"n", i(77)}, {"top_k", i(3)}, {"rows_per_token", i(2)}});
    add("unpermute_tokens", {{"dtype", dtype}, {"n", i(77)}, {"rows_per_token", i(6)}});
    for (const int64_t n : {7, 16, 300}) {
      add("quantize", {{"dtype", dtype}, {"n", n}});
      add("row_max", {{"dtype", dtype}, {"n", n}, {"rows_per_token", i(3)}});
      for (const int64_t parts : {0, 1, 4})
        add("dynamic_quantize", {{"dtype", dtype},
                                 {"n", n},
                                 {"rows", parts == 1 ? "logit_rows"s : "tokens*3"s},
                                 {"parts", std::max(parts, i(1))},
                                 {"row_max", i(parts != 0)}});
    }
    for (const int64_t dynamic : {0, 1})
      for (const int64_t two : {0, 1})
        add("swiglu_quant", {{"dtype", dtype},
                             {"n", i(77)},
                             {"rows_per_token", i(3)},
                             {"two_operands", two},
                             {"dynamic", dynamic}});
    for (const auto &[n, k] : {std::pair{300, 176}, {80, 64}, {1, 5}, {33, 131}}) {
      add("quant_matmul", {{"dtype", dtype}, {"n", i(n)}, {"k", i(k)}});
      add("weight_quant_matmul",
          {{"dtype", dtype}, {"n", i(n)}, {"k", i(k)}, {"bias", i(n == 80)}});
      for (const char *rows : {"tokens", "logit_rows"})
        add("dynamic_quant_matmul", {{"dtype", dtype},
                                     {"n", i(n)},
                                     {"k", i(k)},
                                     {"bias", i(n == 80)},
                                     {"rows", std::string(rows)}});
    }
    for (const char *op : {"grouped_dynamic_quant_matmul", "grouped_weight_quant_matmul"})
      for (const int64_t gather : {0, 1})
        add(op, {{"dtype", dtype},
                 {"rows_per_token", i(1 + gather)},
                 {"n", i(176)},
                 {"k", i(81)},
                 {"num_experts", i(12)},
                 {"top_k", i(3)},
                 {"gather", gather}});
    for (const char *op : {"grouped_matmul_swiglu", "grouped_matmul_swiglu_quant"})
      for (const int64_t gather : {0, 1}) // one panel and a pair; pairs alone
        add(op, {{"dtype", dtype},
                 {"rows_per_token", i(1 + gather)},
                 {"n", i(96 + 32 * gather)},
                 {"k", i(81)},
                 {"num_experts", i(12)},
                 {"top_k", i(3)},
                 {"gather", gather}});
    // So many rows for each expert that avx2 widens the weights first.
    for (const char *op : {"grouped_matmul", "grouped_matmul_swiglu"})
      for (const int64_t gather : {0, 1})
        add(op, {{"dtype", dtype},
                 {"rows_per_token", i(20)},
                 {"n", i(64 + 32 * gather)},
                 {"k", i(81)},
                 {"num_experts", i(12)},
                 {"top_k", i(3)},
                 {"gather", gather}});
    // So many rows that tiles of few are joined.
    add("grouped_matmul_swiglu_quant", {{"dtype", dtype},
                                        {"rows_per_token", i(20)},
                                        {"n", i(32)},
                                        {"k", i(33)},
                                        {"num_experts", i(12)},
                                        {"top_k", i(3)},
                                        {"gather", i(1)}});
    addQkvSpecs(specs, dtype);
    addRegionSpecs(specs, dtype, "float32");
    if (dtype != "float32")
      addRegionSpecs(specs, dtype, dtype);
  }
  for (const auto &[numExperts, topK] : {std::pair{12, 3}, {128, 8}, {1, 1}, {5, 5}, {300, 2}}) {
    const std::map<std::string, Attribute> choice = {
        {"num_experts", i(numExperts)}, {"top_k", i(topK)}, {"rows_per_token", i(topK % 2 + 1)}};
    add("top_k", choice);
    add("moe_route", choice);
    specs.back().constants["norm_topk_prob"] = i(topK % 2);
    for (const char *op : {"argsort", "expert_offsets", "moe_sort"})
      for (const int64_t sharded : {0, 1}) {
        add(op, choice);
        specs.back().constants["sharded"] = sharded;
      }
    for (const char *op : {"softmax", "normalize_rows"})
      add(op, {{"n", i(numExperts)}, {"rows_per_token", i(2)}});
  }
  add("inverse_permutation", {{"rows_per_token", i(6)}});
  return specs;
}

} // namespace vinci::test
