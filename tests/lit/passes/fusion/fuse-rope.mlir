// RUN: vinci-opt %s --fuse-rope --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of the rope of queries and keys}}
module {
  // CHECK-LABEL: llm.body @fused
  // CHECK-NEXT: %[[CACHE:.*]] = llm.kv_cache
  // CHECK-NEXT: %[[Q:.*]], %[[K:.*]] = llm.rope_qk %q, %k, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  // CHECK-NEXT: %[[NEXT:.*]] = llm.kv_append %[[K]], %k into %[[CACHE]]
  // CHECK-NEXT: llm.attention %[[Q]], %[[NEXT]],
  llm.body @fused(%q: tensor<?x4x16xbf16, #tokens>, %k: tensor<?x2x16xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>,
                  %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>, %lens: tensor<?xi32, #sequences>,
                  %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
    %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
    %0 = llm.rope %q, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %1 = llm.rope %k, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
    %2 = llm.kv_append %1, %k into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
    %3 = llm.attention %0, %2, %start, %lens, %tables scale 0.25
        : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return %3 : tensor<?x4x16xbf16, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// The keys first.
// expected-remark@+1 {{fused 1 of the rope of queries and keys}}
module {
  // CHECK-LABEL: llm.body @keys_first
  // CHECK: %[[Q:.*]], %[[K:.*]] = llm.rope_qk %q, %k, %rope
  // CHECK-NEXT: llm.kv_append %[[K]], %k
  // CHECK-NEXT: llm.attention %[[Q]],
  llm.body @keys_first(%q: tensor<?x4x16xbf16, #tokens>, %k: tensor<?x2x16xbf16, #tokens>, %rope: tensor<?x16xbf16, #tokens>,
                  %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>, %lens: tensor<?xi32, #sequences>,
                  %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
    %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
    %1 = llm.rope %k, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xbf16, #tokens>
    %0 = llm.rope %q, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xbf16, #tokens>
    %2 = llm.kv_append %1, %k into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
    %3 = llm.attention %0, %2, %start, %lens, %tables scale 0.25
        : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return %3 : tensor<?x4x16xbf16, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// CHECK-LABEL: llm.body @two_tables
// CHECK-NOT: llm.rope_qk
llm.body @two_tables(%q: tensor<?x4x16xbf16, #tokens>, %k: tensor<?x2x16xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>,
                %other: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  // expected-remark@+1 {{not fused: queries and keys are rotated by different tables}}
  %0 = llm.rope %q, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %1 = llm.rope %k, %other : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %2 = llm.kv_append %1, %k into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %3 = llm.attention %0, %2, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %3 : tensor<?x4x16xbf16, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// CHECK-LABEL: llm.body @read_between
// CHECK-NOT: llm.rope_qk
llm.body @read_between(%q: tensor<?x4x16xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>,
                %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<4x16xbf16>
  // expected-remark@+1 {{not fused: something reads it before the other rotation}}
  %0 = llm.rope %q, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %k = llm.silu %0 : tensor<?x4x16xbf16, #tokens>
  %1 = llm.rope %k, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %2 = llm.kv_append %1, %k into %cache at %slots : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<4x16xbf16>, tensor<?xi32, #tokens>
  %3 = llm.attention %0, %2, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<4x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %3 : tensor<?x4x16xbf16, #tokens>
}
