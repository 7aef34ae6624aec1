//===- LlmQuantOps.td - int8 activations, products with int8 weights --------------------------===//
#ifndef VINCI_IR_LLM_LLMQUANTOPS_TD
#define VINCI_IR_LLM_LLMQUANTOPS_TD

include "ir/llm/LlmDenseOps.td"

class Llm_Int8Tensor<list<int> ranks, string shape>
    : Llm_TensorOf<[I8], ranks, "tensor of i8 of shape " # shape>;

def Llm_QuantizeOp : Llm_ComputeOp<"quantize", [Pure], "(t,k),(u!),(u!)->(t,k)"> {
  let summary = "Activations as int8, with a scale and an offset that are known in advance.";
  let description = [{
    `result[t, k] = clamp(round(x[t, k] / scale[0] + offset[0]), -128, 127)` in float32, rounding to nearest, ties to even;
    NaN gives 0.

    ```mlir
    %0 = llm.quantize %x, %input_scale, %input_offset
        : (tensor<?x256xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x256xi8, #tokens>
    ```
    Sharding rule: `(t,k),(u!),(u!)->(t,k)`; x may not be a partial sum.
    Cost: about 4 FLOPs and D + 1 bytes per element.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, k]">:$input, Llm_F32Tensor<[1], "[1]">:$scale,
                       Llm_F32Tensor<[1], "[1]">:$offset);
  let results = (outs Llm_Int8Tensor<[2], "[tokens, k]">:$result);
  let assemblyFormat = "$input `,` $scale `,` $offset attr-dict `:` functional-type(operands, results)";
}

def Llm_RowMaxOp : Llm_ComputeOp<"row_max", [Pure], "(r,k)->(r,k)"> {
  let summary = "The largest absolute value of each row.";
  let description = [{
    `result[r, 0] = max_k(|x[r, k]|)`, exact; an infinity is above all numbers and NaN above that.

    ```mlir
    %0 = llm.row_max %x : tensor<?x256xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    ```
    Sharding rule: `(r,k)->(r,k)`; k sharded: each rank has that of its part of the row, a column for each rank, which
    llm.all_gather puts one below the other for `llm.dynamic_quantize`. x may not be a partial sum.
    Cost: about 2 FLOPs and D bytes per element; 4·r bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, k]">:$input);
  let results = (outs Llm_F32Tensor<[2], "[rows, 1]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Llm_DynamicQuantizeOp : Llm_ComputeOp<"dynamic_quantize", [Pure], "(r,k),(m!,u!)->(r,k),(r)"> {
  let summary = "Activations as int8, with a scale of each row's own.";
  let description = [{
    `scale[r] = max_k(|x[r, k]|) / 127` and `result[r, k] = clamp(round(x[r, k] / scale[r]), -128, 127)` in float32,
    rounding to nearest, ties to even. Where `scale[r]` is 0, so is the row; a row that holds NaN or an infinity has such a
    scale.

    With `row_max` x is a part of rows that are divided among p ranks, and the scale is that of the whole row:
    `scale[r] = max_i(row_max[i * rows + r, 0]) / 127` for i < p, of the `llm.row_max` of each rank.

    ```mlir
    %0, %scale = llm.dynamic_quantize %x : tensor<?x256xbf16, #tokens> -> tensor<?x256xi8, #tokens>, tensor<?xf32, #tokens>
    %m = llm.row_max %y : tensor<?x128xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    %all = llm.all_gather %m over [0] : tensor<?x1xf32, #tokens> -> tensor<?x1xf32, #x2_tokens>
    %1, %scale1 = llm.dynamic_quantize %y row_max %all : tensor<?x128xbf16, #tokens>, tensor<?x1xf32, #x2_tokens>
        -> tensor<?x128xi8, #tokens>, tensor<?xf32, #tokens>
    ```
    Sharding rule: `(r,k),(m!,u!)->(r,k),(r)`; k sharded: each rank has scales of its own, for a product that it scales itself;
    with `row_max`, gathered over the axes that k is sharded over, all have the same. x may not be a partial sum.
    Cost: about 5 FLOPs and D + 1 bytes per element, 3 FLOPs with `row_max`; 4·r bytes, + 4·p·r with `row_max`.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, k]">:$input, Optional<Llm_F32Tensor<[2], "[p * rows, 1]">>:$row_max);
  let results = (outs Llm_Int8Tensor<[2], "[rows, k]">:$result, Llm_F32Tensor<[1], "[rows]">:$scale);
  let assemblyFormat = [{
    $input (`row_max` $row_max^)? attr-dict `:` type($input) (`,` type($row_max)^)? `->` type($result) `,` type($scale)
  }];
}

def Llm_QuantMatmulOp : Llm_ComputeOp<"quant_matmul", [Pure], "(i,k),(j,k),(j),(j)->(i,j)"> {
  let summary = "A projection of llm.quantize'd activations by an int8 weight.";
  let description = [{
    `result[i, j] = (sum_k(x[i, k] * weight[j, k]) + quant_bias[j]) * deq_scale[j]`: the sum in int32, exact; then float32,
    rounded once. With the scales and the offset of x and the scale of each row of the weight, `deq_scale = scale *
    weight_scale`, and `quant_bias = round(bias / deq_scale) - offset * sum_k(weight[j, k])` takes the offset out again.

    ```mlir
    %1 = llm.quant_matmul %0, %q_proj, %quant_bias, %deq_scale
        : (tensor<?x256xi8, #tokens>, tensor<512x256xi8>, tensor<512xi32>, tensor<512xf32>) -> tensor<?x512xbf16, #tokens>
    ```
    Sharding rule: `(i,k),(j,k),(j),(j)->(i,j)`; k sharded: the result is a partial sum, and `quant_bias`, which is about all
    of k, is added on one rank.
    Cost: 2·i·j·k int8 operations; i·k + j·k + 8·j + i·j·D bytes.
  }];
  let arguments = (ins Llm_Int8Tensor<[2], "[tokens, k]">:$input, Llm_Int8Tensor<[2], "[n, k]">:$weight,
                       Llm_IntTensor<[1], "[n]">:$quant_bias, Llm_F32Tensor<[1], "[n]">:$deq_scale);
  let results = (outs Llm_FloatTensor<[2], "[tokens, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight `,` $quant_bias `,` $deq_scale attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_DynamicQuantMatmulOp : Llm_ComputeOp<"dynamic_quant_matmul", [Pure], "(i,k),~(i),(j,k),(j,u!),(j)->(i,j)"> {
  let summary = "A projection of llm.dynamic_quantize'd activations by an int8 weight.";
  let description = [{
    `result[i, j] = sum_k(x[i, k] * weight[j, k]) * scale[i] * weight_scale[j, 0] + bias[j]`: the sum in int32, exact; then
    float32 from left to right, rounded once.

    ```mlir
    %1 = llm.dynamic_quant_matmul %0 scale %scale, %down_proj scale %weight_scale bias %bias
        : (tensor<?x512xi8, #tokens>, tensor<?xf32, #tokens>, tensor<256x512xi8>, tensor<256x1xf32>, tensor<256xbf16>)
        -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `(i,k),~(i),(j,k),(j,u!),(j)->(i,j)`; k sharded: the result is a partial sum, each rank with the scales
    that its slice of x was quantised by, and the bias is added on one rank.
    Cost: 2·i·j·k int8 operations; i·k + j·k + 4·(i + j) + i·j·D bytes (+ j·D with a bias).
  }];
  let arguments = (ins Llm_Int8Tensor<[2], "[tokens, k]">:$input, Llm_F32Tensor<[1], "[tokens]">:$scale,
                       Llm_Int8Tensor<[2], "[n, k]">:$weight, Llm_F32Tensor<[2], "[n, 1]">:$weight_scale,
                       Optional<Llm_FloatTensor<[1], "[n]">>:$bias);
  let results = (outs Llm_FloatTensor<[2], "[tokens, n]">:$result);
  let assemblyFormat = [{
    $input `scale` $scale `,` $weight `scale` $weight_scale (`bias` $bias^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Llm_GroupedDynamicQuantMatmulOp : Llm_ComputeOp<"grouped_dynamic_quant_matmul", [Pure]> {
  let summary = "Each sorted row, as int8, times the int8 weight of its expert.";
  let description = [{
    For the rows r of expert e: `result[r, j] = sum_k(x'[r, k] * weight[e, j, k]) * scale'[r] * weight_scale[e, j, 0]`,
    computed as in `llm.dynamic_quant_matmul`. `x'[r]` and `scale'[r]` are row `row_of[r] / top_k` of x and scale if `gather`
    is there, and row r if not, as in `llm.grouped_matmul`.

    ```mlir
    %1 = llm.grouped_dynamic_quant_matmul %0 scale %scale, %gate_proj scale %weight_scale rows %row_of
        offsets %expert_offsets gather
        : (tensor<?x256xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x128x256xi8>, tensor<8x128x1xf32>,
           tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x128xbf16, #x2_tokens>
    ```
    Sharding rule: `(r,k),~(r),(r,j,k),(r,j,u!),(r),(o!)->(r,j)`, with `gather`
    `(t!,k),~(t!),(r,j,k),(r,j,u!),(r),(o!)->(r,j)`; k and r as in `llm.grouped_matmul`.
    Cost: 2·r·j·k int8 operations; r·k + 4·r + a·j·(k + 4) + r·j·D + 4·r bytes, a being the experts that have rows.
  }];
  let arguments = (ins Llm_Int8Tensor<[2], "[tokens, k] or [tokens*top_k, k]">:$input,
                       Llm_F32Tensor<[1], "a scale per row of the input">:$scale,
                       Llm_Int8Tensor<[3], "[num_experts, n, k]">:$weight,
                       Llm_F32Tensor<[3], "[num_experts, n, 1]">:$weight_scale,
                       Llm_IntTensor<[1], "[tokens*top_k]">:$row_of,
                       Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets, UnitAttr:$gather);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = [{
    $input `scale` $scale `,` $weight `scale` $weight_scale `rows` $row_of `offsets` $expert_offsets (`gather` $gather^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::llvm::StringRef getShardingRule() {
      return getGather() ? "(t!,k),~(t!),(r,j,k),(r,j,u!),(r),(o!)->(r,j)"
                         : "(r,k),~(r),(r,j,k),(r,j,u!),(r),(o!)->(r,j)";
    }
  }];
}

def Llm_WeightQuantMatmulOp : Llm_ComputeOp<"weight_quant_matmul", [Pure], "(i,k),(j,k),(j,u!),(j)->(i,j)"> {
  let summary = "A projection of activations as they are by an int8 weight (W8A16).";
  let description = [{
    `result[i, j] = sum_k(x[i, k] * weight[j, k]) * weight_scale[j, 0] + bias[j]`: a sum in float32 over k = 0, 1, 2, …, as in
    `llm.matmul`, scaled at the end and rounded once.

    ```mlir
    %0 = llm.weight_quant_matmul %x, %down_proj scale %weight_scale bias %bias
        : (tensor<?x512xbf16, #tokens>, tensor<256x512xi8>, tensor<256x1xf32>, tensor<256xbf16>)
        -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `(i,k),(j,k),(j,u!),(j)->(i,j)`; k sharded: the result is a partial sum, and the bias is added on one rank.
    Cost: 2·i·j·k FLOPs; i·k·D + j·k + 4·j + i·j·D bytes (+ j·D with a bias).
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, k]">:$input, Llm_Int8Tensor<[2], "[n, k]">:$weight,
                       Llm_F32Tensor<[2], "[n, 1]">:$weight_scale, Optional<Llm_FloatTensor<[1], "[n]">>:$bias);
  let results = (outs Llm_FloatTensor<[2], "[tokens, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight `scale` $weight_scale (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_GroupedWeightQuantMatmulOp : Llm_ComputeOp<"grouped_weight_quant_matmul", [Pure]> {
  let summary = "Each sorted row, as it is, times the int8 weight of its expert.";
  let description = [{
    For the rows r of expert e: `result[r, j] = sum_k(x'[r, k] * weight[e, j, k]) * weight_scale[e, j, 0]`, computed as in
    `llm.weight_quant_matmul`, with `x'` as in `llm.grouped_matmul`.

    ```mlir
    %0 = llm.grouped_weight_quant_matmul %x, %gate_proj scale %weight_scale rows %row_of offsets %expert_offsets gather
        : (tensor<?x256xbf16, #tokens>, tensor<8x128x256xi8>, tensor<8x128x1xf32>, tensor<?xi32, #x2_tokens>,
           tensor<9xi32>) -> tensor<?x128xbf16, #x2_tokens>
    ```
    Sharding rule: `(r,k),(r,j,k),(r,j,u!),(r),(o!)->(r,j)`, with `gather` `(t!,k),(r,j,k),(r,j,u!),(r),(o!)->(r,j)`; k and r as
    in `llm.grouped_matmul`.
    Cost: 2·r·j·k FLOPs; (r·k + r·j)·D + a·j·(k + 4) + 4·r bytes, a being the experts that have rows.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, k] or [tokens*top_k, k]">:$input,
                       Llm_Int8Tensor<[3], "[num_experts, n, k]">:$weight,
                       Llm_F32Tensor<[3], "[num_experts, n, 1]">:$weight_scale,
                       Llm_IntTensor<[1], "[tokens*top_k]">:$row_of,
                       Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets, UnitAttr:$gather);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight `scale` $weight_scale `rows` $row_of `offsets` $expert_offsets (`gather` $gather^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::llvm::StringRef getShardingRule() {
      return getGather() ? "(t!,k),(r,j,k),(r,j,u!),(r),(o!)->(r,j)" : "(r,k),(r,j,k),(r,j,u!),(r),(o!)->(r,j)";
    }
  }];
}

#endif
