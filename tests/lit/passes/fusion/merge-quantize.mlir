// RUN: vinci-opt %s --merge-quantize --split-input-file --verify-diagnostics | FileCheck %s

// The first stands for all; what it says of itself already, it goes on saying.
#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 2 of quantisations of a value with another of it}}
module {
llm.body @static(%x: tensor<?x32xbf16, #tokens>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
  %qs = llm.weight @q.input_scale from "{layer}.q.input_scale" equal ["{layer}.r.input_scale"] : tensor<1xf32>
  %qo = llm.weight @q.input_offset from "{layer}.q.input_offset" : tensor<1xf32>
  %q = llm.quantize %x, %qs, %qo : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %ks = llm.weight @k.input_scale from "{layer}.k.input_scale" : tensor<1xf32>
  %ko = llm.weight @k.input_offset from "{layer}.k.input_offset" : tensor<1xf32>
  %k = llm.quantize %x, %ks, %ko : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %vs = llm.weight @v.input_scale from "{layer}.v.input_scale" equal ["{layer}.q.input_scale"] : tensor<1xf32>
  %v = llm.quantize %x, %vs, %qo : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %r0 = llm.quant_matmul %q, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %k, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r2 = llm.quant_matmul %v, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %r1, %r2 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @static
// CHECK-NEXT: %[[S:.*]] = llm.weight @q.input_scale from "{layer}.q.input_scale" equal ["{layer}.r.input_scale", "{layer}.k.input_scale", "{layer}.v.input_scale"] : tensor<1xf32>
// CHECK-NEXT: %[[O:.*]] = llm.weight @q.input_offset from "{layer}.q.input_offset" equal ["{layer}.k.input_offset"] : tensor<1xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize %x, %[[S]], %[[O]]
// CHECK-COUNT-3: llm.quant_matmul %[[Q]],

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of quantisations of a value with another of it}}
module {
llm.body @one_tensor(%x: tensor<?x32xbf16, #tokens>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
  %s = llm.weight @scale from "s" : tensor<1xf32>
  %o = llm.weight @offset from "o" : tensor<1xf32>
  %s2 = llm.weight @scale_2 from "s" : tensor<1xf32>
  %q = llm.quantize %x, %s, %o : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %k = llm.quantize %x, %s2, %o : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %r0 = llm.quant_matmul %q, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %k, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %r1 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @one_tensor
// CHECK-NEXT: llm.weight @scale from "s" : tensor<1xf32>
// CHECK-NEXT: llm.weight @offset from "o" : tensor<1xf32>
// CHECK-NEXT: %[[Q:.*]] = llm.quantize
// CHECK-COUNT-2: llm.quant_matmul %[[Q]],

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of quantisations of a value with another of it}}
module {
llm.body @dynamic(%x: tensor<?x32xbf16, #tokens>, %y: tensor<?x32xbf16, #tokens>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x4xbf16, #tokens>) {
  %a, %as = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %b, %bs = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %c, %cs = llm.dynamic_quantize %y : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %r0 = llm.quant_matmul %a, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %c, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %bs, %r1 : tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x4xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @dynamic
// CHECK-NEXT: %[[A:.*]], %[[S:.*]] = llm.dynamic_quantize %x
// CHECK-NEXT: %[[C:.*]], %{{.*}} = llm.dynamic_quantize %y
// CHECK-NEXT: llm.quant_matmul %[[A]],
// CHECK-NEXT: llm.quant_matmul %[[C]],
// CHECK-NEXT: llm.return %{{.*}}, %[[S]], %

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @parts(%x: tensor<?x32xbf16, #tokens>, %m: tensor<?x1xf32, #tokens>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
  %a, %as = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  // expected-remark@+1 {{not fused: its scales are of other parts of the rows}}
  %b, %bs = llm.dynamic_quantize %x row_max %m : tensor<?x32xbf16, #tokens>, tensor<?x1xf32, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  %r0 = llm.quant_matmul %a, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %b, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %r1 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
}
// CHECK-LABEL: llm.body @parts
// CHECK: llm.dynamic_quantize %x :
// CHECK: llm.dynamic_quantize %x row_max %m :

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @no_tensors(%x: tensor<?x32xbf16, #tokens>, %s: tensor<1xf32>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
  %a = llm.weight @a from "{layer}.a" : tensor<1xf32>
  %b = llm.weight @b from "b" : tensor<1xf32>
  %0 = llm.quantize %x, %a, %a : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  // expected-remark@+1 {{not fused: its scale or offset is no whole tensor of the checkpoint, or one for all layers}}
  %1 = llm.quantize %x, %s, %a : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  // One for all layers cannot be the same as one of each.
  // expected-remark@+1 {{not fused: its scale or offset is no whole tensor of the checkpoint, or one for all layers}}
  %2 = llm.quantize %x, %a, %b : (tensor<?x32xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x32xi8, #tokens>
  %r0 = llm.quant_matmul %0, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %1, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r2 = llm.quant_matmul %2, %m32, %bias, %deq : (tensor<?x32xi8, #tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %r1, %r2 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
}
// CHECK-LABEL: llm.body @no_tensors
// CHECK: llm.quantize %x, %a, %a
// CHECK-NEXT: llm.quantize %x, %s, %a
// CHECK-NEXT: llm.quantize %x, %a, %b
