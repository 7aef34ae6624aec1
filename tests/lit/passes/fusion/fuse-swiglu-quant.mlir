// RUN: vinci-opt %s --fuse-swiglu-quant --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 2 of swiglu and the quantisation after it}}
module {
llm.body @fused(%x: tensor<?x16xbf16, #x2_tokens>, %gate: tensor<?x7xf32, #tokens>, %up: tensor<?x7xf32, #tokens>, %m8: tensor<4x8xi8>, %m7: tensor<4x7xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
    -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<?x4xbf16, #tokens>) {
  %0 = llm.swiglu %x : (tensor<?x16xbf16, #x2_tokens>) -> tensor<?x8xbf16, #x2_tokens>
  %1, %scale = llm.dynamic_quantize %0 : tensor<?x8xbf16, #x2_tokens> -> tensor<?x8xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %2 = llm.swiglu %gate, %up : (tensor<?x7xf32, #tokens>, tensor<?x7xf32, #tokens>) -> tensor<?x7xf32, #tokens>
  %s = llm.weight @s from "s" : tensor<1xf32>
  %o = llm.weight @o from "o" : tensor<1xf32>
  %3 = llm.quantize %2, %s, %o : (tensor<?x7xf32, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x7xi8, #tokens>
  %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #x2_tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  %r1 = llm.quant_matmul %3, %m7, %bias, %deq : (tensor<?x7xi8, #tokens>, tensor<4x7xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %scale, %r1 : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<?x4xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @fused
// CHECK-NEXT: %[[A:.*]], %[[S:.*]] = llm.swiglu_quant %x : (tensor<?x16xbf16, #x2_tokens>) -> tensor<?x8xi8, #x2_tokens> scale tensor<?xf32, #x2_tokens>
// CHECK-NEXT: %[[SCALE:.*]] = llm.weight @s
// CHECK-NEXT: %[[OFFSET:.*]] = llm.weight @o
// CHECK-NEXT: %[[B:.*]] = llm.swiglu_quant %gate, %up by %[[SCALE]], %[[OFFSET]] : (tensor<?x7xf32, #tokens>, tensor<?x7xf32, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x7xi8, #tokens>
// CHECK-NEXT: llm.quant_matmul %[[A]],
// CHECK-NEXT: llm.quant_matmul %[[B]],
// CHECK-NEXT: llm.return %{{.*}}, %[[S]], %

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @readers(%x: tensor<?x16xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
    -> (tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
  // expected-remark@+1 {{not fused: something else reads the activation}}
  %0 = llm.swiglu %x : (tensor<?x16xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  %1, %s1 = llm.dynamic_quantize %0 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  // expected-remark@+1 {{not fused: the readers of the activation quantise it by different scales}}
  %2 = llm.swiglu %x : (tensor<?x16xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  %3, %s3 = llm.dynamic_quantize %2 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  %4 = llm.quantize %2, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  %5 = llm.swiglu %x : (tensor<?x16xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %3, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r2 = llm.quant_matmul %4, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %0, %r1, %r2, %5 : tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>
}
// CHECK-LABEL: llm.body @readers
// CHECK-NOT: swiglu_quant

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.target = "310p3"} {
  llm.body @no_kernel(%x: tensor<?x32xf16, #tokens>, %m16: tensor<4x16xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> tensor<?x4xbf16, #tokens> {
    // expected-remark@+1 {{not fused: 310p3 has no kernel for swiglu with the quantisation after it}}
    %0 = llm.swiglu %x : (tensor<?x32xf16, #tokens>) -> tensor<?x16xf16, #tokens>
    %1, %s = llm.dynamic_quantize %0 : tensor<?x16xf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0 : tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @no_kernel
// CHECK-NOT: swiglu_quant

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of swiglu and the quantisation after it}}
module attributes {llm.target = "a3"} {
  llm.body @limits(%x: tensor<?x32xbf16, #tokens>, %y: tensor<?x16xbf16, #tokens>, %z: tensor<?x32xf32, #tokens>, %m16: tensor<4x16xi8>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
      -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
    %0 = llm.swiglu %x : (tensor<?x32xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %1, %s1 = llm.dynamic_quantize %0 : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    // expected-remark@+1 {{not fused: the kernel of a3 reads gate and up from one projection}}
    %2 = llm.swiglu %y, %y : (tensor<?x16xbf16, #tokens>, tensor<?x16xbf16, #tokens>) -> tensor<?x16xbf16, #tokens>
    %3, %s3 = llm.dynamic_quantize %2 : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    // expected-remark@+1 {{not fused: rows of 8 elements are no multiple of 32 bytes, which the kernel of a3 reads at a time}}
    %4 = llm.swiglu %y : (tensor<?x16xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %5, %s5 = llm.dynamic_quantize %4 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
    // expected-remark@+1 {{not fused: the kernel of a3 takes bfloat16 and float16}}
    %6 = llm.swiglu %z : (tensor<?x32xf32, #tokens>) -> tensor<?x16xf32, #tokens>
    %7, %s7 = llm.dynamic_quantize %6 : tensor<?x16xf32, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r1 = llm.quant_matmul %3, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r2 = llm.quant_matmul %5, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r3 = llm.quant_matmul %7, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0, %r1, %r2, %r3 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @limits
// CHECK-COUNT-1: swiglu_quant
// CHECK-NOT: swiglu_quant

// -----

// The scale is of rows that other ranks have parts of, too (scale-whole-rows).
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
  llm.body @parts(%x: tensor<?x16xbf16, #tokens>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> tensor<?x4xbf16, #tokens> {
    // expected-remark@+1 {{not fused: the ranks agree on the scale of a whole row before one quantises the activation}}
    %0 = llm.swiglu %x : (tensor<?x16xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %m = llm.row_max %0 : tensor<?x8xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    %all = llm.all_gather %m over [0] : tensor<?x1xf32, #tokens> -> tensor<?x1xf32, #x2_tokens>
    %1, %s = llm.dynamic_quantize %0 row_max %all : tensor<?x8xbf16, #tokens>, tensor<?x1xf32, #x2_tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0 : tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @parts
// CHECK-NOT: swiglu_quant
