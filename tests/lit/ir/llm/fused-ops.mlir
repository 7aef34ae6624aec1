// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// The ops that fusions make of chains, with and without what is optional, and their kernels.
// RUN: vinci-opt %s --lower-to-npu | FileCheck %s --check-prefix=NPU

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "qwen3_moe", vocab_size = 32, hidden_size = 16, num_hidden_layers = 1,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @all(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x32xf32, #tokens> {
    %embed = llm.weight @embed_tokens from "e" : tensor<32x16xbf16>
    %x = llm.embedding %token_ids, %embed : (tensor<?xi32, #tokens>, tensor<32x16xbf16>) -> tensor<?x16xbf16, #tokens>
    %norm = llm.weight @norm from "{layer}.n" : tensor<16xbf16>
    %nb = llm.weight @norm.bias from "{layer}.nb" : tensor<16xbf16>
    %s = llm.weight @input_scale from "s" equal ["t"] : tensor<1xf32>
    %o = llm.weight @input_offset from "o" : tensor<1xf32>
    %qkv = llm.weight @qkv_proj from "q" : tensor<64x16xi8>
    %qb = llm.weight @quant_bias from "qb" : tensor<64xi32>
    %qd = llm.weight @deq_scale from "qd" : tensor<64xf32>
    %router = llm.weight @router from "r" : tensor<8x16xbf16>
    %gate_up = llm.weight @gate_up_proj from "g.{}" [32, 16], "u.{}" [32, 16] stack 8 : tensor<8x64x16xi8>
    %gs = llm.weight @gate_up_proj.weight_scale from "gs.{}" [32, 1], "us.{}" [32, 1] stack 8 : tensor<8x64x1xf32>
    %float = llm.weight @float_experts from "fg.{}" [32, 16], "fu.{}" [32, 16] stack 8 : tensor<8x64x16xbf16>
    %down = llm.weight @down_proj from "d.{}" stack 8 : tensor<8x16x32xi8>
    %ds = llm.weight @down_proj.weight_scale from "ds.{}" stack 8 : tensor<8x16x1xf32>
    %head = llm.weight @lm_head from "e" : tensor<32x16xbf16>
    %0 = llm.rms_norm_quant %x, %norm eps 1.0e-06 by %s, %o
        : (tensor<?x16xbf16, #tokens>, tensor<16xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
    %1 = llm.quant_matmul %0, %qkv, %qb, %qd : (tensor<?x16xi8, #tokens>, tensor<64x16xi8>, tensor<64xi32>, tensor<64xf32>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.swiglu_quant %1 by %s, %o : (tensor<?x64xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
    %3, %s3 = llm.swiglu_quant %x, %x : (tensor<?x16xbf16, #tokens>, tensor<?x16xbf16, #tokens>) -> tensor<?x16xi8, #tokens> scale tensor<?xf32, #tokens>
    %4, %s4, %sum4 = llm.rms_norm_quant %x, %norm eps 1.0e-06 in bf16 bias %nb residual %x
        : (tensor<?x16xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>, tensor<?x16xbf16, #tokens>)
        -> tensor<?x16xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x16xbf16, #tokens>
    %5, %sum5 = llm.rms_norm_quant %sum4, %norm eps 1.0e-06 residual %x by %s, %o
        : (tensor<?x16xbf16, #tokens>, tensor<16xbf16>, tensor<?x16xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>)
        -> tensor<?x16xi8, #tokens> sum tensor<?x16xbf16, #tokens>
    %logits = llm.matmul %sum5, %router : (tensor<?x16xbf16, #tokens>, tensor<8x16xbf16>) -> tensor<?x8xf32, #tokens>
    %weights, %experts = llm.moe_route %logits top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
    %6, %s6 = llm.grouped_matmul_swiglu_quant %4 scale %s4, %gate_up scale %gs rows %row_of offsets %offsets gather in bf16
        : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x16xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
    %7 = llm.grouped_dynamic_quant_matmul %6 scale %s6, %down scale %ds rows %row_of offsets %offsets
        : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<8x16x32xi8>, tensor<8x16x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x16xbf16, #x2_tokens>
    %8 = llm.grouped_matmul_swiglu %7, %float rows %row_of offsets %offsets
        : (tensor<?x16xbf16, #x2_tokens>, tensor<8x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
    %9 = llm.matmul %sum5, %head : (tensor<?x16xbf16, #tokens>, tensor<32x16xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %9 : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @all layer 0 (%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %0 : tensor<?x32xf32, #tokens>
  }
}

// CHECK: llm.rms_norm_quant %{{.*}}, %norm eps 1.0e-06 by %input_scale, %input_offset : (tensor<?x16xbf16, #tokens>, tensor<16xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
// CHECK: llm.swiglu_quant %{{.*}} by %input_scale, %input_offset : (tensor<?x64xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
// CHECK: llm.swiglu_quant %{{.*}}, %{{.*}} : (tensor<?x16xbf16, #tokens>, tensor<?x16xbf16, #tokens>) -> tensor<?x16xi8, #tokens> scale tensor<?xf32, #tokens>
// CHECK: llm.rms_norm_quant %{{.*}}, %norm eps 1.0e-06 in bf16 bias %norm.bias residual %{{.*}} : (tensor<?x16xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>, tensor<?x16xbf16, #tokens>) -> tensor<?x16xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x16xbf16, #tokens>
// CHECK: llm.rms_norm_quant %{{.*}}, %norm eps 1.0e-06 residual %{{.*}} by %input_scale, %input_offset : {{.*}} -> tensor<?x16xi8, #tokens> sum tensor<?x16xbf16, #tokens>
// CHECK: llm.grouped_matmul_swiglu_quant %{{.*}} scale %{{.*}}, %gate_up_proj scale %gate_up_proj.weight_scale rows %row_of offsets %expert_offsets gather in bf16 : {{.*}} -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
// CHECK: llm.grouped_matmul_swiglu %{{.*}}, %float_experts rows %row_of offsets %expert_offsets : {{.*}} -> tensor<?x32xbf16, #x2_tokens>

// NPU: npu.weight @input_scale from "s" equal ["t"] packing rows : tensor<1xf32>
// NPU: npu.buffer @all.norm : tensor<?x16xi8, #tokens>
// NPU: npu.buffer @all.swiglu_quant : tensor<?x32xi8, #tokens>
// NPU: npu.buffer @all.swiglu_quant.1 : tensor<?x16xi8, #tokens>
// NPU-NEXT: npu.buffer @all.swiglu_quant.scale : tensor<?xf32, #tokens>
// NPU-NEXT: npu.buffer @all.norm.1 : tensor<?x16xi8, #tokens>
// NPU-NEXT: npu.buffer @all.norm.scale : tensor<?xf32, #tokens>
// NPU-NEXT: npu.buffer @all.norm.sum : tensor<?x16xbf16, #tokens>
// NPU: npu.buffer @all.gate_up_proj : tensor<?x32xi8, #x2_tokens>
// NPU-NEXT: npu.buffer @all.gate_up_proj.scale : tensor<?xf32, #x2_tokens>

// NPU: npu.launch "rms_norm_quant" writes(arena @all.norm) reads(arena @all.embed_tokens, parameter @norm, parameter @input_scale, parameter @input_offset) {bias = 0, compute = "float32", dtype = "bfloat16", dynamic = 0, eps = {{.*}}, n = 16, residual = 0, rows = "tokens"}
// NPU: npu.launch "swiglu_quant" writes(arena @all.swiglu_quant) reads(arena @all.qkv_proj, parameter @input_scale, parameter @input_offset) {dtype = "bfloat16", dynamic = 0, n = 32, rows_per_token = 1, two_operands = 0}
// NPU-NEXT: npu.launch "swiglu_quant" writes(arena @all.swiglu_quant.1, arena @all.swiglu_quant.scale) reads(arena @all.embed_tokens, arena @all.embed_tokens) {dtype = "bfloat16", dynamic = 1, n = 16, rows_per_token = 1, two_operands = 1}
// NPU-NEXT: npu.launch "rms_norm_quant" writes(arena @all.norm.1, arena @all.norm.scale, arena @all.norm.sum) reads(arena @all.embed_tokens, arena @all.embed_tokens, parameter @norm, parameter @norm.bias) {bias = 1, compute = "bfloat16", dtype = "bfloat16", dynamic = 1, eps = {{.*}}, n = 16, residual = 1, rows = "tokens"}
// NPU-NEXT: npu.launch "rms_norm_quant" writes(arena @all.norm.2, arena @all.norm.sum.1) reads(arena @all.norm.sum, arena @all.embed_tokens, parameter @norm, parameter @input_scale, parameter @input_offset) {bias = 0, compute = "float32", dtype = "bfloat16", dynamic = 0, {{.*}}, residual = 1, rows = "tokens"}
// NPU: npu.launch "grouped_matmul_swiglu_quant" writes(arena @all.gate_up_proj, arena @all.gate_up_proj.scale) reads(arena @all.norm.1, arena @all.norm.scale, arena @all.moe_sort.row_of, arena @all.moe_sort.expert_offsets, parameter @gate_up_proj, parameter @gate_up_proj.weight_scale) {dtype = "bfloat16", gather = 1, k = 16, n = 32, num_experts = 8, rows_per_token = 1, top_k = 2}
// NPU: npu.launch "grouped_matmul_swiglu" writes(arena @all.float_experts) reads(arena @all.down_proj, arena @all.moe_sort.row_of, arena @all.moe_sort.expert_offsets, parameter @float_experts) {dtype = "bfloat16", gather = 0, k = 16, n = 32, num_experts = 8, rows_per_token = 1, top_k = 2}
