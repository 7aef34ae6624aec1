// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What llm.precision refuses, what regions may compute in, and what keep_origin holds passes to.

// expected-error@+1 {{compute is 'i32'; legal are f32, bf16 and f16}}
module attributes {llm.precision = #llm.precision<compute = i32, layernorm = f32, softmax = f32, rotary = f32, parameters = i32, keep_origin = false>} {}

// -----

// expected-error@+1 {{layernorm is 'f16', but compute is 'bf16'; legal are f32 and the type of compute}}
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = f16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = false>} {}

// -----

// expected-error@+1 {{softmax is 'bf16', but compute is 'f32'; legal are f32 and the type of compute}}
module attributes {llm.precision = #llm.precision<compute = f32, layernorm = f32, softmax = bf16, rotary = f32, parameters = f32, keep_origin = false>} {}

// -----

// expected-error@+1 {{rotary is 'bf16', but compute is 'f16'; legal are f32 and the type of compute}}
module attributes {llm.precision = #llm.precision<compute = f16, layernorm = f32, softmax = f32, rotary = bf16, parameters = f16, keep_origin = false>} {}

// -----

// expected-error@+1 {{parameters is 'bf16', but compute is 'f16'; they must be equal, as no kernel multiplies two types}}
module attributes {llm.precision = #llm.precision<compute = f16, layernorm = f32, softmax = f32, rotary = f32, parameters = bf16, keep_origin = false>} {}

// -----

// expected-error@+1 {{attribute 'llm.precision' must be #llm.precision<...>}}
module attributes {llm.precision = "all of them"} {}

// -----

// expected-error@+1 {{attribute 'llm.precision' has compute = 'f16', but llm.model has dtype = 'bf16'; they must be equal}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 8, hidden_size = 8, num_hidden_layers = 1, max_position_embeddings = 8, dtype = bf16, parameters = 1, generation = <eos_token_ids = []>>,
  llm.precision = #llm.precision<compute = f16, layernorm = f32, softmax = f32, rotary = f32, parameters = f16, keep_origin = false>} {}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{computes in 'f16', but input has elements of type 'bf16'; legal are f32 and the type of input}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 in f16 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{computes in 'i32', but input has elements of type 'bf16'; legal are f32 and the type of input}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 in i32 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%x: tensor<?x2x8xf32, #tokens>, %t: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{computes in its table's type 'bf16', but input has elements of type 'f32'; legal are f32 and the type of input}}
  %0 = llm.rope %x, %t : tensor<?x2x8xf32, #tokens>, tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x1x8xf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<1x8xf16>
  // expected-error@+1 {{has a softmax in 'bf16', but query has elements of type 'f16'; legal are f32 and the type of query}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 softmax bf16 : tensor<?x1x8xf16, #tokens>, !llm.kv_cache<1x8xf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
    // expected-error@+1 {{'llm.rms_norm' op computes in 'f32', but llm.precision keeps layernorm = 'bf16'}}
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xf16, #tokens>, %w: tensor<8xf16>) {
    // expected-error@+1 {{'llm.rms_norm' op normalises 'f16', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.rms_norm %x, %w eps 1.0e-06 in f16 : tensor<?x8xf16, #tokens>, tensor<8xf16>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xf32, #tokens>, %w: tensor<4x8xf32>) {
    // expected-error@+1 {{'llm.matmul' op multiplies 'f32', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.matmul %x, %w : (tensor<?x8xf32, #tokens>, tensor<4x8xf32>) -> tensor<?x4xf32, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xf32, #llm.dims<["tokens*2"]>>, %w: tensor<3x4x8xf32>, %r: tensor<?xi32, #llm.dims<["tokens*2"]>>, %o: tensor<4xi32>) {
    // expected-error@+1 {{'llm.grouped_matmul' op multiplies 'f32', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.grouped_matmul %x, %w rows %r offsets %o : (tensor<?x8xf32, #llm.dims<["tokens*2"]>>, tensor<3x4x8xf32>, tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<4xi32>) -> tensor<?x4xf32, #llm.dims<["tokens*2"]>>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%p: tensor<?xi32, #tokens>, %f: tensor<4xf32>) {
    // expected-error@+1 {{'llm.rope_table' op makes a table of 'bf16', but llm.precision keeps rotary = 'f32'}}
    %0 = llm.rope_table %p, %f : (tensor<?xi32, #tokens>, tensor<4xf32>) -> tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x2x8xbf16, #tokens>, %t: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{'llm.rope' op has a table of 'bf16', but llm.precision keeps rotary = 'f32'}}
    %0 = llm.rope %x, %t : tensor<?x2x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x2x8xf16, #tokens>, %t: tensor<?x8xf32, #tokens>) {
    // expected-error@+1 {{'llm.rope' op rotates 'f16', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.rope %x, %t : tensor<?x2x8xf16, #tokens>, tensor<?x8xf32, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%q: tensor<?x1x8xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
    %c = llm.kv_cache : !llm.kv_cache<1x8xbf16>
    // expected-error@+1 {{'llm.attention' op has a softmax in 'bf16', but llm.precision keeps softmax = 'f32'}}
    %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 softmax bf16 : tensor<?x1x8xbf16, #tokens>, !llm.kv_cache<1x8xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%q: tensor<?x1x8xf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
    %c = llm.kv_cache : !llm.kv_cache<1x8xf16>
    // expected-error@+1 {{'llm.attention' op has a query of 'f16', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x1x8xf16, #tokens>, !llm.kv_cache<1x8xf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
    // expected-error@+1 {{'llm.add_rms_norm' op computes in 'f32', but llm.precision keeps layernorm = 'bf16'}}
    %0, %1 = llm.add_rms_norm %x, %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x2x8xbf16, #tokens>, %t: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{'llm.rope_qk' op has a table of 'bf16', but llm.precision keeps rotary = 'f32'}}
    %0, %1 = llm.rope_qk %x, %x, %t : tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x32xbf16, #tokens>, %w: tensor<8xbf16>) {
    // expected-error@+1 {{'llm.split_qkv' op computes in 'f32', but llm.precision keeps layernorm = 'bf16'}}
    %q, %k, %v = llm.split_qkv %x norms %w, %w eps 1.0e-06 : (tensor<?x32xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>) -> (tensor<?x2x8xbf16, #tokens>, tensor<?x1x8xbf16, #tokens>, tensor<?x1x8xbf16, #tokens>)
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x32xbf16, #tokens>, %t: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{'llm.split_qkv' op has a table of 'bf16', but llm.precision keeps rotary = 'f32'}}
    %q, %k, %v = llm.split_qkv %x rope %t : (tensor<?x32xbf16, #tokens>, tensor<?x8xbf16, #tokens>) -> (tensor<?x2x8xbf16, #tokens>, tensor<?x1x8xbf16, #tokens>, tensor<?x1x8xbf16, #tokens>)
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x32xf16, #tokens>) {
    // expected-error@+1 {{'llm.split_qkv' op splits 'f16', but llm.precision keeps compute = 'bf16'}}
    %q, %k, %v = llm.split_qkv %x : (tensor<?x32xf16, #tokens>) -> (tensor<?x2x8xf16, #tokens>, tensor<?x1x8xf16, #tokens>, tensor<?x1x8xf16, #tokens>)
    llm.return
  }
}

// -----

// Without keep_origin the ops say what they compute in, and that is that.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = false>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
    // expected-error@+1 {{'llm.rms_norm_quant' op computes in 'f32', but llm.precision keeps layernorm = 'bf16'}}
    %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x8xf32, #tokens>, %w: tensor<8xf32>) {
    // expected-error@+1 {{'llm.rms_norm_quant' op normalises 'f32', but llm.precision keeps compute = 'bf16'}}
    %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xf32, #tokens>, tensor<8xf32>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  llm.body @b(%x: tensor<?x4xf32, #tokens>, %w: tensor<8x64x4xf32>, %r: tensor<?xi32, #tokens>, %o: tensor<9xi32>) {
    // expected-error@+1 {{'llm.grouped_matmul_swiglu' op multiplies 'f32', but llm.precision keeps compute = 'bf16'}}
    %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o : (tensor<?x4xf32, #tokens>, tensor<8x64x4xf32>, tensor<?xi32, #tokens>, tensor<9xi32>) -> tensor<?x32xf32, #tokens>
    llm.return
  }
}
