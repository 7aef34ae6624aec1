// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What kv_append and attention refuse.
#tokens = #llm.dims<["tokens"]>
llm.body @b(%k: tensor<?x2x6xbf16, #tokens>, %v: tensor<?x2x6xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{key has head_dim = 6, it must be 4, the head_dim of the cache}}
  %0 = llm.kv_append %k, %v into %c at %s : tensor<?x2x6xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%k: tensor<?x3x4xbf16, #tokens>, %v: tensor<?x3x4xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{key has kv_heads = 3, it must be 2, the heads of the cache}}
  %0 = llm.kv_append %k, %v into %c at %s : tensor<?x3x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%k: tensor<?x2x4xf32, #tokens>, %v: tensor<?x2x4xf32, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{key has elements of type 'f32', but the cache of type 'bf16'; they must be equal}}
  %0 = llm.kv_append %k, %v into %c at %s : tensor<?x2x4xf32, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%k: tensor<?x2x4xbf16, #tokens>, %v: tensor<?x2x4xbf16, #tokens>, %s: tensor<?xi32, #logit_rows>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{slot_mapping has tokens = logit_rows, but key has tokens; they must be equal}}
  %0 = llm.kv_append %k, %v into %c at %s : tensor<?x2x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x3x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{query has heads = 3; legal are multiples of the 2 KV heads}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x3x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x8xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{query has head_dim = 8, it must be 4, the head_dim of the cache}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x8xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xf32, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{query has elements of type 'f32', but the cache of type 'bf16'; they must be equal}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xf32, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #tokens>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{context_lens has sequences = tokens, it must be sequences, a row per sequence}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #tokens>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{block_tables has sequences = tokens, it must be sequences, a row per sequence}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x?xi32, #llm.dims<["sequences", "tokens"]>>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{block_tables is of shape [sequences, tokens]; the second dimension must be constant}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x?xi32, #llm.dims<["sequences", "tokens"]>>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<?xi32, #tokens>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{query_start is of shape [tokens]; every dimension must be constant}}
  %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{scale is -1.000000e+00; it must be finite and greater than 0}}
  %0 = llm.attention %q, %c, %s, %l, %t scale -1.0 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<4xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x2xi32, #sequences>) {
    %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
    // expected-error@+1 {{query_start has size = 4, it must be 3, max_batch + 1}}
    %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<4xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  llm.body @b(%q: tensor<?x4x4xbf16, #tokens>, %s: tensor<3xi32>, %l: tensor<?xi32, #sequences>, %t: tensor<?x3xi32, #sequences>) {
    %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
    // expected-error@+1 {{block_tables has max_blocks = 3, it must be 2, max_seq_len / block_size rounded up}}
    %0 = llm.attention %q, %c, %s, %l, %t scale 0.5 : tensor<?x4x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x3xi32, #sequences>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%k: tensor<?x2x4xbf16, #tokens>, %v: tensor<?x2x4xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x4xbf16>
  // expected-error@+1 {{consumes a cache that llm.kv_append uses afterwards; whatever comes after must use the result}}
  %0 = llm.kv_append %k, %v into %c at %s : tensor<?x2x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>
  %1 = llm.kv_append %k, %v into %c at %s : tensor<?x2x4xbf16, #tokens>, !llm.kv_cache<2x4xbf16>, tensor<?xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x56xbf16, #tokens>) {
  // expected-error@+1 {{qkv has columns = 56, it must be 64, the heads of queries, keys and values times head_dim}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x56xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{query has elements of type 'f32', but qkv of type 'bf16'; they must be equal}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xf32, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{query has tokens = logit_rows, but qkv has tokens; they must be equal}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xbf16, #logit_rows>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x96xbf16, #tokens>) {
  // expected-error@+1 {{key has head_dim = 4, but query has 8; they must be equal}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x96xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x4x4xbf16, #tokens>, tensor<?x4x4xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{key has elements of type 'f32', but qkv of type 'bf16'; they must be equal}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xf32, #tokens>, tensor<?x2x8xf32, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{key has tokens = logit_rows, but qkv has tokens; they must be equal}}
  %q, %k, %v = llm.split_qkv %x : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #logit_rows>, tensor<?x2x8xbf16, #logit_rows>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %n: tensor<4xbf16>) {
  // expected-error@+1 {{query_norm has head_dim = 4, but query has 8; they must be equal}}
  %q, %k, %v = llm.split_qkv %x norms %n, %n eps 1.0e-06 : (tensor<?x64xbf16, #tokens>, tensor<4xbf16>, tensor<4xbf16>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %n: tensor<8xf32>) {
  // expected-error@+1 {{query_norm has elements of type 'f32', but qkv of type 'bf16'; they must be equal}}
  %q, %k, %v = llm.split_qkv %x norms %n, %n eps 1.0e-06 : (tensor<?x64xbf16, #tokens>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %n: tensor<8xbf16>) {
  // expected-error@+1 {{eps is 0.000000e+00; it must be finite and greater than 0}}
  %q, %k, %v = llm.split_qkv %x norms %n, %n eps 0.0 : (tensor<?x64xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %n: tensor<8xbf16>) {
  // expected-error@+1 {{computes in 'f16', but qkv has elements of type 'bf16'; legal are f32 and the type of qkv}}
  %q, %k, %v = llm.split_qkv %x norms %n, %n eps 1.0e-06 in f16 : (tensor<?x64xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{computes in 'bf16', but has no norms}}
  %q, %k, %v = llm.split_qkv %x in bf16 : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>) {
  // expected-error@+1 {{has one of query_norm, key_norm and eps; legal are all or none}}
  %q, %k, %v = "llm.split_qkv"(%x) <{compute = f32, eps = 1.0e-06 : f64, operandSegmentSizes = array<i32: 1, 0, 0, 0>}> : (tensor<?x64xbf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %t: tensor<?x4xf32, #tokens>) {
  // expected-error@+1 {{table has head_dim = 4, but query has 8; they must be equal}}
  %q, %k, %v = llm.split_qkv %x rope %t : (tensor<?x64xbf16, #tokens>, tensor<?x4xf32, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %t: tensor<?x8xf32, #logit_rows>) {
  // expected-error@+1 {{table has tokens = logit_rows, but query has tokens; they must be equal}}
  %q, %k, %v = llm.split_qkv %x rope %t : (tensor<?x64xbf16, #tokens>, tensor<?x8xf32, #logit_rows>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %t: tensor<?x8xf16, #tokens>) {
  // expected-error@+1 {{computes in its table's type 'f16', but query has elements of type 'bf16'; legal are f32 and the type of query}}
  %q, %k, %v = llm.split_qkv %x rope %t : (tensor<?x64xbf16, #tokens>, tensor<?x8xf16, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x8xbf16>
  // expected-error@+1 {{qkv has columns = 64, it must be 56, the heads of queries, keys and values times head_dim}}
  %q, %d = llm.append_qkv %x into %c at %s : (tensor<?x64xbf16, #tokens>, !llm.kv_cache<2x8xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x3x8xbf16, #tokens>, !llm.kv_cache<2x8xbf16>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x8xf32>
  // expected-error@+1 {{query has elements of type 'bf16', but the cache of type 'f32'; they must be equal}}
  %q, %d = llm.append_qkv %x into %c at %s : (tensor<?x64xbf16, #tokens>, !llm.kv_cache<2x8xf32>, tensor<?xi32, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, !llm.kv_cache<2x8xf32>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x48xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<1x8xbf16>
  // expected-error@+1 {{query has head_dim = 16, it must be 8, the head_dim of the cache}}
  %q, %d = llm.append_qkv %x into %c at %s : (tensor<?x48xbf16, #tokens>, !llm.kv_cache<1x8xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x1x16xbf16, #tokens>, !llm.kv_cache<1x8xbf16>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %s: tensor<?xi32, #logit_rows>) {
  %c = llm.kv_cache : !llm.kv_cache<2x8xbf16>
  // expected-error@+1 {{slot_mapping has tokens = logit_rows, but query has tokens; they must be equal}}
  %q, %d = llm.append_qkv %x into %c at %s : (tensor<?x64xbf16, #tokens>, !llm.kv_cache<2x8xbf16>, tensor<?xi32, #logit_rows>) -> (tensor<?x4x8xbf16, #tokens>, !llm.kv_cache<2x8xbf16>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x64xbf16, #tokens>, %s: tensor<?xi32, #tokens>) {
  %c = llm.kv_cache : !llm.kv_cache<2x8xbf16>
  // expected-error@+1 {{consumes a cache that llm.append_qkv uses afterwards; whatever comes after must use the result}}
  %q, %d = llm.append_qkv %x into %c at %s : (tensor<?x64xbf16, #tokens>, !llm.kv_cache<2x8xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, !llm.kv_cache<2x8xbf16>)
  %q2, %d2 = llm.append_qkv %x into %c at %s : (tensor<?x64xbf16, #tokens>, !llm.kv_cache<2x8xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x4x8xbf16, #tokens>, !llm.kv_cache<2x8xbf16>)
  llm.return
}
