// RUN: vinci-opt %s --split-input-file --verify-diagnostics --scatter-tokens

// expected-error@+1 {{sequence parallelism divides the tokens of a step among the ranks that share it, but the module is for one device; legal is attn_tp 2 or more}}
module {
}

// -----

// expected-error@+1 {{but each rank has a step of its own; legal is attn_tp 2 or more}}
module attributes {llm.mesh = #llm.mesh<axes = [2], data = [0]>, llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
}

// -----

// expected-error@+1 {{but the module has no llm.limits}}
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
}

// -----

// expected-error@+1 {{but they are divided already}}
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 2>} {
}

// -----

// Each rank has the whole embedding: there is no sum to scatter.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x2_logit_rows = #llm.dims<["logit_rows*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.model = #llm.model<name = "m", architecture = "qwen3", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2,
    max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
  llm.body @prologue(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %embed_tokens = llm.weight @embed_tokens from "e" : tensor<8x8xf32>
    // expected-error@+1 {{'llm.embedding' op makes what layers pass on, which is no sum over the axes [0] of attention, so that its rows cannot be divided among them; sequence parallelism needs the vocabulary of the embedding to be divided as attention is: embed_tp 2}}
    %0 = llm.embedding %ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
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
  llm.body @epilogue(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %norm = llm.weight @norm from "n" : tensor<8xf32>
    %lm_head = llm.weight @lm_head from "h" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    %1 = llm.matmul %0, %lm_head : (tensor<?x8xf32, #tokens>, tensor<4x8xf32>) -> tensor<?x4xf32, #tokens>
    %2 = llm.all_gather %1 over [0] : tensor<?x4xf32, #tokens> -> tensor<?x4xf32, #x2_tokens>
    %3 = llm.join_columns %2 parts 2 : tensor<?x4xf32, #x2_tokens> -> tensor<?x8xf32, #tokens>
    llm.return %3 : tensor<?x8xf32, #tokens>
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

// -----

// A layer that adds what is not summed.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#x2_logit_rows = #llm.dims<["logit_rows*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.model = #llm.model<name = "m", architecture = "qwen3", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2,
    max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16>} {
  llm.body @prologue(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %start = llm.rank_constant @start dense<[[0], [4]]> : tensor<2x1xi32>
    %embed_tokens = llm.weight @embed_tokens from "e" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.embedding %ids, %embed_tokens start %start : (tensor<?xi32, #tokens>, tensor<4x8xf32>, tensor<1xi32>) -> tensor<?x8xf32, #tokens>
    %1 = llm.all_reduce %0 over [0] : tensor<?x8xf32, #tokens>
    llm.return %1 : tensor<?x8xf32, #tokens>
  }
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
    // expected-error@+1 {{'llm.add' op makes what layers pass on, which is no sum over the axes [0] of attention}}
    %10 = llm.add %5, %2 : tensor<?x8xf32, #tokens>
    llm.return %10 : tensor<?x8xf32, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %norm = llm.weight @norm from "n" : tensor<8xf32>
    %lm_head = llm.weight @lm_head from "h" [8, 8] rows 2 over [0] : tensor<4x8xf32>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    %1 = llm.matmul %0, %lm_head : (tensor<?x8xf32, #tokens>, tensor<4x8xf32>) -> tensor<?x4xf32, #tokens>
    %2 = llm.all_gather %1 over [0] : tensor<?x4xf32, #tokens> -> tensor<?x4xf32, #x2_tokens>
    %3 = llm.join_columns %2 parts 2 : tensor<?x4xf32, #x2_tokens> -> tensor<?x8xf32, #tokens>
    llm.return %3 : tensor<?x8xf32, #tokens>
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
