// Four ranks: two groups of data, two ranks of tensor parallelism each; experts among all four.
// RUN: vinci-opt %s --pass-pipeline='builtin.module(partition{world=4 attention-tp=2 moe-tp=1 embedding-tp=2 lm-head-tp=1})' | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#sequences = #llm.dims<["sequences"]>

// CHECK: llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>
module attributes {llm.limits = #llm.limits<max_seq_len = 2048, max_tokens_per_step = 512, max_batch = 8, kv_blocks = 64, block_size = 128>} {
  // The vocabulary of 11 is padded to 12; partial sums are summed before they are returned.
  // CHECK-LABEL: llm.body @embed
  // CHECK: %vocab_start = llm.rank_constant @vocab_start dense<{{\[\[}}0], [6], [0], [6]]> : tensor<4x1xi32>
  // CHECK: llm.weight @embed_tokens from "e" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
  // CHECK: %[[PART:.*]] = llm.embedding %token_ids, %embed_tokens start %vocab_start
  // CHECK: %[[SUM:.*]] = llm.all_reduce %[[PART]] over [1]
  // CHECK: llm.return %[[SUM]]
  llm.body @embed(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %embed_tokens = llm.weight @embed_tokens from "e" : tensor<11x64xbf16>
    %0 = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<11x64xbf16>) -> tensor<?x64xbf16, #tokens>
    llm.return %0 : tensor<?x64xbf16, #tokens>
  }

  // One KV head is on both ranks of a group. The bias of a product by columns counts once. Sums wait for the op that needs them.
  // CHECK-LABEL: llm.body @attention
  // CHECK: llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
  // CHECK: llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
  // CHECK: llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
  // CHECK: llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
  // CHECK: llm.kv_cache : !llm.kv_cache<1x16xbf16>
  // CHECK: llm.attention {{.*}} : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>
  // CHECK: %[[O:.*]] = llm.matmul {{.*}}, %o_proj bias %o_proj.bias
  // CHECK-NEXT: %[[TWICE:.*]] = llm.add %[[O]], %[[O]]
  // CHECK-NEXT: %[[SUM:.*]] = llm.all_reduce %[[TWICE]] over [1]
  // CHECK-NEXT: llm.add %x, %[[SUM]]
  llm.body @attention(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                      %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" : tensor<64x64xbf16>
    %k_proj = llm.weight @k_proj from "k" : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" : tensor<64x64xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" : tensor<64xbf16>
    %cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %q = llm.split_heads %0 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
    %k = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %v = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %3 = llm.kv_append %k, %v into %cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %4 = llm.attention %q, %3, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %5 = llm.merge_heads %4 : tensor<?x4x16xbf16, #tokens> -> tensor<?x64xbf16, #tokens>
    %6 = llm.matmul %5, %o_proj bias %o_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %7 = llm.add %6, %6 : tensor<?x64xbf16, #tokens>
    %8 = llm.add %x, %7 : tensor<?x64xbf16, #tokens>
    llm.return %8 : tensor<?x64xbf16, #tokens>
  }

  // Tokens are gathered once, before the routing; each rank sorts by its two experts, as one constant says; sums go back to the
  // groups of data, and to both ranks of each.
  // CHECK-LABEL: llm.body @experts
  // CHECK: %first_expert = llm.rank_constant @first_expert dense<{{\[\[}}0], [2], [4], [6]]> : tensor<4x1xi32>
  // CHECK: llm.weight @gate_proj from "g.{}" [32, 64] experts 4 over [0, 1] stack 2 : tensor<2x32x64xbf16>
  // CHECK: %[[ALL:.*]] = llm.all_gather %x over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #x2_tokens>
  // CHECK: llm.matmul %[[ALL]], %router
  // CHECK: %[[W:.*]], %[[E:.*]] = llm.top_k
  // CHECK: %[[ROWS:.*]] = llm.argsort %[[E]] num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<?xi32, #x4_tokens>
  // CHECK: %[[PLACES:.*]] = llm.inverse_permutation %[[ROWS]] : tensor<?xi32, #x4_tokens>
  // CHECK: %[[OFFSETS:.*]] = llm.expert_offsets %[[E]] num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<3xi32>
  // CHECK: %[[PERMUTED:.*]] = llm.permute_tokens %[[ALL]] by %[[ROWS]]
  // CHECK: llm.grouped_matmul %[[PERMUTED]], %gate_proj rows %[[ROWS]] offsets %[[OFFSETS]]
  // CHECK: %[[CHOICES:.*]] = llm.unpermute_tokens %{{.*}} by %[[PLACES]]
  // CHECK: %[[PART:.*]] = llm.weighted_sum %[[CHOICES]], %[[W]]
  // CHECK: %[[OWN:.*]] = llm.reduce_scatter %[[PART]] over [0] : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xbf16, #tokens>
  // CHECK: %[[SUM:.*]] = llm.all_reduce %[[OWN]] over [1]
  // CHECK: llm.add %x, %[[SUM]]
  llm.body @experts(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %router = llm.weight @router from "r" : tensor<8x64xbf16>
    %gate_proj = llm.weight @gate_proj from "g.{}" stack 8 : tensor<8x32x64xbf16>
    %down_proj = llm.weight @down_proj from "d.{}" stack 8 : tensor<8x64x32xbf16>
    %0 = llm.matmul %x, %router : (tensor<?x64xbf16, #tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #tokens>
    %probabilities = llm.softmax %0 : tensor<?x8xf32, #tokens>
    %weights, %experts = llm.top_k %probabilities k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %row_of = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
    %offsets = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
    %rows = llm.permute_tokens %x by %row_of : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %1 = llm.grouped_matmul %rows, %gate_proj rows %row_of offsets %offsets : (tensor<?x64xbf16, #x2_tokens>, tensor<8x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
    %2 = llm.silu %1 : tensor<?x32xbf16, #x2_tokens>
    %3 = llm.grouped_matmul %2, %down_proj rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<8x64x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x64xbf16, #x2_tokens>
    %choices = llm.unpermute_tokens %3 by %position_of : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %4 = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
    %5 = llm.add %x, %4 : tensor<?x64xbf16, #tokens>
    llm.return %5 : tensor<?x64xbf16, #tokens>
  }
}
