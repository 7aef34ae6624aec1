#include "runtime/exec/plan_tensors.h"

#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace vinci {

namespace {

bool inArenaOrOutput(const fb::Operand &operand) {
  return operand.space() == fb::Space::Arena || operand.space() == fb::Space::Output;
}

/// Columns of a concatenated value.
struct Part {
  std::string name;
  const fb::Shard *shard = nullptr;
  uint64_t columns = 0;
};

/// What is known of a value while the commands are gone through.
struct Value {
  std::string name;
  int32_t layer = -1;
  uint32_t written = 0; ///< by which command
  const fb::Shard *shard = nullptr;
  std::set<uint32_t> partial;          ///< axes over which it is, or will be, a part of a sum
  TensorForm form = TensorForm::Plain; ///< never PartialSum, which follows from `partial`
  std::vector<Part> parts; ///< if it is concatenated; name and shard are then those of the first
};

class Describer {
public:
  Describer(const fb::Plan &plan, const fb::Entry &entry) : plan_(plan), entry_(entry) {}

  std::vector<std::vector<PlanTensor>> run() {
    for (const fb::Call *call : *entry_.calls())
      for (uint32_t i = 0; i < plan_.bodies()->Get(call->body())->commands()->size(); ++i) {
        const fb::Command &command = *plan_.bodies()->Get(call->body())->commands()->Get(i);
        if (computesFirst(*plan_.kernels()->Get(command.kernel())))
          result_.emplace_back(); // parts of a sum, where the sum will be
        result_.push_back(describe(*call, i));
      }
    return std::move(result_);
  }

private:
  /// A command with what it reads.
  struct Reading {
    const fb::Call &call;
    const fb::Body &body;
    const fb::Kernel &kernel;
    std::string_view op;
    std::vector<const Value *> values;  ///< of arena and output, in the order of the operands
    const fb::Weight *weight = nullptr; ///< the first
    std::vector<std::string> weightNames;
    bool rankConstant = false;

    /// True if it quantises by scales of the rows' own what another op would have made.
    bool quantisesRows() const {
      return op == "dynamic_quantize" || op == "grouped_matmul_swiglu_quant" ||
             (op == "swiglu_quant" && weightNames.empty()) ||
             (op == "rms_norm_quant" && weightNames.size() <= 2); // weight and bias, no scale
    }

    /// True if those scales are of rows that it has a part of: it reads the largest values of all.
    bool scalesWholeRows() const { return op == "dynamic_quantize" && values.size() == 2; }

    /// Which part of queries, keys and values this output of a split is; null: of no split.
    const Part *split(uint32_t output) const {
      const bool splits = op == "split_qkv" || op == "append_qkv";
      return splits && output < values[0]->parts.size() ? &values[0]->parts[output] : nullptr;
    }

    /// The value that was written last: of a residual and what is added to it, the latter.
    const Value &latest() const {
      return **std::ranges::max_element(values, {}, [](auto *value) { return value->written; });
    }
  };

  std::vector<PlanTensor> describe(const fb::Call &call, uint32_t ordinal);
  Reading read(const fb::Call &call, const fb::Command &command);
  Value outputOf(const Reading &reading, uint32_t output);
  void nameOutput(const Reading &reading, uint32_t output, Value &value) const;
  bool nameGatedOrQuantised(const Reading &reading, uint32_t output, Value &value) const;
  void placeOutput(const Reading &reading, uint32_t output, Value &value) const;
  void setSizes(const fb::Operand &operand, PlanTensor &tensor) const;

  const fb::Plan &plan_;
  const fb::Entry &entry_;
  std::map<std::pair<fb::Space, uint32_t>, Value> values_;
  std::vector<std::vector<PlanTensor>> result_;
};

Describer::Reading Describer::read(const fb::Call &call, const fb::Command &command) {
  const fb::Body &body = *plan_.bodies()->Get(call.body());
  const fb::Kernel &kernel = *plan_.kernels()->Get(command.kernel());
  Reading reading{call, body, kernel, kernel.op()->string_view(), {}, nullptr, {}, false};
  for (uint32_t i = kernel.outputs(); i < command.operand_count(); ++i) {
    const fb::Operand &operand = *body.operands()->Get(command.operand_first() + i);
    if (operand.space() == fb::Space::Constant)
      reading.rankConstant |= plan_.constants()->Get(operand.index())->per_rank();
    if (operand.space() == fb::Space::Parameter) {
      const fb::Binding &binding = *call.bindings()->Get(operand.index());
      if (binding.kind() == fb::BindingKind::Weight) {
        if (!reading.weight)
          reading.weight = plan_.weights()->Get(binding.index());
        reading.weightNames.push_back(body.parameters()->Get(operand.index())->str());
      }
    }
    if (inArenaOrOutput(operand))
      reading.values.push_back(&values_[{operand.space(), operand.index()}]);
  }
  return reading;
}

/// Data that moves between ranks or within a rank, and stays what it is.
bool onlyMoves(const fb::Kernel &kernel) {
  return (kernel.collective() && !computesFirst(kernel)) ||
         kernel.op()->string_view() == "join_columns";
}

/// The shard of this kind, if it cuts anything.
const fb::Shard *shardOf(const fb::WeightPiece &piece, fb::ShardKind kind) {
  for (const fb::Shard *shard : *piece.shards())
    if (shard->kind() == kind && shard->parts() > 1)
      return shard;
  return nullptr;
}

/// What each piece of a weight makes: q_proj, from model.layers.0.self_attn.q_proj.weight.
std::vector<Part> partsOf(const fb::Weight &weight) {
  std::vector<Part> parts;
  for (const fb::WeightPiece *piece : *weight.pieces()) {
    std::string name = piece->source()->str();
    if (name.ends_with(".weight"))
      name.resize(name.size() - std::string_view(".weight").size());
    const fb::Shard *shard = shardOf(*piece, fb::ShardKind::Rows);
    parts.push_back({name.substr(name.rfind('.') + 1), shard,
                     partSize(piece->shape()->Get(0), shard ? shard->parts() : 1)});
  }
  return parts;
}

/// Names the output of a norm, a product or a swiglu that goes on to the next op of the chain;
/// false for those of other ops, and for the sum before a norm.
bool Describer::nameGatedOrQuantised(const Reading &reading, uint32_t output, Value &value) const {
  const std::string_view op = reading.op;
  if (op == "rms_norm_quant") {
    const bool hasSum = reading.values.size() == 2;
    if (hasSum && output + 1 == reading.kernel.outputs())
      return false;
    value.name = reading.weightNames[0];
  } else if (op == "swiglu_quant") {
    value.layer = reading.values[0]->layer;
    value.name = reading.values[0]->name + ".swiglu";
  } else if (op.starts_with("grouped_matmul_swiglu")) {
    value.name = partsOf(*reading.weight)[0].name + ".swiglu";
  } else {
    return false;
  }
  if (reading.quantisesRows())
    value.name += output == 0 ? ".dynamic_quantize" : ".dynamic_quantize.1";
  else if (op.ends_with("_quant"))
    value.name += ".quantize";
  return true;
}

/// The names are those of the unfused computation where a fused op computes the same.
void Describer::nameOutput(const Reading &reading, uint32_t output, Value &value) const {
  const std::string_view op = reading.op;
  auto derive = [&](const Value &from, std::string_view suffix) {
    value.layer = from.layer;
    value.name = fmt::format("{}.{}", from.name, suffix);
  };
  /// Of a step that goes on from `last`: what both come to has the name of the fused op.
  auto continues = [&](std::string_view last, std::string_view suffix) {
    Value from = *reading.values[0];
    if (from.name.ends_with(last) && from.name.size() > last.size())
      from.name.resize(from.name.size() - last.size() - 1);
    derive(from, suffix);
  };
  if (const Part *part = reading.split(output)) {
    // Norms and rotations, where they are fused, are of queries and keys.
    const bool normed = output<reading.weightNames.size(), rotated = reading.values.size()> 1;
    value.name = normed ? reading.weightNames[output] : part->name;
    value.name += rotated && output < 2 ? ".rope" : "";
    return;
  }
  if (nameGatedOrQuantised(reading, output, value))
    return;
  // A quantisation is named by what it reads: its scale belongs to any one of the linears after it.
  if (reading.weight && output == 0 && op != "quantize") {
    value.name = reading.weightNames[0];
    return;
  }
  if (reading.values.empty() || op == "attention") {
    value.name = op;
  } else if (onlyMoves(reading.kernel)) {
    value.layer = reading.values[0]->layer;
    value.name = reading.values[0]->name;
  } else if (op == "add" || op == "add_rms_norm" || op == "rms_norm_quant") {
    derive(reading.latest(), "sum");
  } else if (op == "rope_qk") {
    derive(*reading.values[output], "rope");
  } else if (op == "mul" && reading.values[0]->name.ends_with(".silu")) {
    continues("silu", "swiglu");
  } else if (op == "top_k") {
    continues("softmax", output == 0 ? "top_k" : "experts");
  } else if (op == "normalize_rows") {
    continues("top_k", "weights");
  } else if (op == "moe_route") {
    derive(*reading.values[0], output == 0 ? "weights" : "experts");
  } else if (op == "moe_sort" && output < 2) {
    derive(*reading.values[0], output == 0 ? "argsort" : "argsort.inverse_permutation");
  } else if (op == "moe_sort") {
    derive(*reading.values[0], "expert_offsets");
  } else if (op == "weighted_sum") {
    continues("unpermute_tokens", "moe_combine");
  } else {
    derive(*reading.values[0], output == 0 ? std::string(op) : fmt::format("{}.{}", op, output));
  }
}

/// Follows the shards of the weights through the program.
void Describer::placeOutput(const Reading &reading, uint32_t output, Value &value) const {
  for (const Value *input : reading.values) {
    value.shard = value.shard ? value.shard : input->shard;
    value.partial.insert(input->partial.begin(), input->partial.end());
    value.form = std::max(value.form, input->form);
  }
  if (const Part *part = reading.split(output)) {
    value.shard = part->shard;
    return;
  }
  if (reading.scalesWholeRows()) { // every rank has the scales of one device
    value.shard = output == 0 ? reading.values[0]->shard : nullptr;
    value.form = reading.values[0]->form;
    return;
  }
  if (reading.op == "rope_qk") // keys may be cut into fewer parts than queries
    value.shard = reading.values[output]->shard;
  if (reading.quantisesRows() && value.shard)
    value.form = TensorForm::OtherOrder;
  if (const fb::Collective *collective = reading.kernel.collective();
      collective && !computesFirst(reading.kernel)) {
    const bool gathers =
        collective->kind() == fb::CollectiveKind::AllGather && !collective->whole();
    value.form = gathers ? TensorForm::OtherOrder : TensorForm::Plain;
    if (collective->kind() != fb::CollectiveKind::AllGather)
      for (uint32_t axis : *collective->axes())
        value.partial.erase(axis);
    return;
  }
  if (reading.op == "join_columns") {
    value.shard = nullptr;
    value.form = TensorForm::Plain;
  }
  const std::string_view op = reading.op;
  if ((op == "moe_combine" || op == "unpermute_tokens") && value.form == TensorForm::ByExpert)
    value.form = TensorForm::Plain;
  if ((op == "moe_sort" || op == "argsort" || op == "expert_offsets") && reading.rankConstant)
    value.form = TensorForm::ByExpert;
  if (!reading.weight)
    return;
  auto isPartialOver = [&](const fb::Shard *shard) {
    if (shard)
      value.partial.insert(shard->axes()->begin(), shard->axes()->end());
  };
  const fb::WeightPiece &piece = *reading.weight->pieces()->Get(0);
  const fb::Shard *rows = shardOf(piece, fb::ShardKind::Rows);
  if (reading.op == "embedding")
    isPartialOver(rows); // zeros for the tokens of other ranks
  else if (rows)
    value.shard = rows;
  if (const fb::Shard *columns = shardOf(piece, fb::ShardKind::Columns)) {
    value.shard = rows;
    isPartialOver(columns);
  }
  isPartialOver(shardOf(piece, fb::ShardKind::Stack)); // once the experts are combined
  if (reading.quantisesRows() && value.shard)
    value.form = TensorForm::OtherOrder;
  if (const fb::Collective *sum = reading.kernel.collective())
    for (uint32_t axis : *sum->axes())
      value.partial.erase(axis);
}

Value Describer::outputOf(const Reading &reading, uint32_t output) {
  Value value;
  value.layer = reading.call.layer();
  value.written = uint32_t(result_.size());
  nameOutput(reading, output, value);
  placeOutput(reading, output, value);
  if (reading.weight && reading.weight->pieces()->size() > 1 && reading.op.ends_with("matmul")) {
    value.parts = partsOf(*reading.weight);
    value.name = value.parts[0].name;
  }
  return value;
}

void Describer::setSizes(const fb::Operand &operand, PlanTensor &tensor) const {
  auto set = [&](const auto &what) {
    tensor.dtype = toDType(what.dtype());
    tensor.rows = {VINCI_DIM_ONE, 1};
    tensor.columns = 1;
    for (const fb::Dim *dim : *what.dims())
      if (dim->symbol() == fb::Symbol::One)
        tensor.columns *= dim->scale();
      else
        tensor.rows = {VinciDim(dim->symbol()), dim->scale()};
  };
  if (operand.space() == fb::Space::Arena)
    set(*plan_.buffers()->Get(operand.index()));
  else
    set(*entry_.outputs()->Get(operand.index()));
}

std::vector<PlanTensor> Describer::describe(const fb::Call &call, uint32_t ordinal) {
  const fb::Body &body = *plan_.bodies()->Get(call.body());
  const fb::Command &command = *body.commands()->Get(ordinal);
  const Reading reading = read(call, command);
  std::vector<std::pair<std::pair<fb::Space, uint32_t>, Value>> written;
  std::vector<PlanTensor> tensors;
  for (uint32_t output = 0; output < reading.kernel.outputs(); ++output) {
    const fb::Operand &operand = *body.operands()->Get(command.operand_first() + output);
    if (!inArenaOrOutput(operand)) // the KV cache: what goes into it was written before
      continue;
    const Value value = outputOf(reading, output);
    PlanTensor &tensor = tensors.emplace_back();
    tensor.name = value.name;
    tensor.layer = value.layer;
    tensor.op = fmt::format("llm.{}", reading.op);
    if (const auto *debug = plan_.debug(); debug && call.body() < debug->size())
      tensor.location = debug->Get(call.body())->locations()->Get(ordinal)->str();
    tensor.output = output;
    tensor.form = value.form == TensorForm::Plain && !value.partial.empty() ? TensorForm::PartialSum
                                                                            : value.form;
    tensor.shard = value.shard;
    setSizes(operand, tensor);
    if (tensor.rows.symbol == VINCI_DIM_TOKEN_SHARES)
      tensor.form = TensorForm::OtherOrder;
    tensor.rowColumns = tensor.columns;
    if (!value.parts.empty()) {
      const PlanTensor whole = tensor;
      tensors.pop_back();
      uint64_t first = 0;
      for (const Part &part : value.parts) {
        PlanTensor &piece = tensors.emplace_back(whole);
        piece.name = part.name;
        piece.shard = part.shard;
        piece.columns = part.columns;
        piece.firstColumn = std::exchange(first, first + part.columns);
      }
    }
    written.push_back({{operand.space(), operand.index()}, value});
  }
  // Only now: outputs may be where inputs are.
  for (auto &[place, value] : written)
    values_[place] = value;
  return tensors;
}

} // namespace

std::vector<std::vector<PlanTensor>> tensorsOf(const fb::Plan &plan, const fb::Entry &entry) {
  return Describer(plan, entry).run();
}

} // namespace vinci
