// RUN: vinci-opt %s --concat-qkv --split-input-file --verify-diagnostics | FileCheck %s

// With norms and rotations behind the heads.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of q_proj, k_proj and v_proj}}
module {
llm.body @float(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<16xbf16>
  %k_norm = llm.weight @k_norm from "{layer}.kn" : tensor<16xbf16>
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q1 = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %q2 = llm.rms_norm %q1, %q_norm eps 1.0e-06 : tensor<?x4x16xbf16, #tokens>, tensor<16xbf16>
  %q = llm.rope %q2, %rope : tensor<?x4x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k1 = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %k2 = llm.rms_norm %k1, %k_norm eps 1.0e-06 : tensor<?x2x16xbf16, #tokens>, tensor<16xbf16>
  %k = llm.rope %k2, %rope : tensor<?x2x16xbf16, #tokens>, tensor<?x16xf32, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @float
// CHECK-NOT: llm.weight @q_proj
// CHECK: %[[W:.*]] = llm.weight @qkv_proj from "{layer}.q" [64, 32], "{layer}.k" [32, 32], "{layer}.v" [32, 32] : tensor<128x32xbf16>
// CHECK-NEXT: %[[P:.*]] = llm.matmul %x, %[[W]] : (tensor<?x32xbf16, #tokens>, tensor<128x32xbf16>) -> tensor<?x128xbf16, #tokens>
// CHECK-NEXT: %[[Q:.*]], %[[K:.*]], %[[V:.*]] = llm.split_qkv %[[P]] : (tensor<?x128xbf16, #tokens>) -> (tensor<?x4x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>, tensor<?x2x16xbf16, #tokens>)
// CHECK-NEXT: llm.rms_norm %[[Q]], %q_norm
// CHECK: llm.rms_norm %[[K]], %k_norm
// CHECK: llm.kv_append %{{.*}}, %[[V]] into

// -----

// Biases; a shard of a rank keeps its pieces.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of q_proj, k_proj and v_proj}}
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
llm.body @bias(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" [64, 32] rows 2 over [0] : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  %q_proj.bias = llm.weight @q_proj.bias from "{layer}.qb" : tensor<64xbf16>
  %k_proj.bias = llm.weight @k_proj.bias from "{layer}.kb" : tensor<32xbf16>
  %v_proj.bias = llm.weight @v_proj.bias from "{layer}.vb" : tensor<32xbf16>
  %1 = llm.matmul %x, %q_proj bias %q_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj bias %k_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>, tensor<32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj bias %v_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>, tensor<32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @bias
// CHECK: llm.weight @qkv_proj from "{layer}.q" [64, 32], "{layer}.k" [64, 32] rows 2 over [0], "{layer}.v" [32, 32] : tensor<128x32xbf16>
// CHECK: %[[B:.*]] = llm.weight @qkv_proj.bias from "{layer}.qb" [64], "{layer}.kb" [32], "{layer}.vb" [32] : tensor<128xbf16>
// CHECK: llm.matmul %x, %{{.*}} bias %[[B]]

// -----

// Dynamic W8A8, with an op that quantises for each.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of q_proj, k_proj and v_proj}}
module {
llm.body @dynamic(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xi8>
  %q_proj.weight_scale = llm.weight @q_proj.weight_scale from "{layer}.qs" : tensor<64x1xf32>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xi8>
  %k_proj.weight_scale = llm.weight @k_proj.weight_scale from "{layer}.ks" : tensor<32x1xf32>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xi8>
  %v_proj.weight_scale = llm.weight @v_proj.weight_scale from "{layer}.vs" : tensor<32x1xf32>
  %xq0, %xs0 = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %1 = llm.dynamic_quant_matmul %xq0 scale %xs0, %q_proj scale %q_proj.weight_scale : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x32xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %xq1, %xs1 = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %2 = llm.dynamic_quant_matmul %xq1 scale %xs1, %k_proj scale %k_proj.weight_scale : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<32x32xi8>, tensor<32x1xf32>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %xq2, %xs2 = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %3 = llm.dynamic_quant_matmul %xq2 scale %xs2, %v_proj scale %v_proj.weight_scale : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<32x32xi8>, tensor<32x1xf32>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @dynamic
// CHECK: llm.dynamic_quantize
// CHECK-NEXT: llm.weight @qkv_proj from
// CHECK-NEXT: llm.weight @qkv_proj.weight_scale from "{layer}.qs" [64, 1], "{layer}.ks" [32, 1], "{layer}.vs" [32, 1] : tensor<128x1xf32>
// CHECK-NEXT: llm.dynamic_quant_matmul
// CHECK-NOT: llm.dynamic_quantize
// CHECK: llm.return

// -----

// Static W8A8 with one input scale.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of q_proj, k_proj and v_proj}}
module {
llm.body @static(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xi8>
  %q_proj.quant_bias = llm.weight @q_proj.quant_bias from "{layer}.qb" : tensor<64xi32>
  %q_proj.deq_scale = llm.weight @q_proj.deq_scale from "{layer}.qd" : tensor<64xf32>
  %q_proj.input_scale = llm.weight @q_proj.input_scale from "{layer}.S" : tensor<1xf32>
  %q_proj.input_offset = llm.weight @q_proj.input_offset from "{layer}.O" : tensor<1xf32>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xi8>
  %k_proj.quant_bias = llm.weight @k_proj.quant_bias from "{layer}.kb" : tensor<32xi32>
  %k_proj.deq_scale = llm.weight @k_proj.deq_scale from "{layer}.kd" : tensor<32xf32>
  %k_proj.input_scale = llm.weight @k_proj.input_scale from "{layer}.S" : tensor<1xf32>
  %k_proj.input_offset = llm.weight @k_proj.input_offset from "{layer}.O" : tensor<1xf32>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xi8>
  %v_proj.quant_bias = llm.weight @v_proj.quant_bias from "{layer}.vb" : tensor<32xi32>
  %v_proj.deq_scale = llm.weight @v_proj.deq_scale from "{layer}.vd" : tensor<32xf32>
  %v_proj.input_scale = llm.weight @v_proj.input_scale from "{layer}.S" : tensor<1xf32>
  %v_proj.input_offset = llm.weight @v_proj.input_offset from "{layer}.O" : tensor<1xf32>
  %xq = llm.quantize %x, %q_proj.input_scale, %q_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %1 = llm.quant_matmul %xq, %q_proj, %q_proj.quant_bias, %q_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<64x32xi8>, tensor<64xi32>, tensor<64xf32>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %xk = llm.quantize %x, %k_proj.input_scale, %k_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %2 = llm.quant_matmul %xk, %k_proj, %k_proj.quant_bias, %k_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<32x32xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %xv = llm.quantize %x, %v_proj.input_scale, %v_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %3 = llm.quant_matmul %xv, %v_proj, %v_proj.quant_bias, %v_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<32x32xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @static
// CHECK: llm.quantize
// CHECK: llm.weight @qkv_proj.quant_bias from "{layer}.qb" [64], "{layer}.kb" [32], "{layer}.vb" [32] : tensor<128xi32>
// CHECK: llm.weight @qkv_proj.deq_scale
// CHECK: llm.quant_matmul
// CHECK-NOT: llm.quant
// CHECK: llm.return

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @static_scales(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xi8>
  %q_proj.quant_bias = llm.weight @q_proj.quant_bias from "{layer}.qb" : tensor<64xi32>
  %q_proj.deq_scale = llm.weight @q_proj.deq_scale from "{layer}.qd" : tensor<64xf32>
  %q_proj.input_scale = llm.weight @q_proj.input_scale from "{layer}.Sq" : tensor<1xf32>
  %q_proj.input_offset = llm.weight @q_proj.input_offset from "{layer}.Oq" : tensor<1xf32>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xi8>
  %k_proj.quant_bias = llm.weight @k_proj.quant_bias from "{layer}.kb" : tensor<32xi32>
  %k_proj.deq_scale = llm.weight @k_proj.deq_scale from "{layer}.kd" : tensor<32xf32>
  %k_proj.input_scale = llm.weight @k_proj.input_scale from "{layer}.Sk" : tensor<1xf32>
  %k_proj.input_offset = llm.weight @k_proj.input_offset from "{layer}.Ok" : tensor<1xf32>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xi8>
  %v_proj.quant_bias = llm.weight @v_proj.quant_bias from "{layer}.vb" : tensor<32xi32>
  %v_proj.deq_scale = llm.weight @v_proj.deq_scale from "{layer}.vd" : tensor<32xf32>
  %v_proj.input_scale = llm.weight @v_proj.input_scale from "{layer}.Sv" : tensor<1xf32>
  %v_proj.input_offset = llm.weight @v_proj.input_offset from "{layer}.Ov" : tensor<1xf32>
  %xq = llm.quantize %x, %q_proj.input_scale, %q_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  // expected-remark@+1 {{not fused: each has an input scale of its own}}
  %1 = llm.quant_matmul %xq, %q_proj, %q_proj.quant_bias, %q_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<64x32xi8>, tensor<64xi32>, tensor<64xf32>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %xk = llm.quantize %x, %k_proj.input_scale, %k_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %2 = llm.quant_matmul %xk, %k_proj, %k_proj.quant_bias, %k_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<32x32xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %xv = llm.quantize %x, %v_proj.input_scale, %v_proj.input_offset : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %3 = llm.quant_matmul %xv, %v_proj, %v_proj.quant_bias, %v_proj.deq_scale : (tensor<?x32xi8, #tokens>, tensor<32x32xi8>, tensor<32xi32>, tensor<32xf32>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @static_scales
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @two_inputs(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>, %y: tensor<?x32xbf16, #tokens>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  // expected-remark@+1 {{not fused: they read different inputs}}
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %y, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @two_inputs
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @kinds(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xi8>
  %q_proj.weight_scale = llm.weight @q_proj.weight_scale from "{layer}.qs" : tensor<64x1xf32>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  %xq0, %xs0 = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  // expected-remark@+1 {{not fused: they are llm.dynamic_quant_matmul and llm.matmul}}
  %1 = llm.dynamic_quant_matmul %xq0 scale %xs0, %q_proj scale %q_proj.weight_scale : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x32xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @kinds
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @one_bias(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  %q_proj.bias = llm.weight @q_proj.bias from "{layer}.qb" : tensor<64xbf16>
  // expected-remark@+1 {{not fused: some have a bias, and some have not}}
  %1 = llm.matmul %x, %q_proj bias %q_proj.bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @one_bias
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @shared_weight(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  // expected-remark@+1 {{not fused: something else reads one of the weights}}
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @shared_weight
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @weight_argument(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>, %y: tensor<32x32xbf16>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  // expected-remark@+1 {{not fused: a weight is not declared by llm.weight}}
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %y : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @weight_argument
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @projection_read(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  // expected-remark@+1 {{not fused: something else reads the projection}}
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %r = llm.silu %1 : tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @projection_read
// CHECK-NOT: llm.split_qkv

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @norm_of_all_heads(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  %q_norm = llm.weight @q_norm from "{layer}.qn" : tensor<64xbf16>
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %n = llm.rms_norm %1, %q_norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
  // expected-remark@+1 {{not fused: something lies between a projection and its heads}}
  %q = llm.split_heads %n : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %v_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @norm_of_all_heads
// CHECK-NOT: llm.split_qkv

// -----

// As cse leaves it where keys and values have one weight.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @same_heads(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  // expected-remark@+1 {{not fused: two of queries, keys and values are the same heads}}
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %k into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
// CHECK-LABEL: llm.body @same_heads
// CHECK-NOT: llm.split_qkv

// -----

// int8 weights alone.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// expected-remark@+1 {{fused 1 of q_proj, k_proj and v_proj}}
module {
llm.body @weights(%x: tensor<?x32xbf16, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xi8>
  %q_proj.weight_scale = llm.weight @q_proj.weight_scale from "{layer}.qs" : tensor<64x1xf32>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xi8>
  %k_proj.weight_scale = llm.weight @k_proj.weight_scale from "{layer}.ks" : tensor<32x1xf32>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xi8>
  %v_proj.weight_scale = llm.weight @v_proj.weight_scale from "{layer}.vs" : tensor<32x1xf32>
  %1 = llm.weight_quant_matmul %x, %q_proj scale %q_proj.weight_scale : (tensor<?x32xbf16, #tokens>, tensor<64x32xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.weight_quant_matmul %x, %k_proj scale %k_proj.weight_scale : (tensor<?x32xbf16, #tokens>, tensor<32x32xi8>, tensor<32x1xf32>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.weight_quant_matmul %x, %v_proj scale %v_proj.weight_scale : (tensor<?x32xbf16, #tokens>, tensor<32x32xi8>, tensor<32x1xf32>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @weights
// CHECK: llm.weight @qkv_proj.weight_scale from "{layer}.qs" [64, 1], "{layer}.ks" [32, 1], "{layer}.vs" [32, 1] : tensor<128x1xf32>
// CHECK: llm.weight_quant_matmul {{.*}} -> tensor<?x128xbf16, #tokens>
// CHECK-NOT: llm.weight_quant_matmul
// CHECK: llm.return
