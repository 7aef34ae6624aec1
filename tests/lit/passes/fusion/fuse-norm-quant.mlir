// RUN: vinci-opt %s --fuse-norm-quant --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 4 of a norm and the quantisation after it}}
module {
llm.body @fused(%x: tensor<?x8xbf16, #tokens>, %y: tensor<?x8xbf16, #tokens>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
    -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x8xbf16, #tokens>) {
  %w = llm.weight @w from "w" : tensor<8xbf16>
  %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %s = llm.weight @s from "s" : tensor<1xf32>
  %o = llm.weight @o from "o" : tensor<1xf32>
  %1 = llm.quantize %0, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  %2 = llm.rms_norm %x, %w eps 1.0e-04 in bf16 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %3, %scale = llm.dynamic_quantize %2 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  %4, %sum = llm.add_rms_norm %x, %y, %w eps 1.0e-05 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %5 = llm.quantize %4, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  %6, %sum2 = llm.add_rms_norm %sum, %y, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %7, %scale2 = llm.dynamic_quantize %6 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %3, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r2 = llm.quant_matmul %5, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r3 = llm.quant_matmul %7, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %r1, %scale, %r2, %sum, %r3, %scale2, %sum2 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?xf32, #tokens>, tensor<?x8xbf16, #tokens>
}
}
// CHECK-LABEL: llm.body @fused
// CHECK-NEXT: %[[W:.*]] = llm.weight @w
// CHECK-NEXT: %[[S:.*]] = llm.weight @s
// CHECK-NEXT: %[[O:.*]] = llm.weight @o
// CHECK-NEXT: %[[A:.*]] = llm.rms_norm_quant %x, %[[W]] eps 1.0e-06 by %[[S]], %[[O]] : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
// CHECK-NEXT: %[[B:.*]], %[[BS:.*]] = llm.rms_norm_quant %x, %[[W]] eps 0.0001 in bf16 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
// CHECK-NEXT: %[[C:.*]], %[[SUM:.*]] = llm.rms_norm_quant %x, %[[W]] eps 1.0e-05 residual %y by %[[S]], %[[O]] : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens> sum tensor<?x8xbf16, #tokens>
// CHECK-NEXT: %[[D:.*]], %[[DS:.*]], %[[SUM2:.*]] = llm.rms_norm_quant %[[SUM]], %[[W]] eps 1.0e-06 residual %y : {{.*}} -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x8xbf16, #tokens>
// CHECK-NEXT: %[[RA:.*]] = llm.quant_matmul %[[A]],
// CHECK-NEXT: %[[RB:.*]] = llm.quant_matmul %[[B]],
// CHECK-NEXT: %[[RC:.*]] = llm.quant_matmul %[[C]],
// CHECK-NEXT: %[[RD:.*]] = llm.quant_matmul %[[D]],
// CHECK-NEXT: llm.return %[[RA]], %[[RB]], %[[BS]], %[[RC]], %[[SUM]], %[[RD]], %[[DS]], %[[SUM2]]

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @readers(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
    -> (tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
  %w = llm.weight @w from "w" : tensor<8xbf16>
  // expected-remark@+1 {{not fused: something else reads the norm}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %1 = llm.quantize %0, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  // expected-remark@+1 {{not fused: the readers of the norm quantise it by different scales}}
  %2 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %3 = llm.quantize %2, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  %4, %scale = llm.dynamic_quantize %2 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  // A norm that nothing quantises is none of its business.
  %5 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r1 = llm.quant_matmul %3, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  %r2 = llm.quant_matmul %4, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0, %0, %r1, %r2, %5 : tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x8xbf16, #tokens>
}
// CHECK-LABEL: llm.body @readers
// CHECK-NOT: rms_norm_quant

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @late_scale(%x: tensor<?x8xbf16, #tokens>, %m8: tensor<4x8xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> tensor<?x4xbf16, #tokens> {
  %w = llm.weight @w from "w" : tensor<8xbf16>
  // expected-remark@+1 {{not fused: the scale is computed after the norm}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  %s = llm.constant @s dense<1.0> : tensor<1xf32>
  %1 = llm.quantize %0, %s, %s : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  %r0 = llm.quant_matmul %1, %m8, %bias, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return %r0 : tensor<?x4xbf16, #tokens>
}
// CHECK-LABEL: llm.body @late_scale
// CHECK-NOT: rms_norm_quant

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.target = "310p3"} {
  llm.body @no_kernel(%x: tensor<?x16xf16, #tokens>, %m16: tensor<4x16xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> tensor<?x4xbf16, #tokens> {
    %w = llm.weight @w from "w" : tensor<16xf16>
    // expected-remark@+1 {{not fused: 310p3 has no kernel for a norm with the quantisation after it}}
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x16xf16, #tokens>, tensor<16xf16>
    %1, %scale = llm.dynamic_quantize %0 : tensor<?x16xf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0 : tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @no_kernel
// CHECK-NOT: rms_norm_quant

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 2 of a norm and the quantisation after it}}
module attributes {llm.target = "910b3"} {
  llm.body @limits(%x: tensor<?x16xbf16, #tokens>, %y: tensor<?x24xbf16, #tokens>, %z: tensor<?x16xf32, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>, %m16: tensor<4x16xi8>, %m24: tensor<4x24xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>)
      -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
    %w = llm.weight @w from "w" : tensor<16xbf16>
    %w24 = llm.weight @w24 from "w" : tensor<24xbf16>
    %wf = llm.weight @wf from "w" : tensor<16xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-05 : tensor<?x16xbf16, #tokens>, tensor<16xbf16>
    %1 = llm.quantize %0, %s, %o : (tensor<?x16xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
    // expected-remark@+1 {{not fused: rows of 24 elements are no multiple of 32 bytes, which the kernel of 910b3 reads at a time}}
    %2 = llm.rms_norm %y, %w24 eps 1.0e-06 : tensor<?x24xbf16, #tokens>, tensor<24xbf16>
    %3, %s3 = llm.dynamic_quantize %2 : tensor<?x24xbf16, #tokens> -> tensor<?x24xi8, #tokens>, tensor<?xf32, #tokens>
    // expected-remark@+1 {{not fused: the kernel of 910b3 takes bfloat16 and float16}}
    %4 = llm.rms_norm %z, %wf eps 1.0e-06 : tensor<?x16xf32, #tokens>, tensor<16xf32>
    %5, %s5 = llm.dynamic_quantize %4 : tensor<?x16xf32, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    // expected-remark@+1 {{not fused: the kernel of 910b3 with a scale takes eps 1e-05 and 1e-06}}
    %6 = llm.rms_norm %x, %w eps 1.0e-04 : tensor<?x16xbf16, #tokens>, tensor<16xbf16>
    %7 = llm.quantize %6, %s, %o : (tensor<?x16xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x16xi8, #tokens>
    %8 = llm.rms_norm %x, %w eps 1.0e-04 : tensor<?x16xbf16, #tokens>, tensor<16xbf16>
    %9, %s9 = llm.dynamic_quantize %8 : tensor<?x16xbf16, #tokens> -> tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r1 = llm.quant_matmul %3, %m24, %bias, %deq : (tensor<?x24xi8, #tokens>, tensor<4x24xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r2 = llm.quant_matmul %5, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r3 = llm.quant_matmul %7, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r4 = llm.quant_matmul %9, %m16, %bias, %deq : (tensor<?x16xi8, #tokens>, tensor<4x16xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0, %r1, %r2, %r3, %r4 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @limits
// CHECK-COUNT-2: rms_norm_quant
// CHECK-NOT: rms_norm_quant

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 2 of a norm and the quantisation after it}}
module {
  llm.body @biased(%x: tensor<?x8xbf16, #tokens>, %y: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>, %m8: tensor<4x8xi8>, %q: tensor<4xi32>, %deq: tensor<4xf32>)
      -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>) {
    %w = llm.weight @w from "w" : tensor<8xbf16>
    %b = llm.weight @b from "b" : tensor<8xbf16>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>
    %1 = llm.quantize %0, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
    %2, %sum = llm.add_rms_norm %x, %y, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>
    %3, %scale = llm.dynamic_quantize %2 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
    %r0 = llm.quant_matmul %1, %m8, %q, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    %r1 = llm.quant_matmul %3, %m8, %q, %deq : (tensor<?x8xi8, #tokens>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
    llm.return %r0, %r1 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @biased
// CHECK: llm.rms_norm_quant %x, %w eps 1.0e-06 bias %b by %s, %o : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
// CHECK: llm.rms_norm_quant %x, %w eps 1.0e-06 bias %b residual %y : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>, tensor<?x8xbf16, #tokens>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x8xbf16, #tokens>
