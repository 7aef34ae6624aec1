// RUN: vinci-opt %s --lower-to-npu | FileCheck %s
// RUN: sed 's/@lm_head from "embed_tokens.weight"/@lm_head from "lm_head.weight"/' %s | vinci-opt --lower-to-npu | FileCheck %s --check-prefix=UNTIED
// Every op as a kernel: a layer with attention and one with experts, a tied head.

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 16, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>)
      -> (tensor<?x16xf32, #tokens>, tensor<?x4xf32, #tokens>) {
    %embed_tokens = llm.weight @embed_tokens from "embed_tokens.weight" : tensor<32x16xf32>
    %inv_freq = llm.constant @inv_freq dense<[1.0, 0.01]> : tensor<2xf32>
    %0 = llm.embedding %token_ids, %embed_tokens : (tensor<?xi32, #tokens>, tensor<32x16xf32>) -> tensor<?x16xf32, #tokens>
    %1 = llm.rope_table %positions, %inv_freq : (tensor<?xi32, #tokens>, tensor<2xf32>) -> tensor<?x4xf32, #tokens>
    llm.return %0, %1 : tensor<?x16xf32, #tokens>, tensor<?x4xf32, #tokens>
  }
  llm.body @attention_layer(%hidden: tensor<?x16xf32, #tokens>, %rope: tensor<?x4xf32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>,
                            %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>,
                            %block_tables: tensor<?x2xi32, #sequences>) -> tensor<?x16xf32, #tokens> {
    %norm = llm.weight @norm from "layers.{layer}.norm.weight" : tensor<16xf32>
    %q_proj = llm.weight @q_proj from "layers.{layer}.q_proj.weight" : tensor<16x16xf32>
    %q_bias = llm.weight @q_proj.bias from "layers.{layer}.q_proj.bias" : tensor<16xf32>
    %k_proj = llm.weight @k_proj from "layers.{layer}.k_proj.weight" : tensor<8x16xf32>
    %unused = llm.weight @unused from "layers.{layer}.unused.weight" : tensor<8x16xf32>
    %q_norm = llm.weight @q_norm from "layers.{layer}.q_norm.weight" : tensor<4xf32>
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x4xf32>
    %x = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x16xf32, #tokens>, tensor<16xf32>
    %q = llm.matmul %x, %q_proj bias %q_bias : (tensor<?x16xf32, #tokens>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<?x16xf32, #tokens>
    %k = llm.matmul %x, %k_proj : (tensor<?x16xf32, #tokens>, tensor<8x16xf32>) -> tensor<?x8xf32, #tokens>
    %qh = llm.split_heads %q : tensor<?x16xf32, #tokens> -> tensor<?x4x4xf32, #tokens>
    %kh = llm.split_heads %k : tensor<?x8xf32, #tokens> -> tensor<?x2x4xf32, #tokens>
    %qn = llm.rms_norm %qh, %q_norm eps 1.0e-06 : tensor<?x4x4xf32, #tokens>, tensor<4xf32>
    %qr = llm.rope %qn, %rope : tensor<?x4x4xf32, #tokens>, tensor<?x4xf32, #tokens>
    %cache = llm.kv_append %kh, %kh into %kv_cache at %slot_mapping
        : tensor<?x2x4xf32, #tokens>, !llm.kv_cache<2x4xf32>, tensor<?xi32, #tokens>
    %o = llm.attention %qr, %cache, %query_start, %context_lens, %block_tables scale 0.5
        : tensor<?x4x4xf32, #tokens>, !llm.kv_cache<2x4xf32>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    %merged = llm.merge_heads %o : tensor<?x4x4xf32, #tokens> -> tensor<?x16xf32, #tokens>
    %out = llm.add %hidden, %merged : tensor<?x16xf32, #tokens>
    llm.return %out : tensor<?x16xf32, #tokens>
  }
  llm.body @expert_layer(%hidden: tensor<?x16xf32, #tokens>) -> tensor<?x16xf32, #tokens> {
    %router = llm.weight @router from "layers.{layer}.router.weight" : tensor<8x16xf32>
    %up_proj = llm.weight @up_proj from "layers.{layer}.experts.{}.up_proj.weight" stack 8 : tensor<8x12x16xf32>
    %down_proj = llm.weight @down_proj from "layers.{layer}.experts.{}.down_proj.weight" stack 8 : tensor<8x16x12xf32>
    %logits = llm.matmul %hidden, %router : (tensor<?x16xf32, #tokens>, tensor<8x16xf32>) -> tensor<?x8xf32, #tokens>
    %weights, %experts = llm.moe_route %logits top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
    %up = llm.grouped_matmul %hidden, %up_proj rows %row_of offsets %offsets gather
        : (tensor<?x16xf32, #tokens>, tensor<8x12x16xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x12xf32, #x2_tokens>
    %silu = llm.silu %up : tensor<?x12xf32, #x2_tokens>
    %product = llm.mul %silu, %up : tensor<?x12xf32, #x2_tokens>
    %down = llm.grouped_matmul %product, %down_proj rows %row_of offsets %offsets
        : (tensor<?x12xf32, #x2_tokens>, tensor<8x16x12xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x16xf32, #x2_tokens>
    %combined = llm.moe_combine %down, %position_of, %weights
        : (tensor<?x16xf32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x16xf32, #tokens>
    %out = llm.add %hidden, %combined : tensor<?x16xf32, #tokens>
    llm.return %out : tensor<?x16xf32, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x16xf32, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>) -> tensor<?x32xf32, #logit_rows> {
    %final_norm = llm.weight @final_norm from "norm.weight" : tensor<16xf32>
    %lm_head = llm.weight @lm_head from "embed_tokens.weight" : tensor<32x16xf32>
    %rows = llm.gather_rows %hidden, %logit_indices : (tensor<?x16xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x16xf32, #logit_rows>
    %x = llm.rms_norm %rows, %final_norm eps 1.0e-06 : tensor<?x16xf32, #logit_rows>, tensor<16xf32>
    %logits = llm.matmul %x, %lm_head : (tensor<?x16xf32, #logit_rows>, tensor<32x16xf32>) -> tensor<?x32xf32, #logit_rows>
    llm.return %logits : tensor<?x32xf32, #logit_rows>
  }
  llm.body @never_called() {
    llm.return
  }
  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #logit_rows>) {
    %0:2 = llm.call @prologue(%token_ids, %positions)
        : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x16xf32, #tokens>, tensor<?x4xf32, #tokens>)
    %1 = llm.call @attention_layer layer 0 (%0#0, %0#1, %slot_mapping, %query_start, %context_lens, %block_tables)
        : (tensor<?x16xf32, #tokens>, tensor<?x4xf32, #tokens>, tensor<?xi32, #tokens>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>) -> tensor<?x16xf32, #tokens>
    %2 = llm.call @expert_layer layer 1 (%1) : (tensor<?x16xf32, #tokens>) -> tensor<?x16xf32, #tokens>
    %3 = llm.call @epilogue(%2, %logit_indices) : (tensor<?x16xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x32xf32, #logit_rows>
    llm.return %3 : tensor<?x32xf32, #logit_rows>
  }
}

// CHECK-NOT: llm.entry
// CHECK: npu.program {
// CHECK-NEXT: npu.kv_cache layers 2 : !llm.kv_cache<2x4xf32>
// CHECK-NEXT: npu.constant @inv_freq dense<[1.000000e+00, 0.00999999977]> : tensor<2xf32>
// CHECK-NEXT: npu.weight @embed_tokens from "embed_tokens.weight" packing panel32 : tensor<32x16xf32>
// CHECK-NEXT: npu.weight @layers.0.norm from "layers.0.norm.weight" packing rows : tensor<16xf32>
// CHECK-NEXT: npu.weight @layers.0.q_proj from "layers.0.q_proj.weight" packing panel32 : tensor<16x16xf32>
// CHECK-NEXT: npu.weight @layers.0.q_proj.bias from "layers.0.q_proj.bias" packing rows : tensor<16xf32>
// CHECK-NEXT: npu.weight @layers.0.k_proj from "layers.0.k_proj.weight" packing panel32 : tensor<8x16xf32>
// CHECK-NEXT: npu.weight @layers.0.q_norm from "layers.0.q_norm.weight" packing rows : tensor<4xf32>
// CHECK-NEXT: npu.weight @layers.1.router from "layers.1.router.weight" packing panel32 : tensor<8x16xf32>
// CHECK-NEXT: npu.weight @layers.1.up_proj from "layers.1.experts.{}.up_proj.weight" stack 8 packing panel32 : tensor<8x12x16xf32>
// CHECK-NEXT: npu.weight @layers.1.down_proj from "layers.1.experts.{}.down_proj.weight" stack 8 packing panel32 : tensor<8x16x12xf32>
// CHECK-NEXT: npu.weight @final_norm from "norm.weight" packing rows : tensor<16xf32>
// CHECK-NEXT: npu.buffer @hidden : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @rope : tensor<?x4xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.norm : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.q_proj : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.k_proj : tensor<?x8xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.q_norm : tensor<?x4x4xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.rope : tensor<?x4x4xf32, #tokens>
// CHECK-NEXT: npu.buffer @attention_layer.attention : tensor<?x4x4xf32, #tokens>
// CHECK-NEXT: npu.buffer @hidden.1 : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @expert_layer.router : tensor<?x8xf32, #tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_route.weights : tensor<?x2xf32, #tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_route.experts : tensor<?x2xi32, #tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_sort.row_of : tensor<?xi32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_sort.position_of : tensor<?xi32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_sort.expert_offsets : tensor<9xi32>
// CHECK-NEXT: npu.buffer @expert_layer.up_proj : tensor<?x12xf32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.silu : tensor<?x12xf32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.mul : tensor<?x12xf32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.down_proj : tensor<?x16xf32, #x2_tokens>
// CHECK-NEXT: npu.buffer @expert_layer.moe_combine : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @hidden.2 : tensor<?x16xf32, #tokens>
// CHECK-NEXT: npu.buffer @epilogue.gather_rows : tensor<?x16xf32, #logit_rows>
// CHECK-NEXT: npu.buffer @epilogue.final_norm : tensor<?x16xf32, #logit_rows>

// CHECK-LABEL: npu.body @prologue(weight @embed_tokens) {
// CHECK-NEXT: npu.launch "embedding" writes(arena @hidden) reads(input @token_ids, parameter @embed_tokens) {dtype = "float32", hidden = 16, panels = 1, rows = "tokens", sharded = 0, vocab = 32}
// CHECK-NEXT: npu.launch "rope_table" writes(arena @rope) reads(input @positions, constant @inv_freq) {dtype = "float32", head_dim = 4}

// CHECK-LABEL: npu.body @attention_layer(weight @norm, weight @q_proj, weight @q_proj.bias, weight @k_proj, weight @q_norm, kv_cache @kv_cache) {
// CHECK-NEXT: npu.launch "rms_norm" writes(arena @attention_layer.norm) reads(arena @hidden, parameter @norm) {bias = 0, compute = "float32", dtype = "float32", eps = 1.0e-06, groups = 1, n = 16, rows = "tokens"}
// CHECK-NEXT: npu.launch "matmul" writes(arena @attention_layer.q_proj) reads(arena @attention_layer.norm, parameter @q_proj, parameter @q_proj.bias) {bias = 1, dtype = "float32", k = 16, n = 16, out_dtype = "float32", rows = "tokens"}
// CHECK-NEXT: npu.launch "matmul" writes(arena @attention_layer.k_proj) reads(arena @attention_layer.norm, parameter @k_proj) {bias = 0, dtype = "float32", k = 16, n = 8, out_dtype = "float32", rows = "tokens"}
// CHECK-NEXT: npu.launch "rms_norm" writes(arena @attention_layer.q_norm) reads(arena @attention_layer.q_proj, parameter @q_norm) {bias = 0, compute = "float32", dtype = "float32", eps = 1.0e-06, groups = 4, n = 4, rows = "tokens"}
// CHECK-NEXT: npu.launch "rope" writes(arena @attention_layer.rope) reads(arena @attention_layer.q_norm, arena @rope) {compute = "float32", dtype = "float32", head_dim = 4, heads = 4}
// CHECK-NEXT: npu.launch "kv_append" writes(parameter @kv_cache) reads(arena @attention_layer.k_proj, arena @attention_layer.k_proj, input @slot_mapping) {block_size = 16, dtype = "float32", head_dim = 4, kv_heads = 2}
// CHECK-NEXT: npu.launch "attention" writes(arena @attention_layer.attention) reads(arena @attention_layer.rope, parameter @kv_cache, input @query_start, input @context_lens, input @block_tables) {block_size = 16, dtype = "float32", head_dim = 4, heads = 4, kv_heads = 2, max_blocks = 2, scale = 0.5, softmax = "float32"}
// CHECK-NEXT: npu.launch "add" writes(arena @hidden.1) reads(arena @hidden, arena @attention_layer.attention) {dtype = "float32", n = 16, rows = "tokens"}

// CHECK-LABEL: npu.body @expert_layer(weight @router, weight @up_proj, weight @down_proj) {
// CHECK-NEXT: npu.launch "matmul" writes(arena @expert_layer.router) reads(arena @hidden.1, parameter @router) {bias = 0, dtype = "float32", k = 16, n = 8, out_dtype = "float32", rows = "tokens"}
// CHECK-NEXT: npu.launch "moe_route" writes(arena @expert_layer.moe_route.weights, arena @expert_layer.moe_route.experts) reads(arena @expert_layer.router) {norm_topk_prob = 1, num_experts = 8, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "moe_sort" writes(arena @expert_layer.moe_sort.row_of, arena @expert_layer.moe_sort.position_of, arena @expert_layer.moe_sort.expert_offsets) reads(arena @expert_layer.moe_route.experts) {num_experts = 8, rows_per_token = 1, sharded = 0, top_k = 2}
// CHECK-NEXT: npu.launch "grouped_matmul" writes(arena @expert_layer.up_proj) reads(arena @hidden.1, arena @expert_layer.moe_sort.row_of, arena @expert_layer.moe_sort.expert_offsets, parameter @up_proj) {dtype = "float32", gather = 1, k = 16, n = 12, num_experts = 8, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "silu" writes(arena @expert_layer.silu) reads(arena @expert_layer.up_proj) {dtype = "float32", n = 12, rows_per_token = 2}
// CHECK-NEXT: npu.launch "mul" writes(arena @expert_layer.mul) reads(arena @expert_layer.silu, arena @expert_layer.up_proj) {dtype = "float32", n = 12, rows_per_token = 2}
// CHECK-NEXT: npu.launch "grouped_matmul" writes(arena @expert_layer.down_proj) reads(arena @expert_layer.mul, arena @expert_layer.moe_sort.row_of, arena @expert_layer.moe_sort.expert_offsets, parameter @down_proj) {dtype = "float32", gather = 0, k = 12, n = 16, num_experts = 8, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "moe_combine" writes(arena @expert_layer.moe_combine) reads(arena @expert_layer.down_proj, arena @expert_layer.moe_sort.position_of, arena @expert_layer.moe_route.weights) {dtype = "float32", n = 16, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "add" writes(arena @hidden.2) reads(arena @hidden.1, arena @expert_layer.moe_combine) {dtype = "float32", n = 16, rows = "tokens"}

// CHECK-LABEL: npu.body @epilogue(weight @final_norm, weight @lm_head) {
// CHECK-NEXT: npu.launch "gather_rows" writes(arena @epilogue.gather_rows) reads(arena @hidden.2, input @logit_indices) {dtype = "float32", n = 16}
// CHECK-NEXT: npu.launch "rms_norm" writes(arena @epilogue.final_norm) reads(arena @epilogue.gather_rows, parameter @final_norm) {bias = 0, compute = "float32", dtype = "float32", eps = 1.0e-06, groups = 1, n = 16, rows = "logit_rows"}
// CHECK-NEXT: npu.launch "matmul" writes(output @logits) reads(arena @epilogue.final_norm, parameter @lm_head) {bias = 0, dtype = "float32", k = 16, n = 32, out_dtype = "float32", rows = "logit_rows"}

// CHECK-LABEL: npu.entry @prefill(token_ids: tensor<?xi32, #tokens>, positions: tensor<?xi32, #tokens>, slot_mapping: tensor<?xi32, #tokens>, query_start: tensor<3xi32>, context_lens: tensor<?xi32, #sequences>, block_tables: tensor<?x2xi32, #sequences>, logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #logit_rows>) {
// CHECK-NEXT: npu.call @prologue (weight @embed_tokens)
// CHECK-NEXT: npu.call @attention_layer layer 0 (weight @layers.0.norm, weight @layers.0.q_proj, weight @layers.0.q_proj.bias, weight @layers.0.k_proj, weight @layers.0.q_norm, kv_cache 0)
// CHECK-NEXT: npu.call @expert_layer layer 1 (weight @layers.1.router, weight @layers.1.up_proj, weight @layers.1.down_proj)
// CHECK-NEXT: npu.call @epilogue (weight @final_norm, weight @embed_tokens)
// CHECK-NOT: llm.body

// A table that is not multiplied by is read row by row.
// UNTIED: npu.weight @embed_tokens from "embed_tokens.weight" packing rows : tensor<32x16xf32>
// UNTIED: npu.weight @lm_head from "lm_head.weight" packing panel32 : tensor<32x16xf32>
// UNTIED: npu.launch "embedding" {{.*}}panels = 0
