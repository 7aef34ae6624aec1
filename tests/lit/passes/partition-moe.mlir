// Experts among two pairs of ranks, the width of each between the two of a pair: partial sums over both are added once, at the end.
// RUN: vinci-opt %s --pass-pipeline='builtin.module(partition{world=4 attention-tp=4 moe-tp=2 embedding-tp=4 lm-head-tp=4})' | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>

// CHECK: llm.mesh = #llm.mesh<axes = [2, 2]>
module attributes {llm.limits = #llm.limits<max_seq_len = 2048, max_tokens_per_step = 512, max_batch = 8, kv_blocks = 64, block_size = 128>} {
  // CHECK-LABEL: llm.body @quantised_experts
  // CHECK-NEXT: %first_expert = llm.rank_constant @first_expert dense<{{\[\[}}0], [0], [4], [4]]> : tensor<4x1xi32>
  // CHECK-NOT: llm.rank_constant
  // CHECK: llm.weight @gate_proj from "g.{}" [32, 64] rows 2 over [1] experts 2 over [0] stack 4 : tensor<4x16x64xi8>
  // CHECK: llm.weight @down_proj from "d.{}" [64, 32] columns 2 over [1] experts 2 over [0] stack 4 : tensor<4x64x16xi8>
  // CHECK-NOT: llm.all_
  // CHECK: %[[ROWS:.*]] = llm.argsort %{{.*}} num_experts 4 first %first_expert
  // CHECK: llm.expert_offsets %{{.*}} num_experts 4 first %first_expert {{.*}} -> tensor<5xi32>
  // CHECK: %[[PERMUTED:.*]] = llm.permute_tokens %x by %[[ROWS]] : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
  // CHECK: llm.dynamic_quantize %[[PERMUTED]]
  // CHECK: %[[SUM:.*]] = llm.weighted_sum
  // CHECK-NEXT: %[[ALL:.*]] = llm.all_reduce %[[SUM]] over [0, 1] : tensor<?x64xbf16, #tokens>
  // CHECK-NEXT: llm.return %[[ALL]]
  llm.body @quantised_experts(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %router = llm.weight @router from "r" : tensor<8x64xbf16>
    %gate_proj = llm.weight @gate_proj from "g.{}" stack 8 : tensor<8x32x64xi8>
    %gate_scale = llm.weight @gate_proj.weight_scale from "gs.{}" stack 8 : tensor<8x32x1xf32>
    %down_proj = llm.weight @down_proj from "d.{}" stack 8 : tensor<8x64x32xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "ds.{}" stack 8 : tensor<8x64x1xf32>
    %0 = llm.matmul %x, %router : (tensor<?x64xbf16, #tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #tokens>
    %probabilities = llm.softmax %0 : tensor<?x8xf32, #tokens>
    %values, %experts = llm.top_k %probabilities k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %weights = llm.normalize_rows %values : tensor<?x2xf32, #tokens>
    %row_of = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
    %offsets = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
    %rows = llm.permute_tokens %x by %row_of : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %1, %s1 = llm.dynamic_quantize %rows : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %2 = llm.grouped_dynamic_quant_matmul %1 scale %s1, %gate_proj scale %gate_scale rows %row_of offsets %offsets : (tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<8x32x64xi8>, tensor<8x32x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
    %3 = llm.silu %2 : tensor<?x32xbf16, #x2_tokens>
    %4, %s4 = llm.dynamic_quantize %3 : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %5 = llm.grouped_dynamic_quant_matmul %4 scale %s4, %down_proj scale %down_scale rows %row_of offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<8x64x32xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x64xbf16, #x2_tokens>
    %choices = llm.unpermute_tokens %5 by %position_of : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %6 = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
    llm.return %6 : tensor<?x64xbf16, #tokens>
  }
}
