// RUN: vinci-opt %s --concat-gate-up --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of gate_proj and up_proj}}
module {
llm.body @float(%x: tensor<?x32xbf16, #tokens>) -> tensor<?x48xbf16, #tokens> {
  %gate_proj = llm.weight @gate_proj from "{layer}.g" : tensor<48x32xbf16>
  %up_proj = llm.weight @up_proj from "{layer}.u" : tensor<48x32xbf16>
  %1 = llm.matmul %x, %gate_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  %2 = llm.matmul %x, %up_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #tokens>, tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>
  llm.return %r : tensor<?x48xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @float
// CHECK-NEXT: %[[W:.*]] = llm.weight @gate_up_proj from "{layer}.g" [48, 32], "{layer}.u" [48, 32] : tensor<96x32xbf16>
// CHECK-NEXT: %[[P:.*]] = llm.matmul %x, %[[W]] : (tensor<?x32xbf16, #tokens>, tensor<96x32xbf16>) -> tensor<?x96xbf16, #tokens>
// CHECK-NEXT: llm.swiglu %[[P]] : (tensor<?x96xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>

// -----

// The rows of an expert are those of its gate, then those of its up.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of gate_proj and up_proj}}
module {
llm.body @experts(%x: tensor<?x32xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens> {
  %gate_proj = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  %up_proj = llm.weight @up_proj from "{layer}.{}.u" stack 3 : tensor<3x48x32xbf16>
  %1 = llm.grouped_matmul %x, %gate_proj rows %rows offsets %offsets gather : (tensor<?x32xbf16, #tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_matmul %x, %up_proj rows %rows offsets %offsets gather : (tensor<?x32xbf16, #tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %r : tensor<?x48xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @experts
// CHECK: %[[W:.*]] = llm.weight @gate_up_proj from "{layer}.{}.g" [48, 32], "{layer}.{}.u" [48, 32] stack 3 : tensor<3x96x32xbf16>
// CHECK-NEXT: %[[P:.*]] = llm.grouped_matmul %x, %[[W]] rows %rows offsets %offsets gather : {{.*}} -> tensor<?x96xbf16, #x2_tokens>
// CHECK-NEXT: llm.swiglu %[[P]]

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of gate_proj and up_proj}}
module {
llm.body @quantised_experts(%x: tensor<?x32xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens> {
  %gate_proj = llm.weight @gate_proj from "{layer}.{}.gate" stack 3 : tensor<3x48x32xi8>
  %gate_proj.weight_scale = llm.weight @gate_proj.weight_scale from "{layer}.{}.gates" stack 3 : tensor<3x48x1xf32>
  %up_proj = llm.weight @up_proj from "{layer}.{}.up" stack 3 : tensor<3x48x32xi8>
  %up_proj.weight_scale = llm.weight @up_proj.weight_scale from "{layer}.{}.ups" stack 3 : tensor<3x48x1xf32>
  %xq, %xs = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %1 = llm.grouped_dynamic_quant_matmul %xq scale %xs, %gate_proj scale %gate_proj.weight_scale rows %rows offsets %offsets gather : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_dynamic_quant_matmul %xq scale %xs, %up_proj scale %up_proj.weight_scale rows %rows offsets %offsets gather : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %r : tensor<?x48xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @quantised_experts
// CHECK: llm.weight @gate_up_proj.weight_scale from "{layer}.{}.gates" [48, 1], "{layer}.{}.ups" [48, 1] stack 3 : tensor<3x96x1xf32>
// CHECK: llm.grouped_dynamic_quant_matmul {{.*}} -> tensor<?x96xbf16, #x2_tokens>

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @two_inputs(%x: tensor<?x32xbf16, #tokens>, %y: tensor<?x32xbf16, #tokens>) -> tensor<?x48xbf16, #tokens> {
  %gate_proj = llm.weight @gate_proj from "{layer}.g" : tensor<48x32xbf16>
  %up_proj = llm.weight @up_proj from "{layer}.u" : tensor<48x32xbf16>
  // expected-remark@+1 {{not fused: they read different inputs}}
  %1 = llm.matmul %x, %gate_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  %2 = llm.matmul %y, %up_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #tokens>, tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>
  llm.return %r : tensor<?x48xbf16, #tokens>
}
// CHECK-LABEL: llm.body @two_inputs
// CHECK: llm.swiglu %{{.*}}, %

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @projection_read(%x: tensor<?x32xbf16, #tokens>) -> tensor<?x48xbf16, #tokens> {
  %gate_proj = llm.weight @gate_proj from "{layer}.g" : tensor<48x32xbf16>
  %up_proj = llm.weight @up_proj from "{layer}.u" : tensor<48x32xbf16>
  %1 = llm.matmul %x, %gate_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  // expected-remark@+1 {{not fused: something else reads the projection}}
  %2 = llm.matmul %x, %up_proj : (tensor<?x32xbf16, #tokens>, tensor<48x32xbf16>) -> tensor<?x48xbf16, #tokens>
  %3 = llm.silu %2 : tensor<?x48xbf16, #tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #tokens>, tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>
  llm.return %r : tensor<?x48xbf16, #tokens>
}
// CHECK-LABEL: llm.body @projection_read
// CHECK: llm.swiglu %{{.*}}, %

// -----

// Gate and up that no projection makes.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @no_projection(%x: tensor<?x32xbf16, #tokens>, %y: tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens> {
  %r = llm.swiglu %y, %y : (tensor<?x48xbf16, #tokens>, tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>
  llm.return %r : tensor<?x48xbf16, #tokens>
}
// CHECK-LABEL: llm.body @no_projection
// CHECK-NEXT: llm.swiglu %y, %y

// -----

// int8 weights alone: of experts, and of an MLP with biases.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 2 of gate_proj and up_proj}}
module {
llm.body @weights(%x: tensor<?x32xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #tokens>) {
  %gate_proj = llm.weight @gate_proj from "{layer}.{}.gate" stack 3 : tensor<3x48x32xi8>
  %gate_proj.weight_scale = llm.weight @gate_proj.weight_scale from "{layer}.{}.gates" stack 3 : tensor<3x48x1xf32>
  %up_proj = llm.weight @up_proj from "{layer}.{}.up" stack 3 : tensor<3x48x32xi8>
  %up_proj.weight_scale = llm.weight @up_proj.weight_scale from "{layer}.{}.ups" stack 3 : tensor<3x48x1xf32>
  %1 = llm.grouped_weight_quant_matmul %x, %gate_proj scale %gate_proj.weight_scale rows %rows offsets %offsets gather : (tensor<?x32xbf16, #tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_weight_quant_matmul %x, %up_proj scale %up_proj.weight_scale rows %rows offsets %offsets gather : (tensor<?x32xbf16, #tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %r = llm.swiglu %1, %2 : (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) -> tensor<?x48xbf16, #x2_tokens>
  %g = llm.weight @g from "{layer}.g" : tensor<48x32xi8>
  %g.weight_scale = llm.weight @g.weight_scale from "{layer}.gs" : tensor<48x1xf32>
  %g.bias = llm.weight @g.bias from "{layer}.gb" : tensor<48xbf16>
  %u = llm.weight @u from "{layer}.u" : tensor<48x32xi8>
  %u.weight_scale = llm.weight @u.weight_scale from "{layer}.us" : tensor<48x1xf32>
  %u.bias = llm.weight @u.bias from "{layer}.ub" : tensor<48xbf16>
  %3 = llm.weight_quant_matmul %x, %g scale %g.weight_scale bias %g.bias : (tensor<?x32xbf16, #tokens>, tensor<48x32xi8>, tensor<48x1xf32>, tensor<48xbf16>) -> tensor<?x48xbf16, #tokens>
  %4 = llm.weight_quant_matmul %x, %u scale %u.weight_scale bias %u.bias : (tensor<?x32xbf16, #tokens>, tensor<48x32xi8>, tensor<48x1xf32>, tensor<48xbf16>) -> tensor<?x48xbf16, #tokens>
  %s = llm.swiglu %3, %4 : (tensor<?x48xbf16, #tokens>, tensor<?x48xbf16, #tokens>) -> tensor<?x48xbf16, #tokens>
  llm.return %r, %s : tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @weights
// CHECK: llm.grouped_weight_quant_matmul {{.*}} -> tensor<?x96xbf16, #x2_tokens>
// CHECK-NOT: llm.grouped_weight_quant_matmul
// CHECK: llm.weight_quant_matmul {{.*}} bias {{.*}} -> tensor<?x96xbf16, #tokens>
// CHECK-NOT: llm.weight_quant_matmul
// CHECK: llm.return
