// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What entries and calls refuse.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{is named 'generate'; legal are prefill, decode and score}}
  llm.entry @generate(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{needs the module attribute llm.model}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{needs the module attribute llm.limits}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{has 6 arguments; a step has 7 inputs: token_ids, positions, slot_mapping, query_start, context_lens, block_tables, logit_indices}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{names argument #1 'position'; step input #1 is 'positions'}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %position: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{has 'query_start' of type 'tensor<4xi32>'; it is 'tensor<3xi32>' within these limits}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<4xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{must have one result named 'logits'}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (hidden: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{has logits of type 'tensor<?x9xf32, #llm.dims<["tokens"]>>'; legal are 'tensor<?x8xf32, #llm.dims<["logit_rows"]>>' and 'tensor<?x8xf32, #llm.dims<["tokens"]>>'}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x9xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  // expected-error@+1 {{never calls layer 1; the model has layers 0 to 1}}
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{names layer 2; the model has layers 0 to 1}}
    %2 = llm.call @layer layer 2 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{runs layer 0 a second time in entry @decode}}
    %2 = llm.call @layer layer 0 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{calls @tail, and the module has no llm.body of this name}}
    %0 = llm.call @tail(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{passes 2 values and takes 1, but body @head has 1 arguments and 1 results}}
    %0 = llm.call @head(%token_ids, %token_ids) : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{passes 'tensor<3xi32>' as argument #0, but body @head takes 'tensor<?xi32, #llm.dims<["tokens"]>>'}}
    %0 = llm.call @head(%query_start) : (tensor<3xi32>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{takes 'tensor<?x9xf32, #llm.dims<["tokens"]>>' as result #0, but body @head returns 'tensor<?x8xf32, #llm.dims<["tokens"]>>'}}
    %9 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x9xf32, #tokens>
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{names no layer, but body @layer uses the weights or the KV cache of one}}
    %3 = llm.call @layer(%2) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{names layer 0, but nothing in body @head belongs to a layer}}
    %0 = llm.call @head layer 0 (%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 1 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
module attributes {llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 4, num_hidden_layers = 2, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>, llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @head(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "w" : tensor<8x8xf32>
    %0 = llm.embedding %token_ids, %w : (tensor<?xi32, #tokens>, tensor<8x8xf32>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.body @layer(%x: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    %w = llm.weight @w from "layers.{layer}.w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xf32, #tokens>, tensor<8xf32>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>, %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>, %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>, %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x8xf32, #tokens>) {
    %0 = llm.call @head(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xf32, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    // expected-error@+1 {{is not allowed in an entry; legal are llm.call and llm.return}}
    builtin.module {}
    llm.return %2 : tensor<?x8xf32, #tokens>
  }
}
