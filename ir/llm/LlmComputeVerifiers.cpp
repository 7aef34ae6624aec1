// Shapes and element types of the computing ops; those of mixtures of experts are in
// LlmMoeVerifiers.cpp, those on int8 in LlmQuantVerifiers.cpp.
#include "ir/llm/Checker.h"

using namespace mlir;

namespace vinci::llm {

//===- Dense ----------------------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  Tensor ids("token_ids", getTokenIds()), table("table", getTable()), result("result", getResult());
  return Checker(*this)
      .activation(ids)
      .constant(table)
      .same("tokens", result, 0, ids, 0)
      .same("hidden_size", result, 1, table, 1)
      .sameType(result, table)
      .single(getStart(), "start");
}

LogicalResult RopeTableOp::verify() {
  Tensor positions("positions", getPositions()), freq("inv_freq", getInvFreq()),
      result("result", getResult());
  return Checker(*this)
      .activation(positions)
      .constant(freq)
      .same("tokens", result, 0, positions, 0)
      .is("head_dim", result, 1, freq.dim(0).scale * 2, "twice the frequencies")
      .keeps(PrecisionRegion::Rotary, "makes a table of", result.type.getElementType());
}

/// rms_norm and add_rms_norm.
template <typename Op> static LogicalResult verifyNorm(Op op) {
  Tensor input("input", op.getInput()), weight("weight", op.getWeight());
  auto [legal, message] = positive("eps", op.getEps());
  return Checker(op)
      .activation(input)
      .constant(weight)
      .same("n", weight, 0, input, -1)
      .sameType(weight, input)
      .require(legal, message)
      .normBias(op.getBias(), input)
      .computesIn("computes in", op.getCompute(), input)
      .keeps(PrecisionRegion::Compute, "normalises", input.type.getElementType())
      .keeps(PrecisionRegion::Layernorm, "computes in", op.getCompute());
}

LogicalResult RmsNormOp::verify() {
  return verifyNorm(*this);
}
LogicalResult AddRmsNormOp::verify() {
  return verifyNorm(*this);
}

template <typename Op> LogicalResult verifyMatmul(Op op) {
  Tensor input("input", op.getInput()), weight("weight", op.getWeight()),
      result("result", op.getResult());
  Checker check(op);
  check.activation(input)
      .constant(weight)
      .same("k", weight, 1, input, 1)
      .sameType(weight, input)
      .same("rows", result, 0, input, 0)
      .same("n", result, 1, weight, 0)
      .require(result.type.getElementType().isF32() ||
                   result.type.getElementType() == input.type.getElementType(),
               [&](auto &&out) {
                 out << "result has elements of type " << result.type.getElementType()
                     << "; legal are f32 and " << input.type.getElementType()
                     << ", the type of the input";
               });
  if (op.getBias()) {
    Tensor bias("bias", op.getBias());
    check.constant(bias).same("n", bias, 0, weight, 0).sameType(bias, weight);
  }
  return check.keeps(PrecisionRegion::Compute, "multiplies", input.type.getElementType());
}
template LogicalResult verifyMatmul(MatmulOp);
template LogicalResult verifyMatmul(MatmulAllReduceOp);

LogicalResult MatmulOp::verify() {
  return verifyMatmul(*this);
}

/// `flat` is [tokens, heads * head_dim] and `heads` is [tokens, heads, head_dim].
static LogicalResult verifyHeads(Operation *op, const Tensor &flat, const Tensor &heads) {
  Checker check(op);
  check.activation(flat).activation(heads).sameType(heads, flat).same("tokens", heads, 0, flat, 0);
  return check.require(
      check.failed() || heads.dim(1).scale * heads.dim(2).scale == flat.dim(1).scale,
      [&](auto &&out) {
        out << heads.name << " has " << toString(heads.dim(1)) << " heads of head_dim "
            << toString(heads.dim(2)) << ", which do not make the " << toString(flat.dim(1))
            << " columns of " << flat.name;
      });
}

LogicalResult SplitHeadsOp::verify() {
  return verifyHeads(*this, Tensor("input", getInput()), Tensor("result", getResult()));
}

LogicalResult MergeHeadsOp::verify() {
  return verifyHeads(*this, Tensor("result", getResult()), Tensor("input", getInput()));
}

/// `input` is rotated by `table`.
static Checker &verifyRotation(Checker &check, const Tensor &input, const Tensor &table) {
  return check.activation(input)
      .activation(table)
      .same("tokens", table, 0, input, 0)
      .same("head_dim", table, 1, input, 2)
      .require(input.dim(2).scale % 2 == 0,
               [&](auto &&out) {
                 out << input.name << " has head_dim = " << toString(input.dim(2))
                     << "; it must be even, as halves are rotated";
               })
      .computesIn("computes in its table's type", table.type.getElementType(), input)
      .keeps(PrecisionRegion::Compute, "rotates", input.type.getElementType())
      .keeps(PrecisionRegion::Rotary, "has a table of", table.type.getElementType());
}

LogicalResult RopeOp::verify() {
  Checker check(*this);
  return verifyRotation(check, Tensor("input", getInput()), Tensor("table", getTable()));
}

LogicalResult RopeQkOp::verify() {
  Tensor query("query", getQuery()), key("key", getKey()), table("table", getTable());
  Checker check(*this);
  verifyRotation(check, query, table);
  return verifyRotation(check, key, table).sameType(key, query);
}

LogicalResult AddOp::verify() {
  return Checker(*this).activation(Tensor("result", getResult()));
}
LogicalResult MulOp::verify() {
  return Checker(*this).activation(Tensor("result", getResult()));
}
LogicalResult SiluOp::verify() {
  return Checker(*this).activation(Tensor("result", getResult()));
}

LogicalResult SwigluOp::verify() {
  Tensor gate("gate", getGate()), result("result", getResult());
  Checker check(*this);
  check.activation(gate).same("rows", result, 0, gate, 0).sameType(result, gate);
  if (!getUp())
    return check.is("columns", gate, 1, result.dim(1).scale * 2, "twice those of the result");
  Tensor up("up", getUp());
  return check.same("n", gate, 1, result, 1)
      .same("rows", up, 0, gate, 0)
      .same("n", up, 1, gate, 1)
      .sameType(up, gate);
}

LogicalResult GatherRowsOp::verify() {
  Tensor input("input", getInput()), indices("indices", getIndices()),
      result("result", getResult());
  return Checker(*this)
      .activation(input)
      .activation(indices)
      .same("rows", result, 0, indices, 0)
      .same("n", result, 1, input, 1)
      .sameType(result, input);
}

//===- Attention ------------------------------------------------------------------------------===//

/// The heads and head_dim of keys and values are those of the cache, as is the type.
static LogicalResult verifyCached(Checker &check, const Tensor &tensor, KvCacheType cache) {
  return check.is("head_dim", tensor, 2, cache.getHeadDim(), "the head_dim of the cache")
      .require(tensor.type.getElementType() == cache.getElementType(), [&](auto &&out) {
        out << tensor.name << " has elements of type " << tensor.type.getElementType()
            << ", but the cache of type " << cache.getElementType() << "; they must be equal";
      });
}

/// Nothing uses the cache that `op` appends to afterwards.
template <typename Op> static void requireConsumed(Checker &check, Op op) {
  for (Operation *user : op.getCache().getUsers())
    check.require(user == op || user->getBlock() != op->getBlock() || user->isBeforeInBlock(op),
                  [&](auto &&out) {
                    out << "consumes a cache that " << user->getName()
                        << " uses afterwards; whatever comes after must use the result";
                  });
}

LogicalResult KvAppendOp::verify() {
  Tensor key("key", getKey()), value("value", getValue()), slots("slot_mapping", getSlotMapping());
  KvCacheType cache = getCache().getType();
  Checker check(*this);
  check.activation(key).activation(value).activation(slots);
  for (const Tensor &tensor : {key, value}) {
    check.is("kv_heads", tensor, 1, cache.getHeads(), "the heads of the cache");
    if (failed(verifyCached(check, tensor, cache)))
      return failure();
    check.same("tokens", slots, 0, tensor, 0);
  }
  requireConsumed(check, *this);
  return check;
}

/// What split_qkv and append_qkv share; keys and values are `kvHeads` heads each.
template <typename Op> static void verifySplit(Checker &check, Op op, int64_t kvHeads) {
  Tensor qkv("qkv", op.getQkv()), query("query", op.getQuery());
  check.activation(qkv).activation(query).sameType(query, qkv).same("tokens", query, 0, qkv, 0);
  if (check.failed())
    return;
  const int64_t heads = query.dim(1).scale, headDim = query.dim(2).scale;
  check.is("columns", qkv, 1, (heads + 2 * kvHeads) * headDim,
           "the heads of queries, keys and values times head_dim");
  const bool norms = bool(op.getQueryNorm());
  check.require(
      norms == bool(op.getKeyNorm()) && norms == op.getEps().has_value(),
      [&](auto &&out) { out << "has one of query_norm, key_norm and eps; legal are all or none"; });
  check.require(norms || op.getCompute().isF32(), [&](auto &&out) {
    out << "computes in " << op.getCompute() << ", but has no norms";
  });
  if (check.failed())
    return;
  if (norms) {
    auto [legal, message] = positive("eps", *op.getEps());
    for (const Tensor &norm :
         {Tensor("query_norm", op.getQueryNorm()), Tensor("key_norm", op.getKeyNorm())})
      check.constant(norm).same("head_dim", norm, 0, query, 2).sameType(norm, qkv);
    check.require(legal, message)
        .computesIn("computes in", op.getCompute(), qkv)
        .keeps(PrecisionRegion::Layernorm, "computes in", op.getCompute());
  }
  if (op.getTable())
    verifyRotation(check, query, Tensor("table", op.getTable()));
  check.keeps(PrecisionRegion::Compute, "splits", qkv.type.getElementType());
}

LogicalResult SplitQkvOp::verify() {
  Tensor qkv("qkv", getQkv()), query("query", getQuery()), key("key", getKey());
  Checker check(*this);
  check.activation(key);
  if (!check.failed())
    verifySplit(check, *this, key.dim(1).scale);
  return check.sameType(key, qkv).same("tokens", key, 0, qkv, 0).same("head_dim", key, 2, query, 2);
}

LogicalResult AppendQkvOp::verify() {
  Tensor query("query", getQuery()), slots("slot_mapping", getSlotMapping());
  Checker check(*this);
  verifySplit(check, *this, getCache().getType().getHeads());
  if (check.failed() || failed(verifyCached(check, query, getCache().getType())))
    return failure();
  check.activation(slots).same("tokens", slots, 0, query, 0);
  requireConsumed(check, *this);
  return check;
}

LogicalResult AttentionOp::verify() {
  Tensor query("query", getQuery()), start("query_start", getQueryStart()),
      lengths("context_lens", getContextLens()), tables("block_tables", getBlockTables());
  KvCacheType cache = getCache().getType();
  auto [legal, message] = positive("scale", getScale());
  Checker check(*this);
  if (failed(verifyCached(check.activation(query), query, cache)))
    return failure();
  check
      .require(query.dim(1).scale % cache.getHeads() == 0,
               [&](auto &&out) {
                 out << "query has heads = " << toString(query.dim(1))
                     << "; legal are multiples of the " << cache.getHeads() << " KV heads";
               })
      .constant(start)
      .is("sequences", lengths, 0, Symbol::Sequences, "a row per sequence")
      .is("sequences", tables, 0, Symbol::Sequences, "a row per sequence")
      .require(tables.dim(1).isConstant(),
               [&](auto &&out) {
                 out << "block_tables is of shape " << shapeString(tables.type)
                     << "; the second dimension must be constant";
               })
      .require(legal, message)
      .computesIn("has a softmax in", getSoftmax(), query)
      .keeps(PrecisionRegion::Compute, "has a query of", query.type.getElementType())
      .keeps(PrecisionRegion::Softmax, "has a softmax in", getSoftmax());
  if (LimitsAttr limits = findLimits(*this))
    check.is("size", start, 0, limits.getMaxBatch() + 1, "max_batch + 1")
        .is("max_blocks", tables, 1, limits.getMaxBlocksPerSequence(),
            "max_seq_len / block_size rounded up");
  return check;
}

} // namespace vinci::llm
