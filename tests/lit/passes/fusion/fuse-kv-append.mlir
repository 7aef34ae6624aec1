// RUN: vinci-opt %s --fuse-kv-append --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of kv_append with what splits its keys and values}}
module {
llm.body @fused(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q, %k, %v = llm.split_qkv %x norms %q_norm, %k_norm eps 1.0e-06 rope %rope : (tensor<?x128xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>, tensor<?x16xf32, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @fused
// CHECK: %[[Q:.*]], %[[C:.*]] = llm.append_qkv %x norms %q_norm, %k_norm eps 1.0e-06 rope %rope into %kv_cache at %slots : (tensor<?x128xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>, tensor<?x16xf32, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>)
// CHECK-NEXT: llm.attention %[[Q]], %[[C]],

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of kv_append with what splits its keys and values}}
module {
llm.body @plain(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @plain
// CHECK: llm.append_qkv %x into %kv_cache at %slots : (tensor<?x128xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>)

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "310p3"} {
llm.body @on_310p3(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: 310p3 has no kernel from the projection to the cache}}
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_310p3
// CHECK-NOT: llm.append_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @on_910b3(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: 910b3 has no kernel from the projection to the cache}}
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_910b3
// CHECK-NOT: llm.append_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "a3"} {
llm.body @on_a3(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: a3 has no kernel from the projection to the cache}}
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_a3
// CHECK-NOT: llm.append_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @keys_read(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %r = llm.silu %k : tensor<?x2x16xbf16, #tokens>
  // expected-remark@+1 {{not fused: something else reads keys or values}}
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @keys_read
// CHECK-NOT: llm.append_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @queries_read(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %r = llm.silu %q : tensor<?x4x16xbf16, #tokens>
  // expected-remark@+1 {{not fused: something reads the queries before the cache is written}}
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @queries_read
// CHECK-NOT: llm.append_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @not_of_a_projection(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %k = llm.rope %k1, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @not_of_a_projection
// CHECK-NOT: llm.append_qkv
