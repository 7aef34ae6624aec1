// RUN: vinci-opt %s | FileCheck %s
// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --mlir-print-op-generic | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode -o %t.mlirbc && vinci-opt %t.mlirbc | FileCheck %s
// The types that regions compute in: what stands on the module and on the ops. Nothing is printed for f32.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>

// CHECK: llm.precision = #llm.precision<compute = bf16, layernorm = f32, softmax = bf16, rotary = bf16, parameters = bf16, keep_origin = true>
module attributes {llm.precision = #llm.precision<compute = bf16, layernorm = f32, softmax = bf16, rotary = bf16, parameters = bf16, keep_origin = true>} {
  // CHECK-LABEL: llm.body @kept
  llm.body @kept(%positions: tensor<?xi32, #tokens>, %x: tensor<?x16xbf16, #tokens>, %start: tensor<3xi32>,
                 %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) {
    %w = llm.weight @w from "w" : tensor<16xbf16>
    %m = llm.weight @m from "m" : tensor<16x16xbf16>
    %freq = llm.constant @freq dense<1.0> : tensor<4xf32>
    %cache = llm.kv_cache : !llm.kv_cache<1x8xbf16>
    // CHECK: llm.rope_table %positions, %freq : (tensor<?xi32, #tokens>, tensor<4xf32>) -> tensor<?x8xbf16, #tokens>
    %table = llm.rope_table %positions, %freq : (tensor<?xi32, #tokens>, tensor<4xf32>) -> tensor<?x8xbf16, #tokens>
    // CHECK: llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x16xbf16, #tokens>, tensor<16xbf16>
    %n = llm.rms_norm %x, %w eps 1.0e-06 in f32 : tensor<?x16xbf16, #tokens>, tensor<16xbf16>
    %p = llm.matmul %n, %m : (tensor<?x16xbf16, #tokens>, tensor<16x16xbf16>) -> tensor<?x16xbf16, #tokens>
    %h = llm.split_heads %p : tensor<?x16xbf16, #tokens> -> tensor<?x2x8xbf16, #tokens>
    // CHECK: llm.rope %{{.*}}, %{{.*}} : tensor<?x2x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
    %q = llm.rope %h, %table : tensor<?x2x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
    // CHECK: llm.attention %{{.*}} scale 0.25 softmax bf16 : tensor<?x2x8xbf16, #tokens>,
    %o = llm.attention %q, %cache, %start, %lens, %tables scale 0.25 softmax bf16
        : tensor<?x2x8xbf16, #tokens>, !llm.kv_cache<1x8xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
    llm.return
  }
}
