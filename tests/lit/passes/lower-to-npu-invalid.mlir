// RUN: vinci-opt %s --split-input-file --verify-diagnostics --lower-to-npu
// Models that have no device program: no kernel for what an op asks for, or two values in one place.
// expected-error@+1 {{the module has no llm.entry; a model needs prefill, decode or score}}
module {
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @a(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %c = llm.kv_cache : !llm.kv_cache<2x8xf32>
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @b(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    // expected-error@+1 {{is '!llm.kv_cache<4x8xf32>', but another layer has '!llm.kv_cache<2x8xf32>'; all layers share one geometry}}
    %c = llm.kv_cache : !llm.kv_cache<4x8xf32>
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @a layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @b layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>, %indices: tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.gather_rows %x, %indices : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    // expected-error@+1 {{'llm.silu' op has rows = logit_rows; its kernel takes rows per token, rows = tokens or a multiple}}
    %1 = llm.silu %0 : tensor<?x8xf32, #logit_rows>
    llm.return %1 : tensor<?x8xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #logit_rows>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 0 (%0, %logit_indices) : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    llm.return %out : tensor<?x8xf32, #logit_rows>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>, %indices: tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.gather_rows %x, %indices : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    // expected-error@+1 {{'llm.moe_route' op has rows = logit_rows; its kernel takes rows per token, rows = tokens or a multiple}}
    %1, %2 = llm.moe_route %0 top_k 8 : tensor<?x8xf32, #logit_rows> -> tensor<?x8xf32, #logit_rows>, tensor<?x8xi32, #logit_rows>
    llm.return %1 : tensor<?x8xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #logit_rows>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 0 (%0, %logit_indices) : (tensor<?x8xf32, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xf32, #logit_rows>
    llm.return %out : tensor<?x8xf32, #logit_rows>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %c = llm.constant @c dense<1.0> : tensor<8xf32>
    // expected-error@+1 {{has a weight of type 'tensor<8xf32>' that no llm.weight of its body declares}}
    %0 = llm.rms_norm %x, %c eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @weights() -> tensor<8xf32> {
    %w = llm.weight @w from "w" : tensor<8xf32>
    // expected-error@+1 {{returns a weight; only what the body computes can be returned}}
    llm.return %w : tensor<8xf32>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @weights() : () -> tensor<8xf32>
    %out = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.silu %hidden : tensor<?x8xf32, #tokens>
    // expected-error@+1 {{'llm.rms_norm' op reads operand #0 after 'logits' was overwritten by a result that calls pass on in the same place; read it before}}
    %1 = llm.rms_norm %hidden, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8x8xf32>
    // expected-error@+1 {{'llm.matmul' op would overwrite its operand #0, as calls pass its result on in the place of 'logits'; only elementwise ops and norms can do that}}
    %0 = llm.matmul %hidden, %w : (tensor<?x8xf32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 2, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.silu %hidden : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @sum(%a: tensor<?x8xf32, #tokens>, %b: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %0 = llm.add %a, %b : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{'llm.call' op reads operand #0 after 'hidden' was overwritten}}
    %out = llm.call @sum(%1, %2) : (tensor<?x8xf32, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @embed(%ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %table = llm.weight @table from "table" : tensor<8x8xf32>
    %0 = llm.embedding %ids, %table : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{would have 'positions' and 'token_ids' in one place, as calls pass both as the same argument of a body; a body finds an argument in the same place in every call}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @embed(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @embed(%positions) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %out = llm.call @layer layer 0 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 64, dtype = f32, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @constant() -> tensor<2xf32> {
    %c = llm.constant @c dense<1.0> : tensor<2xf32>
    llm.return %c : tensor<2xf32>
  }
  llm.body @table(%ids: tensor<?xi32, #tokens>, %freq: tensor<2xf32>) -> (tensor<?x4xf32, #tokens>, tensor<?x8xf32, #tokens>) {
    %t = llm.weight @t from "t" : tensor<8x8xf32>
    %0 = llm.rope_table %ids, %freq : (tensor<?xi32, #tokens>, tensor<2xf32>) -> tensor<?x4xf32, #tokens>
    %1 = llm.embedding %ids, %t : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0, %1 : tensor<?x4xf32, #tokens>, tensor<?x8xf32, #tokens>
  }
  llm.body @sort(%ids: tensor<?xi32, #tokens>, %x: tensor<?x8xf32, #tokens>) -> tensor<?xi32, #tokens> {
    %0, %1 = llm.moe_route %x top_k 1 : tensor<?x8xf32, #tokens> -> tensor<?x1xf32, #tokens>, tensor<?x1xi32, #tokens>
    // expected-error@+1 {{computes what some call passes where another passes 'token_ids'; a body finds an argument in the same place in every call}}
    %2, %3, %4 = llm.moe_sort %1 num_experts 8 : tensor<?x1xi32, #tokens> -> tensor<?xi32, #tokens>, tensor<?xi32, #tokens>, tensor<9xi32>
    llm.return %2 : tensor<?xi32, #tokens>
  }
  llm.body @last(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.silu %x : tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %c = llm.call @constant() : () -> tensor<2xf32>
    %t, %x = llm.call @table(%token_ids, %c) : (tensor<?xi32, #tokens>, tensor<2xf32>) -> (tensor<?x4xf32, #tokens>, tensor<?x8xf32, #tokens>)
    %s = llm.call @sort(%token_ids, %x) : (tensor<?xi32, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?xi32, #tokens>
    %s2 = llm.call @sort(%s, %x) : (tensor<?xi32, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?xi32, #tokens>
    %out = llm.call @last layer 0 (%x) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %out : tensor<?x8xf32, #tokens>
  }
}
