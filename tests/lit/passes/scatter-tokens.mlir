// The residual stream by shares of the tokens, through bodies and calls; fused afterwards as without.
// RUN: vinci-opt %s --scatter-tokens --verify-partition | FileCheck %s
// RUN: vinci-opt %s --scatter-tokens --fuse-add-rms-norm | FileCheck %s --check-prefix=FUSED
// RUN: vinci-opt %s --scatter-tokens --fuse-add-rms-norm --lower-to-npu | FileCheck %s --check-prefix=NPU

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x2_logit_rows = #llm.dims<["logit_rows*2"]>
// CHECK: llm.limits<{{.*}}, token_shares = 2>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.model = #llm.model<name = "m", architecture = "qwen3", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2,
    max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
  // CHECK-LABEL: llm.body @prologue
  // CHECK: %[[SUM:.*]] = llm.reduce_scatter %{{.*}} over [0] : tensor<?x8xf32, #tokens> -> tensor<?x8xf32, #token_shares>
  // CHECK-NEXT: llm.return %[[SUM]] : tensor<?x8xf32, #token_shares>
  llm.body @prologue(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %start = llm.rank_constant @start dense<[[0], [4]]> : tensor<2x1xi32>
    %embed_tokens = llm.weight @embed_tokens from "e" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.embedding %ids, %embed_tokens start %start : (tensor<?xi32, #tokens>, tensor<4x8xf32>, tensor<1xi32>) -> tensor<?x8xf32, #tokens>
    %1 = llm.all_reduce %0 over [0] : tensor<?x8xf32, #tokens>
    llm.return %1 : tensor<?x8xf32, #tokens>
  }
  // CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xf32, #token_shares>) -> tensor<?x8xf32, #token_shares>
  // CHECK: %[[NORM:.*]] = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #token_shares>
  // CHECK-NEXT: %[[ALL:.*]] = llm.all_gather %[[NORM]] over [0] : tensor<?x8xf32, #token_shares> -> tensor<?x8xf32, #tokens>
  // CHECK-NEXT: llm.matmul %[[ALL]], %up_proj
  // CHECK: %[[SUM:.*]] = llm.reduce_scatter %{{.*}} over [0] : tensor<?x8xf32, #tokens> -> tensor<?x8xf32, #token_shares>
  // CHECK-NEXT: %[[MIDDLE:.*]] = llm.add %hidden, %[[SUM]] : tensor<?x8xf32, #token_shares>
  // CHECK-NEXT: %[[NORM:.*]] = llm.rms_norm %[[MIDDLE]]
  // CHECK-NEXT: llm.all_gather %[[NORM]] over [0]
  // CHECK: %[[SUM:.*]] = llm.reduce_scatter
  // CHECK-NEXT: llm.add %[[MIDDLE]], %[[SUM]]
  llm.body @layer(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %norm = llm.weight @norm from "{layer}.n" : tensor<8xf32>
    %up_proj = llm.weight @up_proj from "{layer}.u" [16, 8] rows 2 over [0] : tensor<8x8xf32>
    %down_proj = llm.weight @down_proj from "{layer}.d" [8, 16] columns 2 over [0] : tensor<8x8xf32>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    %1 = llm.matmul %0, %up_proj : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    %2 = llm.silu %1 : tensor<?x8xf32, #tokens>
    %3 = llm.matmul %2, %down_proj : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    %4 = llm.all_reduce %3 over [0] : tensor<?x8xf32, #tokens>
    %5 = llm.add %hidden, %4 : tensor<?x8xf32, #tokens>
    %6 = llm.rms_norm %5, %norm eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    %7 = llm.matmul %6, %up_proj : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    %8 = llm.matmul %7, %down_proj : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    %9 = llm.all_reduce %8 over [0] : tensor<?x8xf32, #tokens>
    %10 = llm.add %5, %9 : tensor<?x8xf32, #tokens>
    llm.return %10 : tensor<?x8xf32, #tokens>
  }
  // CHECK-LABEL: llm.body @epilogue(
  // CHECK: %[[NORM:.*]] = llm.rms_norm %hidden
  // CHECK-NEXT: llm.all_gather %[[NORM]] over [0] : tensor<?x8xf32, #token_shares> -> tensor<?x8xf32, #tokens>
  llm.body @epilogue(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %norm = llm.weight @norm from "n" : tensor<8xf32>
    %lm_head = llm.weight @lm_head from "h" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    %1 = llm.matmul %0, %lm_head : (tensor<?x8xf32, #tokens>, tensor<4x8xf32>) -> tensor<?x4xf32, #tokens>
    %2 = llm.all_gather %1 over [0] : tensor<?x4xf32, #tokens> -> tensor<?x4xf32, #x2_tokens>
    %3 = llm.join_columns %2 parts 2 : tensor<?x4xf32, #x2_tokens> -> tensor<?x8xf32, #tokens>
    llm.return %3 : tensor<?x8xf32, #tokens>
  }
  // Normalised before the rows are picked, as a share.
  // CHECK-LABEL: llm.body @epilogue_prefill(
  // CHECK: %[[NORM:.*]] = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #token_shares>
  // CHECK-NEXT: %[[ALL:.*]] = llm.all_gather %[[NORM]] over [0]
  // CHECK-NEXT: %[[ROWS:.*]] = llm.gather_rows %[[ALL]], %logit_indices
  // CHECK-NEXT: llm.matmul %[[ROWS]], %lm_head
  llm.body @epilogue_prefill(%hidden: tensor<?x8xf32, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows> {
    %norm = llm.weight @norm from "n" : tensor<8xf32>
    %lm_head = llm.weight @lm_head from "h" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.gather_rows %hidden, %logit_indices : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    %1 = llm.rms_norm %0, %norm eps 1.0e-06 : tensor<?x8xf32, #logit_rows>, tensor<8xf32>
    %2 = llm.matmul %1, %lm_head : (tensor<?x8xf32, #logit_rows>, tensor<4x8xf32>) -> tensor<?x4xf32, #logit_rows>
    %3 = llm.all_gather %2 over [0] : tensor<?x4xf32, #logit_rows> -> tensor<?x4xf32, #x2_logit_rows>
    %4 = llm.join_columns %3 parts 2 : tensor<?x4xf32, #x2_logit_rows> -> tensor<?x8xf32, #logit_rows>
    llm.return %4 : tensor<?x8xf32, #logit_rows>
  }
  // CHECK-LABEL: llm.entry @prefill
  // CHECK: llm.call @layer layer 1 (%{{.*}}) : (tensor<?x8xf32, #token_shares>) -> tensor<?x8xf32, #token_shares>
  // CHECK: llm.return %{{.*}} : tensor<?x8xf32, #logit_rows>
  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<5xi32>, %context_lens: tensor<?xi32, #sequences>,
                    %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #logit_rows>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %3 = llm.call @epilogue_prefill(%2, %logit_indices) : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    llm.return %3 : tensor<?x8xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<5xi32>, %context_lens: tensor<?xi32, #sequences>,
                    %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %3 : tensor<?x8xf32, #tokens>
  }
}
// FUSED-LABEL: llm.body @layer(%hidden: tensor<?x8xf32, #token_shares>, %residual: tensor<?x8xf32, #token_shares>)
// FUSED: llm.add_rms_norm %hidden, %residual, %norm eps 1.0e-06 : tensor<?x8xf32, #token_shares>
// FUSED-LABEL: llm.body @epilogue_prefill(
// FUSED: llm.add_rms_norm %hidden, %residual

// NPU: npu.launch "reduce_scatter" {{.*}} {count = 8, dtype = "float32", rows = "token_shares", whole = "tokens"} over [0]
// NPU: npu.launch "add_rms_norm" {{.*}} rows = "token_shares"}
// NPU: npu.launch "all_gather" {{.*}} {count = 8, dtype = "float32", rows = "token_shares", whole = "tokens"} over [0]
