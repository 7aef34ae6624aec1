// RUN: vinci-opt %s --fuse-qk-norm-rope --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the rotations of queries and keys with what splits them}}
module {
llm.body @with_norms(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x norms %q_norm, %k_norm eps 1.0e-06 in bf16 : (tensor<?x128xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rope %q1, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @with_norms
// CHECK: %[[Q:.*]], %[[K:.*]], %[[V:.*]] = llm.split_qkv %x norms %q_norm, %k_norm eps 1.0e-06 in bf16 rope %rope : (tensor<?x128xbf16, #tokens>, tensor<16xbf16>, tensor<16xbf16>, tensor<?x16xf32, #tokens>)
// CHECK-NEXT: llm.kv_append %[[K]], %[[V]]
// CHECK-NEXT: llm.attention %[[Q]],

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the rotations of queries and keys with what splits them}}
module {
llm.body @without_norms(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rope %q1, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @without_norms
// CHECK: llm.split_qkv %x rope %rope : (tensor<?x128xbf16, #tokens>, tensor<?x16xf32, #tokens>)

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the rotations of queries and keys with what splits them}}
module attributes {llm.target = "910b3"} {
llm.body @on_910b3(%x: tensor<?x1024xbf16, #tokens>, %rope: tensor<?x128xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x128xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x128xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x1024xbf16, #tokens>) -> (tensor<?x4x128xbf16, #tokens>, tensor<?x2x128xbf16, #tokens>, tensor<?x2x128xbf16, #tokens>)
  %q = llm.rope %q1, %rope : tensor<?x4x128xbf16, #tokens>, tensor<?x128xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x128xbf16, #tokens>, tensor<?x128xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x128xbf16, #tokens>, !llm.kv_cache<2x128xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x128xbf16, #tokens>, !llm.kv_cache<2x128xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x128xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @on_910b3
// CHECK: llm.split_qkv %x rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "910b3"} {
llm.body @head_dim(%x: tensor<?x512xbf16, #tokens>, %rope: tensor<?x64xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x64xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x64xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x512xbf16, #tokens>) -> (tensor<?x4x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>)
  // expected-remark@+1 {{not fused: the kernel of 910b3 takes bfloat16 and head_dim 128}}
  %q = llm.rope %q1, %rope : tensor<?x4x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x64xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @head_dim
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "a3"} {
llm.body @float16(%x: tensor<?x1024xf16, #tokens>, %rope: tensor<?x128xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x128xf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x128xf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x1024xf16, #tokens>) -> (tensor<?x4x128xf16, #tokens>, tensor<?x2x128xf16, #tokens>, tensor<?x2x128xf16, #tokens>)
  // expected-remark@+1 {{not fused: the kernel of a3 takes bfloat16 and head_dim 128}}
  %q = llm.rope %q1, %rope : tensor<?x4x128xf16, #tokens>, tensor<?x128xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x128xf16, #tokens>, tensor<?x128xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x128xf16, #tokens>, !llm.kv_cache<2x128xf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x128xf16, #tokens>, !llm.kv_cache<2x128xf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x128xf16, #tokens>
}
}
// CHECK-LABEL: llm.body @float16
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module attributes {llm.target = "310p3"} {
llm.body @no_triton(%x: tensor<?x1024xbf16, #tokens>, %rope: tensor<?x128xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x128xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x128xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x1024xbf16, #tokens>) -> (tensor<?x4x128xbf16, #tokens>, tensor<?x2x128xbf16, #tokens>, tensor<?x2x128xbf16, #tokens>)
  // expected-remark@+1 {{not fused: 310p3 runs no Triton, in which the kernel is written}}
  %q = llm.rope %q1, %rope : tensor<?x4x128xbf16, #tokens>, tensor<?x128xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x128xbf16, #tokens>, tensor<?x128xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x128xbf16, #tokens>, !llm.kv_cache<2x128xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x128xbf16, #tokens>, !llm.kv_cache<2x128xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x128xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @no_triton
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @two_tables(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>, %other: tensor<?x16xf32, #tokens>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  // expected-remark@+1 {{not fused: queries and keys are rotated by different tables}}
  %q = llm.rope %q1, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.rope %k1, %other : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @two_tables
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @queries_only(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  // expected-remark@+1 {{not fused: only one of queries and keys is rotated}}
  %q1, %k, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rope %q1, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @queries_only
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @heads_read(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  // expected-remark@+1 {{not fused: something else reads heads before their rotation}}
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q = llm.rope %q1, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.rope %k1, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %r = llm.silu %q1 : tensor<?x4x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @heads_read
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @late_table(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %f = llm.constant @f dense<1.0> : tensor<8xf32>
  %late = llm.rope_table %slots, %f : (tensor<?xi32, #tokens>, tensor<8xf32>) -> tensor<?x16xf32, #tokens>
  // expected-remark@+1 {{not fused: the table is computed after the heads}}
  %q = llm.rope %q1, %late : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.rope %k1, %late : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @late_table
// CHECK-NOT: rope %rope

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @norms_between(%x: tensor<?x128xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %q1, %k1, %v = llm.split_qkv %x : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
  %q2 = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %q = llm.rope %q2, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k2 = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rope %k2, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @norms_between
// CHECK: llm.split_qkv %x :
