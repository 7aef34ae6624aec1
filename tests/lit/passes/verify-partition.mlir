// RUN: vinci-opt %s --split-input-file --verify-diagnostics --verify-partition

// What partition makes of four ranks, two groups of two: nothing to say.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  
  }
  llm.body @experts(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %first_expert = llm.rank_constant @first_expert dense<[[0], [2], [4], [6]]> : tensor<4x1xi32>
    %router = llm.weight @router from "r" : tensor<8x64xbf16>
    %gate_proj = llm.weight @gate_proj from "g.{}" [32, 64] experts 4 over [0, 1] stack 2 : tensor<2x32x64xbf16>
    %down_proj = llm.weight @down_proj from "d.{}" [64, 32] experts 4 over [0, 1] stack 2 : tensor<2x64x32xbf16>
    %0 = llm.all_gather %x over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #x2_tokens>
    %1 = llm.matmul %0, %router : (tensor<?x64xbf16, #x2_tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #x2_tokens>
    %p = llm.softmax %1 : tensor<?x8xf32, #x2_tokens>
    %weights, %experts = llm.top_k %p k 2 : tensor<?x8xf32, #x2_tokens> -> tensor<?x2xf32, #x2_tokens>, tensor<?x2xi32, #x2_tokens>
    %row_of = llm.argsort %experts num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<?xi32, #x4_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x4_tokens>
    %expert_offsets = llm.expert_offsets %experts num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<3xi32>
    %2 = llm.grouped_matmul %0, %gate_proj rows %row_of offsets %expert_offsets gather : (tensor<?x64xbf16, #x2_tokens>, tensor<2x32x64xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x32xbf16, #x4_tokens>
    %3 = llm.silu %2 : tensor<?x32xbf16, #x4_tokens>
    %4 = llm.grouped_matmul %3, %down_proj rows %row_of offsets %expert_offsets : (tensor<?x32xbf16, #x4_tokens>, tensor<2x64x32xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x64xbf16, #x4_tokens>
    %choices = llm.unpermute_tokens %4 by %position_of : (tensor<?x64xbf16, #x4_tokens>, tensor<?xi32, #x4_tokens>) -> tensor<?x64xbf16, #x4_tokens>
    %5 = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x4_tokens>, tensor<?x2xf32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %6 = llm.reduce_scatter %5 over [0] : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xbf16, #tokens>
    %7 = llm.all_reduce %6 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %7 : tensor<?x64xbf16, #tokens>
  
  }
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %vocab_start = llm.rank_constant @vocab_start dense<[[0], [6], [0], [6]]> : tensor<4x1xi32>
    %embed_tokens = llm.weight @embed_tokens from "e" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    %0 = llm.embedding %ids, %embed_tokens start %vocab_start : (tensor<?xi32, #tokens>, tensor<6x64xbf16>, tensor<1xi32>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  
  }
  llm.body @head(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x11xf32, #tokens> {
    %lm_head = llm.weight @lm_head from "h" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    %0 = llm.matmul %x, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %1 = llm.all_gather %0 over [1] : tensor<?x6xf32, #tokens> -> tensor<?x6xf32, #x2_tokens>
    %2 = llm.join_columns %1 parts 2 : tensor<?x6xf32, #x2_tokens> -> tensor<?x11xf32, #tokens>
    llm.return %2 : tensor<?x11xf32, #tokens>
  }
}

// -----

// Without a mesh there are no ranks.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module {
  llm.body @b(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    llm.return %x : tensor<?x8xf32, #tokens>
  }
}

// -----

// The sum after o_proj is missing.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.add' op adds operand #1, a part of a sum over axes [1], to operand #0, which is none}}
    %11 = llm.add %x, %9 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// It is there twice.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.all_reduce' op sums over axes [1] what is no part of a sum over them, but sharded along dimension 0 over axes [0]: it would be multiplied}}
    %13 = llm.all_reduce %10 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %13 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// It goes over the axes of data.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.all_reduce' op sums over axes [0] what is no part of a sum over them, but sharded along dimension 0 over axes [0], a part of a sum over axes [1]: it would be multiplied}}
    %10 = llm.all_reduce %9 over [0] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// It goes over more axes than there are parts.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.all_reduce' op sums over axes [0] what is no part of a sum over them}}
    %10 = llm.all_reduce %9 over [0, 1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Parts reach a norm.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %11 = llm.add %9, %9 : tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.rms_norm' op takes operand #0, sharded along dimension 0 over axes [0], a part of a sum over axes [1], and is not linear in it; it must be summed before}}
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Parts are returned.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.return' op returns operand #0, sharded along dimension 0 over axes [0], a part of a sum over axes [1]; only what needs no more of other ranks can be returned}}
    llm.return %9 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Every rank adds the bias.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    // expected-error@+1 {{'llm.matmul' op adds its bias on every rank to a part of a sum over axes [1]: it would be multiplied; it must be first_only over them}}
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// A bias on one rank of a product that is whole.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %w = llm.weight @w from "w" : tensor<64x64xbf16>
    %bias = llm.weight @bias from "b" [64] first_only over [1] : tensor<64xbf16>
    // expected-error@+1 {{'llm.matmul' op adds a bias that is a part of a sum over axes [1] to a product that is none}}
    %0 = llm.matmul %x, %w bias %bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    llm.return %0 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Keys of other ranks than the queries.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [0] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    // expected-error@+1 {{'llm.matmul' op has dimension 0 of operand #0 and dimension 0 of operand #1 both sharded over axes [0]: a rank would have a block of the result, not a part}}
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Keys of other ranks than the values.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    // expected-error@+1 {{'llm.kv_append' op has dimension 1 of operand #1 sharded over axes [1], but dimension 1 of operand #0, which must be divided alike, over axes []}}
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// A product of what is divided with what is not.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @layer(%x: tensor<?x64xbf16, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                  %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %q_proj = llm.weight @q_proj from "q" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %k_proj = llm.weight @k_proj from "k" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %v_proj = llm.weight @v_proj from "v" [16, 64] rows 1 over [1] : tensor<16x64xbf16>
    %o_proj = llm.weight @o_proj from "o" : tensor<64x32xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "ob" [64] first_only over [1] : tensor<64xbf16>
    %norm = llm.weight @norm from "n" : tensor<64xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<1x16xbf16>
    %0 = llm.matmul %x, %q_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %2 = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<16x64xbf16>) -> tensor<?x16xbf16, #tokens>
    %3 = llm.split_heads %0 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %4 = llm.split_heads %1 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %5 = llm.split_heads %2 : tensor<?x16xbf16, #tokens> -> tensor<?x1x16xbf16, #tokens>
    %6 = llm.kv_append %4, %5 into %kv_cache at %slot_mapping : tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<?xi32, #tokens>
    %7 = llm.attention %3, %6, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<1x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %8 = llm.merge_heads %7 : tensor<?x2x16xbf16, #tokens> -> tensor<?x32xbf16, #tokens>
    // expected-error@+1 {{'llm.matmul' op has dimension 1 of operand #1 sharded over axes [], but dimension 1 of operand #0, which must be divided alike, over axes [1]}}
    %9 = llm.matmul %8, %o_proj bias %o_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %10 = llm.all_reduce %9 over [1] : tensor<?x64xbf16, #tokens>
    %11 = llm.add %x, %10 : tensor<?x64xbf16, #tokens>
    %12 = llm.rms_norm %11, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    llm.return %12 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// A norm of a part of the columns.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x32xbf16, #tokens> {
    %w = llm.weight @w from "w" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %norm = llm.weight @norm from "n" : tensor<32xbf16>
    %0 = llm.matmul %x, %w : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    // expected-error@+1 {{'llm.rms_norm' op wants dimension 1 of operand #0 whole, which is sharded over axes [1]}}
    %1 = llm.rms_norm %0, %norm eps 1.0e-06 : tensor<?x32xbf16, #tokens>, tensor<32xbf16>
    llm.return %1 : tensor<?x32xbf16, #tokens>
  }
}

// -----

// Sums over different axes.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %a = llm.weight @a from "a" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    %b = llm.weight @b from "b" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    %c = llm.weight @c from "c" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %d = llm.weight @d from "d" [64, 64] columns 2 over [1] : tensor<64x32xbf16>
    %0 = llm.matmul %x, %a : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %0, %b : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.matmul %x, %c : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %3 = llm.matmul %2, %d : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    // expected-error@+1 {{'llm.add' op adds operand #1, a part of a sum over axes [1], to operand #0, which is a part of a sum over axes [0]}}
    %4 = llm.add %1, %3 : tensor<?x64xbf16, #tokens>
    llm.return %4 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// A rank looks up other words than it has.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %vocab_start = llm.rank_constant @vocab_start dense<[[0], [0], [6], [6]]> : tensor<4x1xi32>
    %embed_tokens = llm.weight @embed_tokens from "e" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    // expected-error@+1 {{'llm.embedding' op works on what is sharded over axes [1], but where a rank begins differs along axes [0]}}
    %0 = llm.embedding %ids, %embed_tokens start %vocab_start : (tensor<?xi32, #tokens>, tensor<6x64xbf16>, tensor<1xi32>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// It begins too early.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %vocab_start = llm.rank_constant @vocab_start dense<[[0], [5], [0], [5]]> : tensor<4x1xi32>
    %embed_tokens = llm.weight @embed_tokens from "e" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    // expected-error@+1 {{'llm.embedding' op begins at 5 on rank 1, whose part begins at 6}}
    %0 = llm.embedding %ids, %embed_tokens start %vocab_start : (tensor<?xi32, #tokens>, tensor<6x64xbf16>, tensor<1xi32>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// It is not said where it begins.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %embed_tokens = llm.weight @embed_tokens from "e" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    // expected-error@+1 {{'llm.embedding' op works on what is sharded over axes [1], but where a rank begins differs along axes []}}
    %0 = llm.embedding %ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<6x64xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// A rank sorts by the experts of another.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @experts(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %first_expert = llm.rank_constant @first_expert dense<[[0], [4], [2], [6]]> : tensor<4x1xi32>
    %router = llm.weight @router from "r" : tensor<8x64xbf16>
    %gate_proj = llm.weight @gate_proj from "g.{}" [32, 64] experts 4 over [0, 1] stack 2 : tensor<2x32x64xbf16>
    %down_proj = llm.weight @down_proj from "d.{}" [64, 32] experts 4 over [0, 1] stack 2 : tensor<2x64x32xbf16>
    %0 = llm.all_gather %x over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #x2_tokens>
    %1 = llm.matmul %0, %router : (tensor<?x64xbf16, #x2_tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #x2_tokens>
    %p = llm.softmax %1 : tensor<?x8xf32, #x2_tokens>
    %weights, %experts = llm.top_k %p k 2 : tensor<?x8xf32, #x2_tokens> -> tensor<?x2xf32, #x2_tokens>, tensor<?x2xi32, #x2_tokens>
    // expected-error@+1 {{'llm.argsort' op begins at 4 on rank 1, whose part begins at 2}}
    %row_of = llm.argsort %experts num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<?xi32, #x4_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x4_tokens>
    %expert_offsets = llm.expert_offsets %experts num_experts 2 first %first_expert : tensor<1xi32> : tensor<?x2xi32, #x2_tokens> -> tensor<3xi32>
    %2 = llm.grouped_matmul %0, %gate_proj rows %row_of offsets %expert_offsets gather : (tensor<?x64xbf16, #x2_tokens>, tensor<2x32x64xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x32xbf16, #x4_tokens>
    %3 = llm.silu %2 : tensor<?x32xbf16, #x4_tokens>
    %4 = llm.grouped_matmul %3, %down_proj rows %row_of offsets %expert_offsets : (tensor<?x32xbf16, #x4_tokens>, tensor<2x64x32xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x64xbf16, #x4_tokens>
    %choices = llm.unpermute_tokens %4 by %position_of : (tensor<?x64xbf16, #x4_tokens>, tensor<?xi32, #x4_tokens>) -> tensor<?x64xbf16, #x4_tokens>
    %5 = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x4_tokens>, tensor<?x2xf32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %6 = llm.reduce_scatter %5 over [0] : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xbf16, #tokens>
    %7 = llm.all_reduce %6 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %7 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Experts of every rank are sorted, and one rank has the weights.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @experts(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %router = llm.weight @router from "r" : tensor<8x64xbf16>
    %gate_proj = llm.weight @gate_proj from "g.{}" [32, 64] experts 4 over [0, 1] stack 2 : tensor<2x32x64xbf16>
    %down_proj = llm.weight @down_proj from "d.{}" [64, 32] experts 4 over [0, 1] stack 2 : tensor<2x64x32xbf16>
    %0 = llm.all_gather %x over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #x2_tokens>
    %1 = llm.matmul %0, %router : (tensor<?x64xbf16, #x2_tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #x2_tokens>
    %p = llm.softmax %1 : tensor<?x8xf32, #x2_tokens>
    %weights, %experts = llm.top_k %p k 2 : tensor<?x8xf32, #x2_tokens> -> tensor<?x2xf32, #x2_tokens>, tensor<?x2xi32, #x2_tokens>
    %row_of = llm.argsort %experts num_experts 2 : tensor<?x2xi32, #x2_tokens> -> tensor<?xi32, #x4_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x4_tokens>
    %expert_offsets = llm.expert_offsets %experts num_experts 2 : tensor<?x2xi32, #x2_tokens> -> tensor<3xi32>
    // expected-error@+1 {{'llm.grouped_matmul' op has dimension 0 of operand #2 sharded over axes [], but dimension 0 of operand #1, which must be divided alike, over axes [0, 1]}}
    %2 = llm.grouped_matmul %0, %gate_proj rows %row_of offsets %expert_offsets gather : (tensor<?x64xbf16, #x2_tokens>, tensor<2x32x64xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x32xbf16, #x4_tokens>
    %3 = llm.silu %2 : tensor<?x32xbf16, #x4_tokens>
    %4 = llm.grouped_matmul %3, %down_proj rows %row_of offsets %expert_offsets : (tensor<?x32xbf16, #x4_tokens>, tensor<2x64x32xbf16>, tensor<?xi32, #x4_tokens>, tensor<3xi32>) -> tensor<?x64xbf16, #x4_tokens>
    %choices = llm.unpermute_tokens %4 by %position_of : (tensor<?x64xbf16, #x4_tokens>, tensor<?xi32, #x4_tokens>) -> tensor<?x64xbf16, #x4_tokens>
    %5 = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x4_tokens>, tensor<?x2xf32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %6 = llm.reduce_scatter %5 over [0] : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xbf16, #tokens>
    %7 = llm.all_reduce %6 over [1] : tensor<?x64xbf16, #tokens>
    llm.return %7 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Tokens of the group alone are routed to experts of all.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @b(%experts: tensor<?x2xi32, #tokens>) -> tensor<3xi32> {
    %first = llm.rank_constant @first dense<[[0], [2], [4], [6]]> : tensor<4x1xi32>
    // expected-error@+1 {{'llm.argsort' op wants dimension 0 of operand #0 whole, which is sharded over axes [0]}}
    %row_of = llm.argsort %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
    %offsets = llm.expert_offsets %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<3xi32>
    llm.return %offsets : tensor<3xi32>
  }
}

// -----

// Rows are gathered that are whole.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #x2_tokens> {
    // expected-error@+1 {{'llm.all_gather' op gathers over axes [0] what is neither in its rows nor in its columns sharded over them, but whole: it would be repeated}}
    %0 = llm.all_gather %x over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #x2_tokens>
    llm.return %0 : tensor<?x64xbf16, #x2_tokens>
  }
}

// -----

// Gathered columns are returned below each other.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @head(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x6xf32, #x2_tokens> {
    %lm_head = llm.weight @lm_head from "h" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    %0 = llm.matmul %x, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %1 = llm.all_gather %0 over [1] : tensor<?x6xf32, #tokens> -> tensor<?x6xf32, #x2_tokens>
    // expected-error@+1 {{'llm.return' op returns operand #0, sharded along dimension 0 over axes [0], with the columns of axes [1] below each other; only what needs no more of other ranks can be returned}}
    llm.return %1 : tensor<?x6xf32, #x2_tokens>
  }
}

// -----

// They are computed with.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @head(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x11xf32, #tokens> {
    %lm_head = llm.weight @lm_head from "h" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    %0 = llm.matmul %x, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %1 = llm.all_gather %0 over [1] : tensor<?x6xf32, #tokens> -> tensor<?x6xf32, #x2_tokens>
    // expected-error@+1 {{'llm.silu' op takes operand #0 sharded along dimension 0 over axes [0], with the columns of axes [1] below each other; only llm.join_columns does}}
    %3 = llm.silu %1 : tensor<?x6xf32, #x2_tokens>
    %2 = llm.join_columns %1 parts 2 : tensor<?x6xf32, #x2_tokens> -> tensor<?x11xf32, #tokens>
    llm.return %2 : tensor<?x11xf32, #tokens>
  }
}

// -----

// Rows of other groups are joined as if they were columns.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @head(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x11xf32, #tokens> {
    %lm_head = llm.weight @lm_head from "h" [11, 64] rows 2 over [1] : tensor<6x64xbf16>
    %0 = llm.matmul %x, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %1 = llm.all_gather %0 over [0] : tensor<?x6xf32, #tokens> -> tensor<?x6xf32, #x2_tokens>
    // expected-error@+1 {{'llm.join_columns' op joins the columns of 2 parts of a value sharded along dimension 1 over axes [1]; it must be that of an llm.all_gather of as many ranks}}
    %2 = llm.join_columns %1 parts 2 : tensor<?x6xf32, #x2_tokens> -> tensor<?x11xf32, #tokens>
    llm.return %2 : tensor<?x11xf32, #tokens>
  }
}

// -----

// Rows are scattered over axes of data, and the parts are those of others.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [1]>} {
  llm.body @b(%x: tensor<?x64xbf16, #x2_tokens>) -> tensor<?x64xbf16, #tokens> {
    %w = llm.weight @w from "w" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    %a = llm.weight @a from "a" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    %0 = llm.matmul %x, %a : (tensor<?x64xbf16, #x2_tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #x2_tokens>
    %1 = llm.matmul %0, %w : (tensor<?x32xbf16, #x2_tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #x2_tokens>
    // expected-error@+1 {{'llm.reduce_scatter' op sums over axes [1] what is no part of a sum over them, but sharded along dimension 0 over axes [1], a part of a sum over axes [0]: it would be multiplied}}
    %2 = llm.reduce_scatter %1 over [1] : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xbf16, #tokens>
    llm.return %2 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// Shares of the tokens are rows of all ranks.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#token_shares = #llm.dims<["token_shares"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 2>} {
  llm.body @b(%x: tensor<?x64xbf16, #token_shares>) -> tensor<?x64xbf16, #token_shares> {
    %up = llm.weight @up from "u" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    %down = llm.weight @down from "d" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    %0 = llm.all_gather %x over [0] : tensor<?x64xbf16, #token_shares> -> tensor<?x64xbf16, #tokens>
    %1 = llm.matmul %0, %up : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %2 = llm.matmul %1, %down : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.reduce_scatter %2 over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #token_shares>
    %4 = llm.add %x, %3 : tensor<?x64xbf16, #token_shares>
    llm.return %4 : tensor<?x64xbf16, #token_shares>
  }
  llm.body @not_gathered(%x: tensor<?x64xbf16, #token_shares>) -> tensor<?x32xbf16, #token_shares> {
    %up = llm.weight @up from "u" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    // expected-error@+1 {{'llm.matmul' op has dimension 0 of operand #0 and dimension 0 of operand #1 both sharded over axes [0]: a rank would have a block of the result, not a part}}
    %0 = llm.matmul %x, %up : (tensor<?x64xbf16, #token_shares>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #token_shares>
    llm.return %0 : tensor<?x32xbf16, #token_shares>
  }
}

// -----

// Pieces of one weight that are divided in different ways.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    // expected-error@+1 {{'llm.weight' op has pieces that ranks hold in different ways: one is sharded along dimension 0 over axes [1], "b" is whole}}
    %w = llm.weight @w from "a" [64, 64] rows 2 over [1], "b" [32, 64] : tensor<64x64xbf16>
    llm.return %x : tensor<?x64xbf16, #tokens>
  }
}

// -----

// What fusion makes has no rule any more.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2], data = [0]>} {
  llm.body @b(%x: tensor<?x8xf32, #tokens>, %y: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    // expected-error@+1 {{has no sharding rule; it is made after partitioning}}
    %0 = llm.swiglu %x, %y : (tensor<?x8xf32, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
}

// -----

// Logits that each rank has a part of.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.model = #llm.model<name = "m", architecture = "qwen3", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1,
    max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %e = llm.weight @e from "e" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %e : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @divide(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "{layer}.w" [16, 8] rows 2 over [0] : tensor<8x8xf32>
    %0 = llm.matmul %x, %w : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @same(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<5xi32>, %context_lens: tensor<?xi32, #sequences>,
                    %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @divide layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{'llm.return' op returns the result of a step sharded along dimension 1 over axes [0]; it must be whole}}
    llm.return %1 : tensor<?x8xf32, #tokens>
  }
}

// -----

// A body that is called with a whole value, and with a part of one.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.model = #llm.model<name = "m", architecture = "qwen3", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1,
    max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %e = llm.weight @e from "e" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %e : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @divide(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "{layer}.w" [16, 8] rows 2 over [0] : tensor<8x8xf32>
    %0 = llm.matmul %x, %w : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @same(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<5xi32>, %context_lens: tensor<?xi32, #sequences>,
                    %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @same(%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @divide layer 0 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{'llm.call' op passes argument #0 of @same sharded along dimension 1 over axes [0], and another call passes it whole; a body is one program for all its calls}}
    %3 = llm.call @same(%2) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %3 : tensor<?x8xf32, #tokens>
  }
}

// -----

// Scales of whole rows are of the axes that the rows are divided over.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 2]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?xf32, #tokens> {
    %a = llm.weight @a from "a" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    %c = llm.weight @c from "c" [64, 64] rows 2 over [1] : tensor<32x64xbf16>
    %0 = llm.matmul %x, %a : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %1 = llm.matmul %x, %c : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %m = llm.row_max %1 : tensor<?x32xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    %all = llm.all_gather %m over [1] : tensor<?x1xf32, #tokens> -> tensor<?x1xf32, #x2_tokens>
    // expected-error@+1 {{'llm.dynamic_quantize' op has the largest values of rows with the columns of axes [1] below each other, but a part of the rows that is sharded along dimension 1 over axes [0]; they must be an llm.all_gather of llm.row_max over the axes of their columns}}
    %q, %s = llm.dynamic_quantize %0 row_max %all : tensor<?x32xbf16, #tokens>, tensor<?x1xf32, #x2_tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    llm.return %s : tensor<?xf32, #tokens>
  }
}

// -----

// The largest values of this rank's parts alone.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
  llm.body @b(%x: tensor<?x64xbf16, #tokens>) -> tensor<?xf32, #tokens> {
    %a = llm.weight @a from "a" [64, 64] rows 2 over [0] : tensor<32x64xbf16>
    %0 = llm.matmul %x, %a : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %m = llm.row_max %0 : tensor<?x32xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    // expected-error@+1 {{'llm.dynamic_quantize' op has the largest values of rows sharded along dimension 1 over axes [0], but a part of the rows that is sharded along dimension 1 over axes [0]; they must be an llm.all_gather of llm.row_max over the axes of their columns}}
    %q, %s = llm.dynamic_quantize %0 row_max %m : tensor<?x32xbf16, #tokens>, tensor<?x1xf32, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    llm.return %s : tensor<?xf32, #tokens>
  }
}
