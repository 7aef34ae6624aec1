// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What the attributes and types of the dialect refuse.

// expected-error@+1 {{unknown dimension 'batch'; legal are tokens, sequences, logit_rows and token_shares, or a multiple such as tokens*8}}
llm.body @b(%x: tensor<?x8xf32, #llm.dims<["batch"]>>) -> () {}

// -----

// expected-error@+1 {{unknown dimension 'tokens*0'}}
llm.body @b(%x: tensor<?x8xf32, #llm.dims<["tokens*0"]>>) -> () {}

// -----

// expected-error@+1 {{unknown dimension 'tokens*99999999999999999999'}}
llm.body @b(%x: tensor<?x8xf32, #llm.dims<["tokens*99999999999999999999"]>>) -> () {}

// -----

// expected-error@+1 {{#llm.dims names no dimension; a tensor of static shape has no encoding}}
llm.body @b(%x: tensor<8xf32, #llm.dims<[]>>) -> () {}

// -----

// expected-error@+1 {{#llm.dims names 2 dimensions, but the shape has 1 dynamic ones}}
llm.body @b(%x: tensor<?x8xf32, #llm.dims<["tokens", "tokens"]>>) -> () {}

// -----

// expected-error@+1 {{eos_token_ids entry is -1; legal are 0 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [2, -1]>} {}

// -----

// expected-error@+1 {{bos_token_id is 2147483648; legal are 0 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], bos_token_id = 2147483648>} {}

// -----

// expected-error@+1 {{pad_token_id is -5; legal are 0 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], pad_token_id = -5>} {}

// -----

// expected-error@+1 {{top_k is -2; legal are 0 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], top_k = -2>} {}

// -----

// expected-error@+1 {{temperature is -1.000000e+00; it must be finite and not negative}}
module attributes {a = #llm.generation<eos_token_ids = [], temperature = -1.0>} {}

// -----

// expected-error@+1 {{top_p is INF; it must be finite and not negative}}
module attributes {a = #llm.generation<eos_token_ids = [], top_p = 0x7FF0000000000000 : f64>} {}

// -----

// expected-error@+1 {{max_tokens is 0; legal are 1 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], max_tokens = 0>} {}

// -----

// expected-error@+1 {{requests is 2147483648; legal are 1 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], requests = 2147483648>} {}

// -----

// expected-error@+1 {{concurrency is -1; legal are 1 to 2147483647}}
module attributes {a = #llm.generation<eos_token_ids = [], concurrency = -1>} {}

// -----

// expected-error@+1 {{input_tokens is "uniform:3"; uniform:A-B takes two integers from 1 to 2147483647, the smaller first}}
module attributes {a = #llm.generation<eos_token_ids = [], input_tokens = "uniform:3">} {}

// -----

// expected-error@+1 {{output_tokens is "2k"; fixed:N, uniform:A-B, normal:MEAN,DEVIATION or quantiles:0=A,…,1=B is expected}}
module attributes {a = #llm.generation<eos_token_ids = [], output_tokens = "2k">} {}

// -----

// expected-error@+1 {{dtype is 'i32'; legal are f32, bf16 and f16}}
module attributes {a = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 8, dtype = i32, parameters = 1, generation = <eos_token_ids = []>>} {}

// -----

// expected-error@+1 {{vocab_size is 0; legal are 1 to 2147483647}}
module attributes {a = #llm.model<name = "m", architecture = "llama", vocab_size = 0, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>} {}

// -----

// expected-error@+1 {{num_hidden_layers is 5000; legal are 1 to 4096}}
module attributes {a = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 5000, max_position_embeddings = 8, dtype = f32, parameters = 1, generation = <eos_token_ids = []>>} {}

// -----

// expected-error@+1 {{max_seq_len is 0; legal are 1 to 2147483647}}
module attributes {llm.limits = #llm.limits<max_seq_len = 0, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 1, block_size = 16>} {}

// -----

// expected-error@+1 {{block_size is 20; it must be a multiple of 16}}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 1, block_size = 20>} {}

// -----

// expected-error@+1 {{kv_blocks * block_size is 134217728 * 16; slots are numbered in 31 bits, at most 134217727 blocks of this size are legal}}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 134217728, block_size = 16>} {}

// -----

// expected-error@+1 {{token_shares is 1; legal are 2 to 65536}}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 1, block_size = 16, token_shares = 1>} {}

// -----

// expected-error@+1 {{max_logit_rows is 2; legal are 3 to 8}}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 3, kv_blocks = 1, block_size = 16, max_logit_rows = 2>} {}

// -----

// expected-error@+1 {{max_batch is 9, more than max_tokens_per_step 8; decoding needs a token for each sequence}}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 9, kv_blocks = 1, block_size = 16>} {}

// -----

// expected-error@+1 {{has the unknown attribute 'llm.mode'; the llm dialect defines llm.model, llm.limits, llm.precision, llm.mesh, llm.target, llm.phase, llm.graphs, llm.prefetch}}
module attributes {llm.mode = 1} {}

// -----

// expected-error@+1 {{attribute 'llm.target' must be a string}}
module attributes {llm.target = 310} {}

// -----

// expected-error@+1 {{attribute 'llm.phase' must be a string}}
module attributes {llm.phase = 1} {}

// -----

// expected-error@+1 {{attribute 'llm.model' must be #llm.model<...>}}
module attributes {llm.model = "austen"} {}

// -----

// expected-error@+1 {{attribute 'llm.limits' must be #llm.limits<...>}}
module attributes {llm.limits = 5} {}

// -----

// expected-error@+1 {{has the attribute 'llm.limits', which belongs on the module}}
llm.body @b() attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 1, block_size = 16>} {
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{a KV cache type is <num_key_value_heads x head_dim x element type>}}
  %c = llm.kv_cache : !llm.kv_cache<2x4x64xbf16>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{the element type of a KV cache is 'i32'; legal are f32, bf16 and f16}}
  %c = llm.kv_cache : !llm.kv_cache<2x64xi32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{num_key_value_heads of a KV cache is 0; legal are 1 to 65536}}
  %c = llm.kv_cache : !llm.kv_cache<0x64xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{head_dim of a KV cache is 1; legal are 2 to 65536}}
  %c = llm.kv_cache : !llm.kv_cache<2x1xf32>
  llm.return
}

// -----

// expected-error@+1 {{attribute 'llm.graphs' must be {mode = "...", sizes = array<i64: ...>}}}
module attributes {llm.graphs = "full"} {}

// -----

// expected-error@+1 {{attribute 'llm.graphs' must be}}
module attributes {llm.graphs = {mode = "full", sizes = array<i64: 1>, more = 1}} {}

// -----

// expected-error@+1 {{has the mode "none"; legal are none, piecewise, full-decode-only, full-and-piecewise and full, where none is said by no attribute}}
module attributes {llm.graphs = {mode = "none", sizes = array<i64: 1>}} {}

// -----

// expected-error@+1 {{has the mode "some"; legal are none, piecewise}}
module attributes {llm.graphs = {mode = "some", sizes = array<i64: 1>}} {}

// -----

// expected-error@+1 {{has no sizes; one at least is captured}}
module attributes {llm.graphs = {mode = "full", sizes = array<i64>}} {}

// -----

// expected-error@+1 {{has the size 0 after 0; sizes ascend from 1 to 2147483647}}
module attributes {llm.graphs = {mode = "full", sizes = array<i64: 0>}} {}

// -----

// expected-error@+1 {{has the size 4 after 4; sizes ascend from 1 to 2147483647}}
module attributes {llm.graphs = {mode = "full", sizes = array<i64: 1, 4, 4>}} {}

// -----

// expected-error@+1 {{attribute 'llm.prefetch' must be {gate_up = ..., o = ..., qkv = ...}}}
module attributes {llm.prefetch = 1.0} {}

// -----

// expected-error@+1 {{attribute 'llm.prefetch' names 'down'; legal are gate_up, o and qkv}}
module attributes {llm.prefetch = {down = 1.0}} {}

// -----

// expected-error@+1 {{attribute 'llm.prefetch' has qkv = 2.000000e+00 : f64; legal is a share of the weight, an f64 above 0 and up to 1}}
module attributes {llm.prefetch = {qkv = 2.0}} {}
