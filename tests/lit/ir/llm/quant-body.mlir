// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// Every op on int8, in a float layer's company: layers of different schemes are called in any order.

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "qwen3_moe", vocab_size = 32, hidden_size = 16, num_hidden_layers = 5,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x16xbf16, #tokens> {
    %embed_tokens = llm.weight @embed_tokens from "embed_tokens.weight" : tensor<32x16xbf16>
    %0 = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<32x16xbf16>) -> tensor<?x16xbf16, #tokens>
    llm.return %0 : tensor<?x16xbf16, #tokens>
  }
  llm.body @float_layer(%hidden: tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens> {
    %proj = llm.weight @proj from "layers.{layer}.proj.weight" : tensor<16x16xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x4xbf16>
    %0 = llm.matmul %hidden, %proj : (tensor<?x16xbf16, #tokens>, tensor<16x16xbf16>) -> tensor<?x16xbf16, #tokens>
    %1 = llm.add %hidden, %0 : tensor<?x16xbf16, #tokens>
    llm.return %1 : tensor<?x16xbf16, #tokens>
  }
  llm.body @layer_w8a8(%hidden: tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens> {
    %proj = llm.weight @proj from "layers.{layer}.proj.weight" : tensor<16x16xi8>
    %input_scale = llm.weight @proj.input_scale from "layers.{layer}.proj.input_scale" : tensor<1xf32>
    %input_offset = llm.weight @proj.input_offset from "layers.{layer}.proj.input_offset" : tensor<1xf32>
    %quant_bias = llm.weight @proj.quant_bias from "layers.{layer}.proj.quant_bias" : tensor<16xi32>
    %deq_scale = llm.weight @proj.deq_scale from "layers.{layer}.proj.deq_scale" : tensor<16xf32>
    %0 = llm.quantize %hidden, %input_scale, %input_offset
        : (tensor<?x16xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
    %1 = llm.quant_matmul %0, %proj, %quant_bias, %deq_scale
        : (tensor<?x16xi8, #tokens>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xf32>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.add %hidden, %1 : tensor<?x16xbf16, #tokens>
    llm.return %2 : tensor<?x16xbf16, #tokens>
  }
  llm.body @layer_w8a8_dynamic(%hidden: tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens> {
    %proj = llm.weight @proj from "layers.{layer}.proj.weight" : tensor<16x16xi8>
    %weight_scale = llm.weight @proj.weight_scale from "layers.{layer}.proj.weight_scale" : tensor<16x1xf32>
    %bias = llm.weight @proj.bias from "layers.{layer}.proj.bias" : tensor<16xbf16>
    %router = llm.weight @router from "layers.{layer}.router.weight" : tensor<8x16xbf16>
    %up_proj = llm.weight @up_proj from "layers.{layer}.experts.{}.up_proj.weight" stack 8 : tensor<8x12x16xi8>
    %up_scale = llm.weight @up_proj.weight_scale from "layers.{layer}.experts.{}.up_proj.weight_scale" stack 8 : tensor<8x12x1xf32>
    %down_proj = llm.weight @down_proj from "layers.{layer}.experts.{}.down_proj.weight" stack 8 : tensor<8x16x12xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "layers.{layer}.experts.{}.down_proj.weight_scale" stack 8 : tensor<8x16x1xf32>
    %0, %s0 = llm.dynamic_quantize %hidden : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %1 = llm.dynamic_quant_matmul %0 scale %s0, %proj scale %weight_scale bias %bias
        : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.dynamic_quant_matmul %0 scale %s0, %proj scale %weight_scale
        : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.add %1, %2 : tensor<?x16xbf16, #tokens>
    %logits = llm.matmul %3, %router : (tensor<?x16xbf16, #tokens>, tensor<8x16xbf16>) -> tensor<?x8xf32, #tokens>
    %weights, %experts = llm.moe_route %logits top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
    %4, %s4 = llm.dynamic_quantize %3 : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %up = llm.grouped_dynamic_quant_matmul %4 scale %s4, %up_proj scale %up_scale rows %row_of offsets %offsets gather
        : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x12x16xi8>, tensor<8x12x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x12xbf16, #x2_tokens>
    %5, %s5 = llm.dynamic_quantize %up : tensor<?x12xbf16, #x2_tokens> -> tensor<?x12xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %down = llm.grouped_dynamic_quant_matmul %5 scale %s5, %down_proj scale %down_scale rows %row_of offsets %offsets
        : (tensor<?x12xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<8x16x12xi8>, tensor<8x16x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x16xbf16, #x2_tokens>
    %6 = llm.moe_combine %down, %position_of, %weights
        : (tensor<?x16xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x16xbf16, #tokens>
    %7 = llm.add %hidden, %6 : tensor<?x16xbf16, #tokens>
    llm.return %7 : tensor<?x16xbf16, #tokens>
  }
  llm.body @layer_w8a16(%hidden: tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens> {
    %proj = llm.weight @proj from "layers.{layer}.proj.weight" : tensor<16x16xi8>
    %weight_scale = llm.weight @proj.weight_scale from "layers.{layer}.proj.weight_scale" : tensor<16x1xf32>
    %bias = llm.weight @proj.bias from "layers.{layer}.proj.bias" : tensor<16xbf16>
    %router = llm.weight @router from "layers.{layer}.router.weight" : tensor<8x16xbf16>
    %up_proj = llm.weight @up_proj from "layers.{layer}.experts.{}.up_proj.weight" stack 8 : tensor<8x16x16xi8>
    %up_scale = llm.weight @up_proj.weight_scale from "layers.{layer}.experts.{}.up_proj.weight_scale" stack 8 : tensor<8x16x1xf32>
    %0 = llm.weight_quant_matmul %hidden, %proj scale %weight_scale bias %bias
        : (tensor<?x16xbf16, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
    %1 = llm.weight_quant_matmul %0, %proj scale %weight_scale
        : (tensor<?x16xbf16, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>) -> tensor<?x16xbf16, #tokens>
    %logits = llm.matmul %1, %router : (tensor<?x16xbf16, #tokens>, tensor<8x16xbf16>) -> tensor<?x8xf32, #tokens>
    %weights, %experts = llm.moe_route %logits top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
    %up = llm.grouped_weight_quant_matmul %1, %up_proj scale %up_scale rows %row_of offsets %offsets gather
        : (tensor<?x16xbf16, #tokens>, tensor<8x16x16xi8>, tensor<8x16x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x16xbf16, #x2_tokens>
    %again = llm.grouped_weight_quant_matmul %up, %up_proj scale %up_scale rows %row_of offsets %offsets
        : (tensor<?x16xbf16, #x2_tokens>, tensor<8x16x16xi8>, tensor<8x16x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x16xbf16, #x2_tokens>
    %2 = llm.moe_combine %again, %position_of, %weights
        : (tensor<?x16xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x16xbf16, #tokens>
    llm.return %3 : tensor<?x16xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x16xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %lm_head = llm.weight @lm_head from "embed_tokens.weight" : tensor<32x16xbf16>
    %logits = llm.matmul %hidden, %lm_head : (tensor<?x16xbf16, #tokens>, tensor<32x16xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %logits : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x16xbf16, #tokens>
    %1 = llm.call @layer_w8a8 layer 0 (%0) : (tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.call @float_layer layer 1 (%1) : (tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.call @layer_w8a8_dynamic layer 2 (%2) : (tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %4 = llm.call @layer_w8a8 layer 3 (%3) : (tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %5 = llm.call @layer_w8a16 layer 4 (%4) : (tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %6 = llm.call @epilogue(%5) : (tensor<?x16xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %6 : tensor<?x32xf32, #tokens>
  }
}

// CHECK: %proj.quant_bias = llm.weight @proj.quant_bias from "layers.{layer}.proj.quant_bias" : tensor<16xi32>
// CHECK: %[[X:.*]] = llm.quantize %hidden, %proj.input_scale, %proj.input_offset : (tensor<?x16xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
// CHECK: llm.quant_matmul %[[X]], %proj, %proj.quant_bias, %proj.deq_scale : (tensor<?x16xi8, #tokens>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xf32>) -> tensor<?x16xbf16, #tokens>
// CHECK: %up_proj.weight_scale = llm.weight @up_proj.weight_scale from "layers.{layer}.experts.{}.up_proj.weight_scale" stack 8 : tensor<8x12x1xf32>
// CHECK: %[[X:.*]], %[[S:.*]] = llm.dynamic_quantize %hidden : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
// CHECK: llm.dynamic_quant_matmul %[[X]] scale %[[S]], %proj scale %proj.weight_scale bias %proj.bias : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
// CHECK: llm.dynamic_quant_matmul %[[X]] scale %[[S]], %proj scale %proj.weight_scale : (
// CHECK: llm.grouped_dynamic_quant_matmul %{{.*}} scale %{{.*}}, %up_proj scale %up_proj.weight_scale rows %row_of offsets %expert_offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x12x16xi8>, tensor<8x12x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x12xbf16, #x2_tokens>
// CHECK: llm.grouped_dynamic_quant_matmul %{{.*}} scale %{{.*}}, %down_proj scale %down_proj.weight_scale rows %row_of offsets %expert_offsets : (
// CHECK: %[[Y:.*]] = llm.weight_quant_matmul %hidden, %proj scale %proj.weight_scale bias %proj.bias : (tensor<?x16xbf16, #tokens>, tensor<16x16xi8>, tensor<16x1xf32>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
// CHECK: llm.weight_quant_matmul %[[Y]], %proj scale %proj.weight_scale : (
// CHECK: %[[Z:.*]] = llm.grouped_weight_quant_matmul %{{.*}}, %up_proj scale %up_proj.weight_scale rows %row_of offsets %expert_offsets gather : (tensor<?x16xbf16, #tokens>, tensor<8x16x16xi8>, tensor<8x16x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x16xbf16, #x2_tokens>
// CHECK: llm.grouped_weight_quant_matmul %[[Z]], %up_proj scale %up_proj.weight_scale rows %row_of offsets %expert_offsets : (
