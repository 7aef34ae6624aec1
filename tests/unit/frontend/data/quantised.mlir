#logit_rows = #llm.dims<["logit_rows"]>
#sequences = #llm.dims<["sequences"]>
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 512, max_tokens_per_step = 512, max_batch = 16, kv_blocks = 68, block_size = 128>, llm.model = #llm.model<name = "qwen3_moe-3x64", architecture = "qwen3_moe", vocab_size = 100, hidden_size = 64, num_hidden_layers = 3, max_position_embeddings = 512, dtype = bf16, parameters = 134752, generation = <eos_token_ids = []>, num_key_value_heads = 2>, llm.precision = #llm.precision<compute = bf16, layernorm = f32, softmax = f32, rotary = f32, parameters = bf16, keep_origin = false>} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>) {
    %embed_tokens = llm.weight @embed_tokens from "model.embed_tokens.weight" : tensor<100x64xbf16>
    %inv_freq = llm.constant @inv_freq dense<[1.000000e+00, 0.177827939, 0.0316227786, 0.00562341325, 1.000000e-03, 1.7782794E-4, 3.16227743E-5, 5.62341347E-6]> : tensor<8xf32>
    %0 = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<100x64xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.rope_table %positions, %inv_freq : (tensor<?xi32, #tokens>, tensor<8xf32>) -> tensor<?x16xf32, #tokens>
    llm.return %0, %1 : tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>
  }
  llm.body @sparse_decoder_layer(%hidden: tensor<?x64xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %input_layernorm = llm.weight @input_layernorm from "model.layers.{layer}.input_layernorm.weight" : tensor<64xbf16>
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<64x64xbf16>
    %q_proj.bias = llm.weight @q_proj.bias from "model.layers.{layer}.self_attn.q_proj.bias" : tensor<64xbf16>
    %k_proj = llm.weight @k_proj from "model.layers.{layer}.self_attn.k_proj.weight" : tensor<32x64xbf16>
    %k_proj.bias = llm.weight @k_proj.bias from "model.layers.{layer}.self_attn.k_proj.bias" : tensor<32xbf16>
    %v_proj = llm.weight @v_proj from "model.layers.{layer}.self_attn.v_proj.weight" : tensor<32x64xbf16>
    %v_proj.bias = llm.weight @v_proj.bias from "model.layers.{layer}.self_attn.v_proj.bias" : tensor<32xbf16>
    %q_norm = llm.weight @q_norm from "model.layers.{layer}.self_attn.q_norm.weight" : tensor<16xbf16>
    %k_norm = llm.weight @k_norm from "model.layers.{layer}.self_attn.k_norm.weight" : tensor<16xbf16>
    %o_proj = llm.weight @o_proj from "model.layers.{layer}.self_attn.o_proj.weight" : tensor<64x64xbf16>
    %o_proj.bias = llm.weight @o_proj.bias from "model.layers.{layer}.self_attn.o_proj.bias" : tensor<64xbf16>
    %post_attention_layernorm = llm.weight @post_attention_layernorm from "model.layers.{layer}.post_attention_layernorm.weight" : tensor<64xbf16>
    %router = llm.weight @router from "model.layers.{layer}.mlp.gate.weight" : tensor<6x64xbf16>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 6 : tensor<6x24x64xbf16>
    %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.experts.{}.up_proj.weight" stack 6 : tensor<6x24x64xbf16>
    %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.experts.{}.down_proj.weight" stack 6 : tensor<6x64x24xbf16>
    %0 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %1 = llm.matmul %0, %q_proj bias %q_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
    %3 = llm.rms_norm %2, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
    %4 = llm.rope %3, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %5 = llm.matmul %0, %k_proj bias %k_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>, tensor<32xbf16>) -> tensor<?x32xbf16, #tokens>
    %6 = llm.split_heads %5 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %7 = llm.rms_norm %6, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
    %8 = llm.rope %7, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %9 = llm.matmul %0, %v_proj bias %v_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>, tensor<32xbf16>) -> tensor<?x32xbf16, #tokens>
    %10 = llm.split_heads %9 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
    %11 = llm.kv_append %8, %10 into %kv_cache at %slot_mapping : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
    %12 = llm.attention %4, %11, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>
    %13 = llm.merge_heads %12 : tensor<?x4x16xbf16, #tokens> -> tensor<?x64xbf16, #tokens>
    %14 = llm.matmul %13, %o_proj bias %o_proj.bias : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %15 = llm.add %hidden, %14 : tensor<?x64xbf16, #tokens>
    %16 = llm.rms_norm %15, %post_attention_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %17 = llm.matmul %16, %router : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %18 = llm.softmax %17 : tensor<?x6xf32, #tokens>
    %values, %indices = llm.top_k %18 k 2 : tensor<?x6xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %19 = llm.argsort %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %20 = llm.inverse_permutation %19 : tensor<?xi32, #x2_tokens>
    %21 = llm.expert_offsets %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<7xi32>
    %22 = llm.permute_tokens %16 by %19 : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %23 = llm.grouped_matmul %22, %gate_proj rows %19 offsets %21 : (tensor<?x64xbf16, #x2_tokens>, tensor<6x24x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xbf16, #x2_tokens>
    %24 = llm.grouped_matmul %22, %up_proj rows %19 offsets %21 : (tensor<?x64xbf16, #x2_tokens>, tensor<6x24x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xbf16, #x2_tokens>
    %25 = llm.silu %23 : tensor<?x24xbf16, #x2_tokens>
    %26 = llm.mul %25, %24 : tensor<?x24xbf16, #x2_tokens>
    %27 = llm.grouped_matmul %26, %down_proj rows %19 offsets %21 : (tensor<?x24xbf16, #x2_tokens>, tensor<6x64x24xbf16>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x64xbf16, #x2_tokens>
    %28 = llm.unpermute_tokens %27 by %20 : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %29 = llm.weighted_sum %28, %values : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
    %30 = llm.add %15, %29 : tensor<?x64xbf16, #tokens>
    llm.return %30 : tensor<?x64xbf16, #tokens>
  }
  llm.body @sparse_decoder_layer_qkv_w8a8_o_proj_w8a8_dynamic_mlp_w8a8_dynamic(%hidden: tensor<?x64xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens> {
    %input_layernorm = llm.weight @input_layernorm from "model.layers.{layer}.input_layernorm.weight" : tensor<64xbf16>
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<64x64xi8>
    %q_proj.input_scale = llm.weight @q_proj.input_scale from "model.layers.{layer}.self_attn.q_proj.input_scale" : tensor<1xf32>
    %q_proj.input_offset = llm.weight @q_proj.input_offset from "model.layers.{layer}.self_attn.q_proj.input_offset" : tensor<1xf32>
    %q_proj.quant_bias = llm.weight @q_proj.quant_bias from "model.layers.{layer}.self_attn.q_proj.quant_bias" : tensor<64xi32>
    %q_proj.deq_scale = llm.weight @q_proj.deq_scale from "model.layers.{layer}.self_attn.q_proj.deq_scale" : tensor<64xf32>
    %k_proj = llm.weight @k_proj from "model.layers.{layer}.self_attn.k_proj.weight" : tensor<32x64xi8>
    %k_proj.input_scale = llm.weight @k_proj.input_scale from "model.layers.{layer}.self_attn.k_proj.input_scale" : tensor<1xf32>
    %k_proj.input_offset = llm.weight @k_proj.input_offset from "model.layers.{layer}.self_attn.k_proj.input_offset" : tensor<1xf32>
    %k_proj.quant_bias = llm.weight @k_proj.quant_bias from "model.layers.{layer}.self_attn.k_proj.quant_bias" : tensor<32xi32>
    %k_proj.deq_scale = llm.weight @k_proj.deq_scale from "model.layers.{layer}.self_attn.k_proj.deq_scale" : tensor<32xf32>
    %v_proj = llm.weight @v_proj from "model.layers.{layer}.self_attn.v_proj.weight" : tensor<32x64xi8>
    %v_proj.input_scale = llm.weight @v_proj.input_scale from "model.layers.{layer}.self_attn.v_proj.input_scale" : tensor<1xf32>
    %v_proj.input_offset = llm.weight @v_proj.input_offset from "model.layers.{layer}.self_attn.v_proj.input_offset" : tensor<1xf32>
    %v_proj.quant_bias = llm.weight @v_proj.quant_bias from "model.layers.{layer}.self_attn.v_proj.quant_bias" : tensor<32xi32>
    %v_proj.deq_scale = llm.weight @v_proj.deq_scale from "model.layers.{layer}.self_attn.v_proj.deq_scale" : tensor<32xf32>
    %q_norm = llm.weight @q_norm from "model.layers.{layer}.self_attn.q_norm.weight" : tensor<16xbf16>
    %k_norm = llm.weight @k_norm from "model.layers.{layer}.self_attn.k_norm.weight" : tensor<16xbf16>
    %o_proj = llm.weight @o_proj from "model.layers.{layer}.self_attn.o_proj.weight" : tensor<64x64xi8>
    %o_proj.weight_scale = llm.weight @o_proj.weight_scale from "model.layers.{layer}.self_attn.o_proj.weight_scale" : tensor<64x1xf32>
    %o_proj.bias = llm.weight @o_proj.bias from "model.layers.{layer}.self_attn.o_proj.bias" : tensor<64xbf16>
    %post_attention_layernorm = llm.weight @post_attention_layernorm from "model.layers.{layer}.post_attention_layernorm.weight" : tensor<64xbf16>
    %router = llm.weight @router from "model.layers.{layer}.mlp.gate.weight" : tensor<6x64xbf16>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 6 : tensor<6x24x64xi8>
    %gate_proj.weight_scale = llm.weight @gate_proj.weight_scale from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight_scale" stack 6 : tensor<6x24x1xf32>
    %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.experts.{}.up_proj.weight" stack 6 : tensor<6x24x64xi8>
    %up_proj.weight_scale = llm.weight @up_proj.weight_scale from "model.layers.{layer}.mlp.experts.{}.up_proj.weight_scale" stack 6 : tensor<6x24x1xf32>
    %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.experts.{}.down_proj.weight" stack 6 : tensor<6x64x24xi8>
    %down_proj.weight_scale = llm.weight @down_proj.weight_scale from "model.layers.{layer}.mlp.experts.{}.down_proj.weight_scale" stack 6 : tensor<6x64x1xf32>
    %0 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %1 = llm.quantize %0, %q_proj.input_scale, %q_proj.input_offset : (tensor<?x64xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x64xi8, #tokens>
    %2 = llm.quant_matmul %1, %q_proj, %q_proj.quant_bias, %q_proj.deq_scale : (tensor<?x64xi8, #tokens>, tensor<64x64xi8>, tensor<64xi32>, tensor<64xf32>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.split_heads %2 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
    %4 = llm.rms_norm %3, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
    %5 = llm.rope %4, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %6 = llm.quantize %0, %k_proj.input_scale, %k_proj.input_offset : (tensor<?x64xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x64xi8, #tokens>
    %7 = llm.quant_matmul %6, %k_proj, %k_proj.quant_bias, %k_proj.deq_scale : (tensor<?x64xi8, #tokens>, tensor<32x64xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
    %8 = llm.split_heads %7 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %9 = llm.rms_norm %8, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
    %10 = llm.rope %9, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %11 = llm.quantize %0, %v_proj.input_scale, %v_proj.input_offset : (tensor<?x64xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x64xi8, #tokens>
    %12 = llm.quant_matmul %11, %v_proj, %v_proj.quant_bias, %v_proj.deq_scale : (tensor<?x64xi8, #tokens>, tensor<32x64xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
    %13 = llm.split_heads %12 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
    %14 = llm.kv_append %10, %13 into %kv_cache at %slot_mapping : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
    %15 = llm.attention %5, %14, %query_start, %context_lens, %block_tables scale 0.25 : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>
    %16 = llm.merge_heads %15 : tensor<?x4x16xbf16, #tokens> -> tensor<?x64xbf16, #tokens>
    %result, %scale = llm.dynamic_quantize %16 : tensor<?x64xbf16, #tokens> -> tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>
    %17 = llm.dynamic_quant_matmul %result scale %scale, %o_proj scale %o_proj.weight_scale bias %o_proj.bias : (tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x64xi8>, tensor<64x1xf32>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %18 = llm.add %hidden, %17 : tensor<?x64xbf16, #tokens>
    %19 = llm.rms_norm %18, %post_attention_layernorm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %20 = llm.matmul %19, %router : (tensor<?x64xbf16, #tokens>, tensor<6x64xbf16>) -> tensor<?x6xf32, #tokens>
    %21 = llm.softmax %20 : tensor<?x6xf32, #tokens>
    %values, %indices = llm.top_k %21 k 2 : tensor<?x6xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %22 = llm.argsort %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %23 = llm.inverse_permutation %22 : tensor<?xi32, #x2_tokens>
    %24 = llm.expert_offsets %indices num_experts 6 : tensor<?x2xi32, #tokens> -> tensor<7xi32>
    %25 = llm.permute_tokens %19 by %22 : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %result_0, %scale_1 = llm.dynamic_quantize %25 : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %26 = llm.grouped_dynamic_quant_matmul %result_0 scale %scale_1, %gate_proj scale %gate_proj.weight_scale rows %22 offsets %24 : (tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<6x24x64xi8>, tensor<6x24x1xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xbf16, #x2_tokens>
    %27 = llm.grouped_dynamic_quant_matmul %result_0 scale %scale_1, %up_proj scale %up_proj.weight_scale rows %22 offsets %24 : (tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<6x24x64xi8>, tensor<6x24x1xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x24xbf16, #x2_tokens>
    %28 = llm.silu %26 : tensor<?x24xbf16, #x2_tokens>
    %29 = llm.mul %28, %27 : tensor<?x24xbf16, #x2_tokens>
    %result_2, %scale_3 = llm.dynamic_quantize %29 : tensor<?x24xbf16, #x2_tokens> -> tensor<?x24xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %30 = llm.grouped_dynamic_quant_matmul %result_2 scale %scale_3, %down_proj scale %down_proj.weight_scale rows %22 offsets %24 : (tensor<?x24xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<6x64x24xi8>, tensor<6x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<7xi32>) -> tensor<?x64xbf16, #x2_tokens>
    %31 = llm.unpermute_tokens %30 by %23 : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %32 = llm.weighted_sum %31, %values : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
    %33 = llm.add %18, %32 : tensor<?x64xbf16, #tokens>
    llm.return %33 : tensor<?x64xbf16, #tokens>
  }
  llm.body @epilogue_prefill(%hidden: tensor<?x64xbf16, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>) -> tensor<?x100xf32, #logit_rows> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xbf16>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<100x64xbf16>
    %0 = llm.gather_rows %hidden, %logit_indices : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x64xbf16, #logit_rows>
    %1 = llm.rms_norm %0, %norm eps 1.0e-06 : tensor<?x64xbf16, #logit_rows>, tensor<64xbf16>
    %2 = llm.matmul %1, %lm_head : (tensor<?x64xbf16, #logit_rows>, tensor<100x64xbf16>) -> tensor<?x100xf32, #logit_rows>
    llm.return %2 : tensor<?x100xf32, #logit_rows>
  }
  llm.body @epilogue(%hidden: tensor<?x64xbf16, #tokens>) -> tensor<?x100xf32, #tokens> {
    %norm = llm.weight @norm from "model.norm.weight" : tensor<64xbf16>
    %lm_head = llm.weight @lm_head from "lm_head.weight" : tensor<100x64xbf16>
    %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %1 = llm.matmul %0, %lm_head : (tensor<?x64xbf16, #tokens>, tensor<100x64xbf16>) -> tensor<?x100xf32, #tokens>
    llm.return %1 : tensor<?x100xf32, #tokens>
  }
  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #logit_rows>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @sparse_decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.call @sparse_decoder_layer_qkv_w8a8_o_proj_w8a8_dynamic_mlp_w8a8_dynamic layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.call @sparse_decoder_layer layer 2 (%2, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %4 = llm.call @epilogue_prefill(%3, %logit_indices) : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x100xf32, #logit_rows>
    llm.return %4 : tensor<?x100xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #tokens>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @sparse_decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.call @sparse_decoder_layer_qkv_w8a8_o_proj_w8a8_dynamic_mlp_w8a8_dynamic layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.call @sparse_decoder_layer layer 2 (%2, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %4 = llm.call @epilogue(%3) : (tensor<?x64xbf16, #tokens>) -> tensor<?x100xf32, #tokens>
    llm.return %4 : tensor<?x100xf32, #tokens>
  }
  llm.entry @score(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<17xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x4xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x100xf32, #tokens>) {
    %0:2 = llm.call @prologue(%token_ids, %positions) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>)
    %1 = llm.call @sparse_decoder_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %2 = llm.call @sparse_decoder_layer_qkv_w8a8_o_proj_w8a8_dynamic_mlp_w8a8_dynamic layer 1 (%1, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.call @sparse_decoder_layer layer 2 (%2, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables) : (tensor<?x64xbf16, #tokens>, tensor<?x16xf32, #tokens>, tensor<?xi32, #tokens>, tensor<17xi32>, tensor<?xi32, #sequences>, tensor<?x4xi32, #sequences>) -> tensor<?x64xbf16, #tokens>
    %4 = llm.call @epilogue(%3) : (tensor<?x64xbf16, #tokens>) -> tensor<?x100xf32, #tokens>
    llm.return %4 : tensor<?x100xf32, #tokens>
  }
}

