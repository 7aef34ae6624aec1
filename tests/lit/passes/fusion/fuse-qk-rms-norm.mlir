// RUN: vinci-opt %s --fuse-qk-rms-norm --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the norms of queries and keys}}
module {
llm.body @fused(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @fused
// CHECK: %[[Q:.*]], %[[K:.*]], %[[V:.*]] = llm.split_qkv %x norms %q_norm, %k_norm eps 1.0e-06 : (tensor<?x128xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
// CHECK-NEXT: llm.kv_append %[[K]], %[[V]]
// CHECK-NEXT: llm.attention %[[Q]],

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the norms of queries and keys}}
module attributes {llm.target = "910b3"} {
llm.body @on_910b3(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_910b3
// CHECK: llm.split_qkv %x norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the norms of queries and keys}}
module attributes {llm.target = "a3"} {
llm.body @on_a3(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_a3
// CHECK: llm.split_qkv %x norms

// -----

// The host has no limits: three KV heads of 24.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the norms of queries and keys}}
module {
llm.body @on_host(%x: tensor<?x288xbf16, #tokens>, %rope: tensor<?x24xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x6x24xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<3x24xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<24xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<24xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x288xbf16, #tokens>) -> (tensor<?x6x24xbf16, #tokens>, tensor<?x3x24xbf16, #tokens>, tensor<?x3x24xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x6x24xbf16, #tokens>, tensor<24xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x3x24xbf16, #tokens>, tensor<24xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x3x24xbf16, #tokens>, !llm.kv_cache<3x24xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x6x24xbf16, #tokens>, !llm.kv_cache<3x24xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x6x24xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_host
// CHECK: llm.split_qkv %x norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "310p3"} {
llm.body @no_triton(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: 310p3 runs no Triton, in which the kernel is written}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @no_triton
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @head_dim(%x: tensor<?x192xbf16, #tokens>, %rope: tensor<?x24xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x24xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x24xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<24xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<24xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x192xbf16, #tokens>) -> (tensor<?x4x24xbf16, #tokens>, tensor<?x2x24xbf16, #tokens>, tensor<?x2x24xbf16, #tokens>)
  // expected-remark@+1 {{not fused: head_dim is 24; the kernel of 910b3 takes powers of two}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x24xbf16, #tokens>, tensor<24xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x24xbf16, #tokens>, tensor<24xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x24xbf16, #tokens>, !llm.kv_cache<2x24xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x24xbf16, #tokens>, !llm.kv_cache<2x24xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x24xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @head_dim
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @query_width(%x: tensor<?x160xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x6x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x160xbf16, #tokens>) -> (tensor<?x6x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the queries of a KV head are 48 wide; the kernel of 910b3 takes powers of two}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x6x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x6x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x6x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @query_width
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @vector_cores(%x: tensor<?x768xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x16x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<16x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x768xbf16, #tokens>) -> (tensor<?x16x16xbf16, #tokens>, tensor<?x16x16xbf16, #tokens>, tensor<?x16x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the 40 vector cores of 910b3 are no multiple of the 16 KV heads of a rank}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x16x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x16x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x16x16xbf16, #tokens>, !llm.kv_cache<16x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x16x16xbf16, #tokens>, !llm.kv_cache<16x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x16x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @vector_cores
// CHECK-NOT: norms

// -----

// 48 vector cores are a multiple of 16.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the norms of queries and keys}}
module attributes {llm.target = "a3"} {
llm.body @vector_cores_a3(%x: tensor<?x768xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x16x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<16x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x768xbf16, #tokens>) -> (tensor<?x16x16xbf16, #tokens>, tensor<?x16x16xbf16, #tokens>, tensor<?x16x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x16x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x16x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x16x16xbf16, #tokens>, !llm.kv_cache<16x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x16x16xbf16, #tokens>, !llm.kv_cache<16x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x16x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @vector_cores_a3
// CHECK: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @multiple(%x: tensor<?x112xbf16, #tokens>) -> (tensor<?x3x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>) {
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x112xbf16, #tokens>) -> (tensor<?x3x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the 3 heads of the queries are no multiple of the 2 KV heads}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x3x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  llm.return %q, %k : tensor<?x3x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @multiple
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @two_eps(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the norms of queries and keys differ in eps or type}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-05 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @two_eps
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @two_types(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the norms of queries and keys differ in eps or type}}
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 in bf16 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @two_types
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @queries_only(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  // expected-remark@+1 {{not fused: only one of queries and keys is normed}}
  %q1, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @queries_only
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @heads_read(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  // expected-remark@+1 {{not fused: something else reads heads before their norm}}
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %r = llm.silu %k1 : tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @heads_read
// CHECK-NOT: norms

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @no_norms(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @no_norms
// CHECK: llm.split_qkv %x :

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @late_weight
// CHECK-NOT: norms
llm.body @late_weight(%x: tensor<?x6xf32, #tokens>) -> (tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>) {
  %q, %k, %v = llm.split_qkv %x : (tensor<?x6xf32, #tokens>) -> (tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>)
  %w = llm.constant @w dense<1.0> : tensor<2xf32>
  // expected-remark@+1 {{not fused: the weight of a norm is computed after the heads}}
  %0 = llm.rms_norm %q, %w eps 1.0e-06 : tensor<?x1x2xf32, #tokens>, tensor<2xf32>
  %1 = llm.rms_norm %k, %w eps 1.0e-06 : tensor<?x1x2xf32, #tokens>, tensor<2xf32>
  llm.return %0, %1 : tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @biased
// CHECK-NOT: norms
llm.body @biased(%x: tensor<?x6xf32, #tokens>, %w: tensor<2xf32>) -> (tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>) {
  %q, %k, %v = llm.split_qkv %x : (tensor<?x6xf32, #tokens>) -> (tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>)
  %0 = llm.rms_norm %q, %w eps 1.0e-06 : tensor<?x1x2xf32, #tokens>, tensor<2xf32>
  // expected-remark@+1 {{not fused: the norm has a bias}}
  %1 = llm.rms_norm %k, %w eps 1.0e-06 bias %w : tensor<?x1x2xf32, #tokens>, tensor<2xf32>, tensor<2xf32>
  llm.return %0, %1 : tensor<?x1x2xf32, #tokens>, tensor<?x1x2xf32, #tokens>
}
