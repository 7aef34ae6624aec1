// RUN: vinci-opt %s --lower-to-npu | FileCheck %s
// The steps of a mixture of experts as kernels, as one of two ranks has them: two of four experts, tokens of both ranks.

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x6_tokens = #llm.dims<["tokens*6"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.mesh = #llm.mesh<axes = [2]>,
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xbf16>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xbf16, #tokens>) -> tensor<?x8xf32, #tokens> {
    %first = llm.rank_constant @first_expert dense<[[0], [2]]> : tensor<2x1xi32>
    %router = llm.weight @router from "layers.{layer}.r" : tensor<4x8xbf16>
    %w = llm.weight @w from "layers.{layer}.w.{}" stack 2 : tensor<2x8x8xbf16>
    %lm_head = llm.weight @lm_head from "h" : tensor<8x8xbf16>
    %all = llm.all_gather %x over [0] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #x2_tokens>
    %logits = llm.matmul %all, %router : (tensor<?x8xbf16, #x2_tokens>, tensor<4x8xbf16>) -> tensor<?x4xf32, #x2_tokens>
    %probabilities = llm.softmax %logits : tensor<?x4xf32, #x2_tokens>
    %values, %indices = llm.top_k %probabilities k 3 : tensor<?x4xf32, #x2_tokens> -> tensor<?x3xf32, #x2_tokens>, tensor<?x3xi32, #x2_tokens>
    %weights = llm.normalize_rows %values : tensor<?x3xf32, #x2_tokens>
    %row_of = llm.argsort %indices num_experts 2 first %first : tensor<1xi32> : tensor<?x3xi32, #x2_tokens> -> tensor<?xi32, #x6_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x6_tokens>
    %offsets = llm.expert_offsets %indices num_experts 2 first %first : tensor<1xi32> : tensor<?x3xi32, #x2_tokens> -> tensor<3xi32>
    %rows = llm.permute_tokens %all by %row_of : (tensor<?x8xbf16, #x2_tokens>, tensor<?xi32, #x6_tokens>) -> tensor<?x8xbf16, #x6_tokens>
    %0 = llm.grouped_matmul %rows, %w rows %row_of offsets %offsets
        : (tensor<?x8xbf16, #x6_tokens>, tensor<2x8x8xbf16>, tensor<?xi32, #x6_tokens>, tensor<3xi32>) -> tensor<?x8xbf16, #x6_tokens>
    %choices = llm.unpermute_tokens %0 by %position_of : (tensor<?x8xbf16, #x6_tokens>, tensor<?xi32, #x6_tokens>) -> tensor<?x8xbf16, #x6_tokens>
    %sum = llm.weighted_sum %choices, %weights : (tensor<?x8xbf16, #x6_tokens>, tensor<?x3xf32, #x2_tokens>) -> tensor<?x8xbf16, #x2_tokens>
    %own = llm.reduce_scatter %sum over [0] : tensor<?x8xbf16, #x2_tokens> -> tensor<?x8xbf16, #tokens>
    // With all experts, sorting reads no constant.
    %every = llm.argsort %indices num_experts 4 : tensor<?x3xi32, #x2_tokens> -> tensor<?xi32, #x6_tokens>
    %out = llm.matmul %own, %lm_head : (tensor<?x8xbf16, #tokens>, tensor<8x8xbf16>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %out = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// CHECK: npu.constant @first_expert
// CHECK-LABEL: npu.body @layer(
// CHECK: npu.launch "softmax" writes(arena @layer.softmax) reads(arena @layer.router) {n = 4, rows_per_token = 2}
// CHECK-NEXT: npu.launch "top_k" writes(arena @layer.top_k.values, arena @layer.top_k.indices) reads(arena @layer.softmax) {num_experts = 4, rows_per_token = 2, top_k = 3}
// CHECK-NEXT: npu.launch "normalize_rows" writes(arena @layer.normalize_rows) reads(arena @layer.top_k.values) {n = 3, rows_per_token = 2}
// CHECK-NEXT: npu.launch "argsort" writes(arena @layer.argsort) reads(arena @layer.top_k.indices, constant @first_expert) {num_experts = 2, rows_per_token = 2, sharded = 1, top_k = 3}
// CHECK-NEXT: npu.launch "inverse_permutation" writes(arena @layer.inverse_permutation) reads(arena @layer.argsort) {rows_per_token = 6}
// CHECK-NEXT: npu.launch "expert_offsets" writes(arena @layer.expert_offsets) reads(arena @layer.top_k.indices, constant @first_expert) {num_experts = 2, rows_per_token = 2, sharded = 1, top_k = 3}
// CHECK-NEXT: npu.launch "permute_tokens" writes(arena @layer.permute_tokens) reads(arena @layer.all_gather, arena @layer.argsort) {dtype = "bfloat16", n = 8, rows_per_token = 2, top_k = 3}
// CHECK-NEXT: npu.launch "grouped_matmul" {{.*}} {dtype = "bfloat16", gather = 0, k = 8, n = 8, num_experts = 2, rows_per_token = 1, top_k = 6}
// CHECK-NEXT: npu.launch "unpermute_tokens" writes(arena @layer.unpermute_tokens) reads(arena @layer.w, arena @layer.inverse_permutation) {dtype = "bfloat16", n = 8, rows_per_token = 6}
// CHECK-NEXT: npu.launch "weighted_sum" writes(arena @layer.weighted_sum) reads(arena @layer.unpermute_tokens, arena @layer.normalize_rows) {dtype = "bfloat16", n = 8, rows_per_token = 2, top_k = 3}
// CHECK-NEXT: npu.launch "reduce_scatter"
// CHECK-NEXT: npu.launch "argsort" writes(arena @layer.argsort.1) reads(arena @layer.top_k.indices) {num_experts = 4, rows_per_token = 2, sharded = 0, top_k = 3}
