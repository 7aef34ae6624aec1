#logit_rows = #llm.dims<["logit_rows"]>
#sequences = #llm.dims<["sequences"]>
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 512, max_tokens_per_step = 512, max_batch = 16, kv_blocks = 68, block_size = 128>, llm.model = #llm.model<name = "qwen3_moe-2x64", architecture = "qwen3_moe", vocab_size = 100, hidden_size = 64, num_hidden_layers = 2, max_position_embeddings = 512, dtype = f32, parameters = 84608, generation = <eos_token_ids = []>, num_key_value_heads = 2>, llm.precision = #llm.precision<compute = f32, layernorm = f32, softmax = f32, rotary = f32, parameters = f32, keep_origin = false>} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>) -> (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>) {
    %embed_tokens = llm.weight @embed_tokens from "model.embed_tokens.weight" : tensor<100x64xf32>
    %inv_freq = llm.constant @inv_freq dense<[1.000000e+00, 0.177827939, 0.0316227786, 0.00562341325, 1.000000e-03, 1.7782794E-4, 3.16227743E-5, 5.62341347E-6]> : tensor<8xf32>
    %0 = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<100x64xf32>) -> tensor<?x64xf32, #tokens>
    %1 = llm.rope_table %positions, %inv_freq : (tensor<?xi32, #tokens>, tensor<8xf32>) -> tensor<?x16xf32, #tokens>
    llm.return %0, %1 : tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>
  }
  llm.body @decoder_layer(%hidden: tensor<?x64xf32, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens> {
    %input_layernorm = llm.weight @input_layernorm from "model.layers.{layer}.input_layernorm.weight" : tensor<64xf32>
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<64x64xf32>
    %q_proj.bias = llm.weight @q_proj.bias from "model.layers.{layer}.self_attn.q_proj.bias" : tensor<64xf32>
    %k_proj = llm.weight @k_proj from "model.layers.{layer}.self_attn.k_proj.weight" : tensor<32x64xf32>
    %k_proj.bias = llm.weight @k_proj.bias from "model.layers.{layer}.self_attn.k_proj.bias" : tensor<32xf32>
    %v_proj = llm.weight @v_proj from "model.layers.{layer}.self_attn.v_proj.weight" : tensor<32x64xf32>
    %v_proj.bias = llm.weight @v_proj.bias from "model.layers.{layer}.self_attn.v_proj.bias" : tensor<32xf32>
    %q_norm = llm.weight @q_norm from "model.layers.{layer}.self_attn.q_norm.weight" : tensor<16xf32>
    %k_norm = llm.weight @k_norm from "model.layers.{layer}.self_attn.k_norm.weight" : tensor<16xf32>
    %o_proj = llm.weight @o_proj from "model.layers.{layer}.self_attn.o_proj.weight" : tensor<64x64xf32>
    %o_proj.bias = llm.weight @o_proj.bias from "model.layers.{layer}.self_attn.o_proj.bias" : tensor<64xf32>
    %post_attention_layernorm = llm.weight @post_attention_layernorm from "model.layers.{layer}.post_attention_layernorm.weight" : tensor<64xf32>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.gate_proj.weight" : tensor<96x64xf32>
    %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.up_proj.weight" : tensor<96x64xf32>
    %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.down_proj.weight" : tensor<64x96xf32>
    %0 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xf32, #tokens>, tensor<64xf32>
    %1 = llm.matmul %0, %q_proj bias %q_proj.bias : (tensor<?x64xf32, #tokens>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<?x64xf32, #tokens>
    %2 = llm.split_heads %1 : tensor<?x64xf32, #tokens> -> tensor<?x4x16xf32, #tokens>
    %3 = llm.rms_norm %2, %q_norm eps 1.0e-06 : tensor<?x4x16xf32, #tokens>, tensor<16xf32>
    %4 = llm.rope %3, %rope : tensor<?x4x16xf32, #tokens>, tensor<?x16xf32, #tokens>
    %5 = llm.matmul %0, %k_proj bias %k_proj.bias : (tensor<?x64xf32, #tokens>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32, #tokens>
    %6 = llm.split_heads %5 : tensor<?x32xf32, #tokens> -> tensor<?x2x16xf32, #tokens>
    %7 = llm.rms_norm %6, %k_norm eps 1.0e-06 : tensor<?x2x16xf32, #tokens>, tensor<16xf32>
    %8 = llm.rope %7, %rope : tensor<?x2x16xf32, #tokens>, tensor<?x16xf32, #tokens>
    %9 = llm.matmul %0, %v_proj bias %v_proj.bias : (tensor<?x64xf32, #tokens>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32, #tokens>
    %10 = llm.split_heads %9 : tensor<?x32xf32, #tokens> -> tensor<?x2x16xf32, #tokens>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xf32>
    %11 = llm.kv_append %8, %10 into %kv_cache at %slot_mapping : tensor<?x2x16xf32, #tokens>, !llm.kv_cache<2x16xf32>, tensor<?xi32, #tokens>
    %12 = llm.attention %4, %11, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xf32, #tokens>, !llm.kv_cache<2x16xf32>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>
    %13 = llm.merge_heads %12 : tensor<?x4x16xf32, #tokens> -> tensor<?x64xf32, #tokens>
    %14 = llm.matmul %13, %o_proj bias %o_proj.bias : (tensor<?x64xf32, #tokens>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<?x64xf32, #tokens>
    %15 = llm.add %hidden, %14 : tensor<?x64xf32, #tokens>
    %16 = llm.rms_norm %15, %post_attention_layernorm eps 1.0e-06 : tensor<?x64xf32, #tokens>, tensor<64xf32>
    %17 = llm.matmul %16, %gate_proj : (tensor<?x64xf32, #tokens>, tensor<96x64xf32>) -> tensor<?x96xf32, #tokens>
    %18 = llm.matmul %16, %up_proj : (tensor<?x64xf32, #tokens>, tensor<96x64xf32>) -> tensor<?x96xf32, #tokens>
    %19 = llm.silu %17 : tensor<?x96xf32, #tokens>
    %20 = llm.mul %19, %18 : tensor<?x96xf32, #tokens>
    %21 = llm.matmul %20, %down_proj : (tensor<?x96xf32, #tokens>, tensor<64x96xf32>) -> tensor<?x64xf32, #tokens>
    %22 = llm.add %15, %21 : tensor<?x64xf32, #tokens>
    llm.return %22 : tensor<?x64xf32, #tokens>
  }
  llm.body @sparse_decoder_layer(%hidden: tensor<?x64xf32, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens> {
    %input_layernorm = llm.weight @input_layernorm from "model.layers.{layer}.input_layernorm.weight" : tensor<64xf32>
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<64x64xf32>
    %q_proj.bias = llm.weight @q_proj.bias from "model.layers.{layer}.self_attn.q_proj.bias" : tensor<64xf32>
    %k_proj = llm.weight @k_proj from "model.layers.{layer}.self_attn.k_proj.weight" : tensor<32x64xf32>
    %k_proj.bias = llm.weight @k_proj.bias from "model.layers.{layer}.self_attn.k_proj.bias" : tensor<32xf32>
    %v_proj = llm.weight @v_proj from "model.layers.{layer}.self_attn.v_proj.weight" : tensor<32x64xf32>
    %v_proj.bias = llm.weight @v_proj.bias from "model.layers.{layer}.self_attn.v_proj.bias" : tensor<32xf32>
    %q_norm = llm.weight @q_norm from "model.layers.{layer}.self_attn.q_norm.weight" : tensor<16xf32>
    %k_norm = llm.weight @k_norm from "model.layers.{layer}.self_attn.k_norm.weight" : tensor<16xf32>
    %o_proj = llm.weight @o_proj from "model.layers.{layer}.self_attn.o_proj.weight" : tensor<64x64xf32>
    %o_proj.bias = llm.weight @o_proj.bias from "model.layers.{layer}.self_attn.o_proj.bias" : tensor<64xf32>
    %post_attention_layernorm = llm.weight @post_attention_layernorm from "model.layers.{layer}.post_attention_layernorm.weight" : tensor<64xf32>
    %router = llm.weight @router from "model.layers.{layer}.mlp.gate.weight" : tensor<6x64xf32>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 6 : tensor<6x24x64xf32>
    %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.experts.{}.up_proj.weight" stack 6 : tensor<6x24x64xf32>
    %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.experts.{}.down_proj.weight" stack 6 : tensor<6x64x24xf32>
    %0 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xf32, #tokens>, tensor<64xf32>
    %1 = llm.matmul %0, %q_proj bias %q_proj.bias : (tensor<?x64xf32, #tokens>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<?x64xf32, #tokens>
    %2 = llm.split_heads %1 : tensor<?x64xf32, #tokens> -> tensor<?x4x16xf32, #tokens>
    %3 = llm.rms_norm %2, %q_norm eps 1.0e-06 : tensor<?x4x16xf32, #tokens>, tensor<16xf32>
    %4 = llm.rope %3, %rope : tensor<?x4x16xf32, #tokens>, tensor<?x16xf32, #tokens>
    %5 = llm.matmul %0, %k_proj bias %k_proj.bias : (tensor<?x64xf32, #tokens>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32, #tokens>
    %6 = llm.split_heads %5 : tensor<?x32xf32, #tokens> -> tensor<?x2x16xf32, #tokens>
    %7 = llm.rms_norm %6, %k_norm eps 1.0e-06 : tensor<?x2x16xf32, #tokens>, tensor<16xf32>
    %8 = llm.rope %7, %rope : tensor<?x2x16xf32, #tokens>, tensor<?x16xf32, #tokens>
    %9 = llm.matmul %0, %v_proj bias %v_proj.bias : (tensor<?x64xf32, #tokens>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<?x32xf32, #tokens>
    %10 = llm.split_heads %9 : tensor<?x32xf32, #tokens> -> tensor<?x2x16xf32, #tokens>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xf32>
    %11 = llm.kv_append %8, %10 into %kv_cache at %slot_mapping : tensor<?x2x16xf32, #tokens>, !llm.kv_cache<2x16xf32>, tensor<?xi32, #tokens>
    %12 = llm.attention %4, %11, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xf32, #tokens>, !llm.kv_cache<2x16xf32>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>
    %13 = llm.merge_heads %12 : tensor<?x4x16xf32, #tokens> -> tensor<?x64xf32, #tokens>
    %14 = llm.matmul %13, %o_proj bias %o_proj.bias : (tensor<?x64xf32, #tokens>, tensor<64x64xf32>, tensor<64xf32>) -> tensor<?x64xf32, #tokens>
    %15 = llm.add %hidden, %14 : tensor<?x64xf32, #tokens>
    %16 = llm.rms_norm %15, %post_attention_layernorm eps 1.0e-06 : tensor<?x64xf32, #tokens>, tensor<64xf32>
    %17 = llm.matmul %16, %router : (tensor<?x64xf32, #tokens>, tensor<6x64xf32>) -> tensor<?x6xf32, #tokens>
    %18 = llm.softmax %17 : tensor<?x6xf32, #tokens>
    %values, %indices = llm.top_k %18 k 2 : tensor<?x6xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %19 = llm.normalize_rows %values : tensor<?x2xf32, #tokens>
    %20 = llm.argsort %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %21 = llm.inverse_permutation %20 : tensor<?xi32, #x2_tokens>
    %22 = llm.expert_offsets %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<7xi32>
    %23 = llm.permute_tokens %16 by %20 : (tensor<?x64xf32, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xf32, #x2_tokens>
    %24 = llm.grouped_matmul %23, %gate_proj rows %20 offsets %22 : (tensor<?x64xf32, #x2_tokens>, tensor<6x24x64xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xf32, #x2_tokens>
    %25 = llm.grouped_matmul %23, %up_proj rows %20 offsets %22 : (tensor<?x64xf32, #x2_tokens>, tensor<6x24x64xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xf32, #x2_tokens>
    %26 = llm.silu %24 : tensor<?x24xf32, #x2_tokens>
    %27 = llm.mul %26, %25 : tensor<?x24xf32, #x2_tokens>
    %28 = llm.grouped_matmul %27, %down_proj rows %20 offsets %22 : (tensor<?x24xf32, #x2_tokens>, tensor<6x64x24xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x64xf32, #x2_tokens>
    %29 = llm.unpermute_tokens %28 by %21 : (tensor<?x64xf32, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xf32, #x2_tokens>
    %30 = llm.weighted_sum %29, %19 : (tensor<?x64xf32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xf32, #tokens>
    %31 = llm.add %15, %30 : tensor<?x64xf32, #tokens>
    llm.return %31 : tensor<?x64xf32, #tokens>
  }
  llm.body @epilogue_prefill(%hidden: tensor<?x64xf32, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>) -> tensor<?x100xf32, #logit_rows> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xf32>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<100x64xf32>
    %0 = llm.gather_rows %hidden, %logit_indices : (tensor<?x64xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x64xf32, #logit_rows>
    %1 = llm.rms_norm %0, %norm eps 1.0e-06 : tensor<?x64xf32, #logit_rows>, tensor<64xf32>
    %2 = llm.matmul %1, %lm_head : (tensor<?x64xf32, #logit_rows>, tensor<100x64xf32>) -> tensor<?x100xf32, #logit_rows>
    llm.return %2 : tensor<?x100xf32, #logit_rows>
  }
  llm.body @epilogue(%hidden: tensor<?x64xf32, #tokens>) -> tensor<?x100xf32, #tokens> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xf32>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<100x64xf32>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x64xf32, #tokens>, tensor<64xf32>
    %1 = llm.matmul %0, %lm_head : (tensor<?x64xf32, #tokens>, tensor<100x64xf32>) -> tensor<?x100xf32, #tokens>
    llm.return %1 : tensor<?x100xf32, #tokens>
  }
  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #logit_rows>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %2 = llm.call @sparse_decoder_layer layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %3 = llm.call @epilogue_prefill(%2, %logit_indices) : (tensor<?x64xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x100xf32, #logit_rows>
    llm.return %3 : tensor<?x100xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #tokens>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %2 = llm.call @sparse_decoder_layer layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x64xf32, #tokens>) -> tensor<?x100xf32, #tokens>
    llm.return %3 : tensor<?x100xf32, #tokens>
  }
  llm.entry @score(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #tokens>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %2 = llm.call @sparse_decoder_layer layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xf32, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xf32, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x64xf32, #tokens>) -> tensor<?x100xf32, #tokens>
    llm.return %3 : tensor<?x100xf32, #tokens>
  }
}

