//===- LlmFusedOps.td - what fusions make of chains that end in int8, or begin with experts -----===//
#ifndef VINCI_IR_LLM_LLMFUSEDOPS_TD
#define VINCI_IR_LLM_LLMFUSEDOPS_TD

include "ir/llm/LlmQuantOps.td"

// Ops of this file quantise as llm.quantize with `by scale, offset`, and as llm.dynamic_quantize without; then they have a
// second result, the scales. They are made after partitioning.

def Llm_RmsNormQuantOp : Llm_ComputeOp<"rms_norm_quant", [
    Pure, AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "Root mean square normalisation, of a residual sum if asked, as int8.";
  let description = [{
    `sum[..] = round(x[..] + residual[..])` as in `llm.add` if there is a residual, x if not; `result` is the quantised
    `llm.rms_norm` of it: by `llm.quantize` if `by` is there, else by `llm.dynamic_quantize`, whose scales are the result
    `scale`. The normalised value is rounded to the element type of x before it is quantised: the same bits as by the ops
    one by one, but it never reaches memory.

    ```mlir
    %0 = llm.rms_norm_quant %hidden, %weight eps 1.0e-06 by %input_scale, %input_offset
        : (tensor<?x256xbf16, #tokens>, tensor<256xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x256xi8, #tokens>
    %1, %scale, %sum = llm.rms_norm_quant %attention, %weight eps 1.0e-06 residual %hidden
        : (tensor<?x256xbf16, #tokens>, tensor<256xbf16>, tensor<?x256xbf16, #tokens>)
        -> tensor<?x256xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `(t,n),(n),(n),(t,n),(u),(u)->(t,n),(t),(t,n)`; n is never sharded, no operand may be a partial sum.
    Cost: 8 FLOPs per element, one more each of a bias, a residual and scales of its own; t·n·(D + 1) + n·D bytes, + n·D with a
    bias, + 2·t·n·D with a residual, + 4·t with scales: 2·t·n·D less than by the ops.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, n]">:$input, Llm_FloatTensor<[1], "[n]">:$weight,
                       Optional<Llm_FloatTensor<[1], "[n]">>:$bias,
                       Optional<Llm_FloatTensor<[2], "as the input">>:$residual,
                       Optional<Llm_F32Tensor<[1], "[1]">>:$quant_scale,
                       Optional<Llm_F32Tensor<[1], "[1]">>:$quant_offset, F64Attr:$eps, TypeAttr:$compute);
  let results = (outs Llm_Int8Tensor<[2], "[rows, n]">:$result, Optional<Llm_F32Tensor<[1], "[rows]">>:$scale,
                      Optional<Llm_FloatTensor<[2], "as the input">>:$sum);
  let assemblyFormat = [{
    $input `,` $weight `eps` custom<PlainFloat>($eps) `` custom<ComputeType>($compute) (`bias` $bias^)?
    (`residual` $residual^)? (`by` $quant_scale^ `,` $quant_offset)? attr-dict `:` `(` type(operands) `)` `->` type($result) (`scale` type($scale)^)?
    (`sum` type($sum)^)?
  }];
}

def Llm_SwigluQuantOp : Llm_ComputeOp<"swiglu_quant", [Pure, AttrSizedOperandSegments]> {
  let summary = "A gated linear unit as int8.";
  let description = [{
    The quantised `llm.swiglu` of one or two operands: by `llm.quantize` if `by` is there, else by `llm.dynamic_quantize`. The
    activation is rounded to the element type of the gate before it is quantised: the same bits as by the ops one by one.

    ```mlir
    %0, %scale = llm.swiglu_quant %gate_up : (tensor<?x1536xbf16, #tokens>)
        -> tensor<?x768xi8, #tokens> scale tensor<?xf32, #tokens>
    %1 = llm.swiglu_quant %gate, %up by %input_scale, %input_offset
        : (tensor<?x768xbf16, #tokens>, tensor<?x768xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x768xi8, #tokens>
    ```
    Sharding rule: `(r,i),(r,i),(u),(u)->(r,i),(r)`, and `(r,2i),(u),(u)->(r,i),(r)` as in `llm.swiglu`; i sharded: each rank has
    scales of its own.
    Cost: about 25 FLOPs and 2·D + 1 bytes per element of the result (+ 4·r with scales), 2·D bytes less than by the ops.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, n], or [rows, 2 * n] alone">:$gate,
                       Optional<Llm_FloatTensor<[2], "[rows, n]">>:$up,
                       Optional<Llm_F32Tensor<[1], "[1]">>:$quant_scale,
                       Optional<Llm_F32Tensor<[1], "[1]">>:$quant_offset);
  let results = (outs Llm_Int8Tensor<[2], "[rows, n]">:$result, Optional<Llm_F32Tensor<[1], "[rows]">>:$scale);
  let assemblyFormat = [{
    $gate (`,` $up^)? (`by` $quant_scale^ `,` $quant_offset)? attr-dict `:` `(` type(operands) `)` `->` type($result)
    (`scale` type($scale)^)?
  }];
}

def Llm_GroupedMatmulSwigluOp : Llm_ComputeOp<"grouped_matmul_swiglu", [Pure]> {
  let summary = "Each sorted row times gate and up of its expert, and the gated linear unit of both.";
  let description = [{
    `llm.swiglu` of one operand, the `llm.grouped_matmul` of x and a weight whose rows are those of the gate and then those of
    up. The product is rounded to the element type of x: the same bits as by the two ops.

    ```mlir
    %0 = llm.grouped_matmul_swiglu %x, %gate_up_proj rows %row_of offsets %expert_offsets gather
        : (tensor<?x256xbf16, #tokens>, tensor<8x256x256xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x128xbf16, #x2_tokens>
    ```
    n, the columns of the result, is a multiple of 32: gate and up are whole panels of the weight.

    Sharding rule: `(r,k),(r,2j,k),(r),(o)->(r,j)`, with `gather` `(t,k),(r,2j,k),(r),(o)->(r,j)`; 2j being two segments that are
    sharded alike, k never.
    Cost: 4·r·j·k + 21·r·j FLOPs; (r·k + r·j)·D + 2·a·j·k·D + 4·r bytes, a being the experts that have rows; 4·r·j·D less than by the
    ops.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, k] or [tokens*top_k, k]">:$input,
                       Llm_FloatTensor<[3], "[num_experts, 2 * n, k]">:$weight,
                       Llm_IntTensor<[1], "[tokens*top_k]">:$row_of,
                       Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets, UnitAttr:$gather);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight `rows` $row_of `offsets` $expert_offsets (`gather` $gather^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Llm_GroupedMatmulSwigluQuantOp : Llm_ComputeOp<"grouped_matmul_swiglu_quant", [Pure]> {
  let summary = "The same on int8, with the scales of the result's rows.";
  let description = [{
    `llm.dynamic_quantize` of the `llm.swiglu` of the `llm.grouped_dynamic_quant_matmul`, whose result would be of the type
    after `in` (f32, if it is not there): the product and the activation are rounded to it, so it is the same bits as by the
    three ops. Rows are read and sorted as in `llm.grouped_matmul`.

    ```mlir
    %1, %scale_1 = llm.grouped_matmul_swiglu_quant %0 scale %scale, %gate_up_proj scale %weight_scale rows %row_of
        offsets %expert_offsets gather in bf16
        : (tensor<?x256xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x256x256xi8>, tensor<8x256x1xf32>,
           tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x128xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
    ```
    n, the columns of the result, is a multiple of 32 and at most 16384: a row is kept until its scale is known.

    Sharding rule: `(r,k),(r),(r,2j,k),(r,2j,u),(r),(o)->(r,j),(r)`, with `gather` `(t,k),(t),…`; 2j being two segments that are
    sharded alike, each rank with scales of its own; k never.
    Cost: 4·r·j·k int8 operations, 26·r·j FLOPs; r·k + 8·r + 2·a·j·(k + 4) + r·j + 4·r bytes, a being the experts that have rows;
    6·r·j·D less than by the ops.
  }];
  let arguments = (ins Llm_Int8Tensor<[2], "[tokens, k] or [tokens*top_k, k]">:$input,
                       Llm_F32Tensor<[1], "a scale per row of the input">:$scale,
                       Llm_Int8Tensor<[3], "[num_experts, 2 * n, k]">:$weight,
                       Llm_F32Tensor<[3], "[num_experts, 2 * n, 1]">:$weight_scale,
                       Llm_IntTensor<[1], "[tokens*top_k]">:$row_of,
                       Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets, UnitAttr:$gather, TypeAttr:$element_type);
  let results = (outs Llm_Int8Tensor<[2], "[tokens*top_k, n]">:$result,
                      Llm_F32Tensor<[1], "[tokens*top_k]">:$result_scale);
  let assemblyFormat = [{
    $input `scale` $scale `,` $weight `scale` $weight_scale `rows` $row_of `offsets` $expert_offsets (`gather` $gather^)?
    `` custom<ComputeType>($element_type) attr-dict `:` functional-type(operands, results)
  }];
}

#endif
