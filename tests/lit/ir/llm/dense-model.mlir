// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --mlir-print-op-generic | vinci-opt | FileCheck %s
// A dense model of two layers with everything that the four families have: q/k norms, biases, an untied head.

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "dense", architecture = "qwen3", vocab_size = 512, hidden_size = 64, num_hidden_layers = 2,
                         max_position_embeddings = 2048, dtype = bf16, parameters = 139840,
                         generation = <eos_token_ids = [2, 5], bos_token_id = 1, do_sample = true, temperature = 0.7, top_k = 20, top_p = 0.95>>,
  llm.limits = #llm.limits<max_seq_len = 2048, max_tokens_per_step = 512, max_batch = 8, kv_blocks = 64, block_size = 128>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>)
      -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>) {
    %embed_tokens = llm.weight @embed_tokens from "model.embed_tokens.weight" : tensor<512x64xbf16>
    %inv_freq = llm.constant @inv_freq dense<[1.0, 0.316227764, 0.1, 0.0316227786, 0.01, 0.00316227786, 0.001, 3.16227786E-4]> : tensor<8xf32>
    %hidden = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<512x64xbf16>) -> tensor<?x64xbf16, #tokens>
    %rope = llm.rope_table %positions, %inv_freq : (tensor<?xi32, #tokens>, tensor<8xf32>) -> tensor<?x16xf32, #tokens>
    llm.return %hidden, %rope : tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>
  }

  llm.body @decoder_layer(%hidden: tensor<?x64xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>,
                          %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                          %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>)
      -> tensor<?x64xbf16, #tokens> {
    %input_layernorm = llm.weight @input_layernorm from "model.layers.{layer}.input_layernorm.weight" : tensor<64xbf16>
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<64x64xbf16>
    %q_bias = llm.weight @q_proj.bias from "model.layers.{layer}.self_attn.q_proj.bias" : tensor<64xbf16>
    %k_proj = llm.weight @k_proj from "model.layers.{layer}.self_attn.k_proj.weight" : tensor<32x64xbf16>
    %v_proj = llm.weight @v_proj from "model.layers.{layer}.self_attn.v_proj.weight" : tensor<32x64xbf16>
    %q_norm = llm.weight @q_norm from "model.layers.{layer}.self_attn.q_norm.weight" : tensor<16xbf16>
    %k_norm = llm.weight @k_norm from "model.layers.{layer}.self_attn.k_norm.weight" : tensor<16xbf16>
    %o_proj = llm.weight @o_proj from "model.layers.{layer}.self_attn.o_proj.weight" : tensor<64x64xbf16>
    %post_attention_layernorm = llm.weight @post_attention_layernorm from "model.layers.{layer}.post_attention_layernorm.weight" : tensor<64xbf16>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.gate_proj.weight" : tensor<128x64xbf16>
    %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.up_proj.weight" : tensor<128x64xbf16>
    %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.down_proj.weight" : tensor<64x128xbf16>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>

    %x = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %q = llm.matmul %x, %q_proj bias %q_bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %k = llm.matmul %x, %k_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %v = llm.matmul %x, %v_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    %q_heads = llm.split_heads %q : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
    %k_heads = llm.split_heads %k : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %v_heads = llm.split_heads %v : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %q_normed = llm.rms_norm %q_heads, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
    %k_normed = llm.rms_norm %k_heads, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
    %q_rope = llm.rope %q_normed, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %k_rope = llm.rope %k_normed, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %cache = llm.kv_append %k_rope, %v_heads into %kv_cache at %slot_mapping
        : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
    %attended = llm.attention %q_rope, %cache, %query_start, %context_lens, %block_tables scale 0.25
        : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %merged = llm.merge_heads %attended : tensor<?x4x16xbf16, #tokens> -> tensor<?x64xbf16, #tokens>
    %o = llm.matmul %merged, %o_proj : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>) -> tensor<?x64xbf16, #tokens>
    %residual = llm.add %hidden, %o : tensor<?x64xbf16, #tokens>

    %y = llm.rms_norm %residual, %post_attention_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %gate = llm.matmul %y, %gate_proj : (tensor<?x64xbf16, #tokens>, tensor<128x64xbf16>) -> tensor<?x128xbf16, #tokens>
    %up = llm.matmul %y, %up_proj : (tensor<?x64xbf16, #tokens>, tensor<128x64xbf16>) -> tensor<?x128xbf16, #tokens>
    %activated = llm.silu %gate : tensor<?x128xbf16, #tokens>
    %product = llm.mul %activated, %up : tensor<?x128xbf16, #tokens>
    %down = llm.matmul %product, %down_proj : (tensor<?x128xbf16, #tokens>, tensor<64x128xbf16>) -> tensor<?x64xbf16, #tokens>
    %out = llm.add %residual, %down : tensor<?x64xbf16, #tokens>
    llm.return %out : tensor<?x64xbf16, #tokens>
  }

  // prefill computes logits only for the rows that are asked for
  llm.body @epilogue_prefill(%hidden: tensor<?x64xbf16, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>)
      -> tensor<?x512xf32, #logit_rows> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xbf16>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<512x64xbf16>
    %x = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %rows = llm.gather_rows %x, %logit_indices : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x64xbf16, #logit_rows>
    %logits = llm.matmul %rows, %lm_head : (tensor<?x64xbf16, #logit_rows>, tensor<512x64xbf16>) -> tensor<?x512xf32, #logit_rows>
    llm.return %logits : tensor<?x512xf32, #logit_rows>
  }

  // decode and score: a row per token
  llm.body @epilogue(%hidden: tensor<?x64xbf16, #tokens>) -> tensor<?x512xf32, #tokens> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xbf16>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<512x64xbf16>
    %x = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %logits = llm.matmul %x, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<512x64xbf16>) -> tensor<?x512xf32, #tokens>
    llm.return %logits : tensor<?x512xf32, #tokens>
  }

  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                     %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                     %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>,
                     %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x512xf32, #logit_rows>) {
    %0:2 = llm.call @prologue(%token_ids, %positions)
        : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables)
        : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.call @decoder_layer layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables)
        : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.call @epilogue_prefill(%2, %logit_indices) : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x512xf32, #logit_rows>
    llm.return %3 : tensor<?x512xf32, #logit_rows>
  }

  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x512xf32, #tokens>) {
    %0:2 = llm.call @prologue(%token_ids, %positions)
        : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables)
        : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.call @decoder_layer layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables)
        : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x64xbf16, #tokens>) -> tensor<?x512xf32, #tokens>
    llm.return %3 : tensor<?x512xf32, #tokens>
  }
}

// CHECK: #logit_rows = #llm.dims<["logit_rows"]>
// CHECK: #tokens = #llm.dims<["tokens"]>
// CHECK: llm.limits = #llm.limits<max_seq_len = 2048, max_tokens_per_step = 512, max_batch = 8, kv_blocks = 64, block_size = 128>
// CHECK-SAME: llm.model = #llm.model<name = "dense", architecture = "qwen3", vocab_size = 512, hidden_size = 64, num_hidden_layers = 2, max_position_embeddings = 2048, dtype = bf16, parameters = 139840, generation = <eos_token_ids = [2, 5], bos_token_id = 1, do_sample = true, temperature = 0.7, top_k = 20, top_p = 0.95>>

// CHECK-LABEL: llm.body @prologue(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>) {
// CHECK: %embed_tokens = llm.weight @embed_tokens from "model.embed_tokens.weight" : tensor<512x64xbf16>
// CHECK: %inv_freq = llm.constant @inv_freq dense<[1.000000e+00, 0.316227764, 1.000000e-01,
// CHECK: llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<512x64xbf16>) -> tensor<?x64xbf16, #tokens>
// CHECK: llm.rope_table %positions, %inv_freq : (tensor<?xi32, #tokens>, tensor<8xf32>) -> tensor<?x16xf32, #tokens>

// CHECK-LABEL: llm.body @decoder_layer(%hidden:
// CHECK: %q_proj.bias = llm.weight @q_proj.bias from "model.layers.{layer}.self_attn.q_proj.bias" : tensor<64xbf16>
// CHECK: %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
// CHECK: %[[X:.*]] = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
// CHECK: llm.matmul %[[X]], %q_proj bias %q_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
// CHECK: llm.split_heads %{{.*}} : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
// CHECK: llm.rope %{{.*}}, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
// CHECK: %[[CACHE:.*]] = llm.kv_append %{{.*}}, %{{.*}} into %kv_cache at %slot_mapping : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
// CHECK: llm.attention %{{.*}}, %[[CACHE]], %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
// CHECK: llm.merge_heads %{{.*}} : tensor<?x4x16xbf16, #tokens> -> tensor<?x64xbf16, #tokens>
// CHECK: llm.add %hidden, %{{.*}} : tensor<?x64xbf16, #tokens>
// CHECK: llm.silu %{{.*}} : tensor<?x128xbf16, #tokens>
// CHECK: llm.mul %{{.*}}, %{{.*}} : tensor<?x128xbf16, #tokens>

// CHECK-LABEL: llm.body @epilogue_prefill
// CHECK: llm.gather_rows %{{.*}}, %logit_indices : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x64xbf16, #logit_rows>

// CHECK-LABEL: llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>,
// CHECK-SAME: -> (logits: tensor<?x512xf32, #logit_rows>) {
// CHECK: %[[P:.*]]:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
// CHECK: %[[L0:.*]] = llm.call @decoder_layer layer 0 (%[[P]]#0, %[[P]]#1, %slot_mapping, %query_start, %context_lens, %block_tables)
// CHECK: llm.call @decoder_layer layer 1 (%[[L0]], %[[P]]#1,
// CHECK: llm.return %{{.*}} : tensor<?x512xf32, #logit_rows>
