// RUN: vinci-opt %s --fuse-grouped-matmul-swiglu --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of a product by experts and swiglu}}
module {
llm.body @floats(%x: tensor<?x16xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x32xbf16, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xbf16>
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xbf16, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return %a : tensor<?x32xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @floats
// CHECK-NEXT: %[[W:.*]] = llm.weight @gate_up_proj
// CHECK-NEXT: %[[A:.*]] = llm.grouped_matmul_swiglu %x, %[[W]] rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x32xbf16, #x2_tokens>
// CHECK-NEXT: llm.return %[[A]]

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of a product by experts and swiglu}}
module {
llm.body @int8(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m64: tensor<4x64xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [64, 16], "{}.u" [64, 16] stack 3 : tensor<3x128x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [64, 1], "{}.us" [64, 1] stack 3 : tensor<3x128x1xf32>
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x128x16xi8>, tensor<3x128x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x128xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x128xbf16, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x64xbf16, #x2_tokens> -> tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m64, %bias, %deq : (tensor<?x64xi8, #x2_tokens>, tensor<4x64xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @int8
// CHECK-NEXT: %[[W:.*]] = llm.weight @gate_up_proj from
// CHECK-NEXT: %[[WS:.*]] = llm.weight @gate_up_proj.weight_scale
// CHECK-NEXT: %[[A:.*]], %[[S:.*]] = llm.grouped_matmul_swiglu_quant %x scale %xs, %[[W]] scale %[[WS]] rows %rows offsets %offsets gather in bf16 : {{.*}} -> (tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
// CHECK-NEXT: llm.quant_matmul %[[A]],
// CHECK-NEXT: llm.return %{{.*}}, %[[S]]

// -----

// In float32, which needs no saying; on an NPU at its limits.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of a product by experts and swiglu}}
module {
llm.body @float32(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [32, 1], "{}.us" [32, 1] stack 3 : tensor<3x64x1xf32>
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x64x16xi8>, tensor<3x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xf32, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xf32, #x2_tokens>) -> tensor<?x32xf32, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x32xf32, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m32, %bias, %deq : (tensor<?x32xi8, #x2_tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @float32
// CHECK: llm.grouped_matmul_swiglu_quant {{.*}} gather : (

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of a product by experts and swiglu}}
module attributes {llm.target = "910b3"} {
llm.body @npu(%x: tensor<?x65535xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m5120: tensor<4x5120xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [5120, 65535], "{}.u" [5120, 65535] stack 3 : tensor<3x10240x65535xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [5120, 1], "{}.us" [5120, 1] stack 3 : tensor<3x10240x1xf32>
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x65535xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x10240x65535xi8>, tensor<3x10240x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x10240xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x10240xbf16, #x2_tokens>) -> tensor<?x5120xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x5120xbf16, #x2_tokens> -> tensor<?x5120xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m5120, %bias, %deq : (tensor<?x5120xi8, #x2_tokens>, tensor<4x5120xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @npu
// CHECK: llm.grouped_matmul_swiglu_quant

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module {
llm.body @product_read(%x: tensor<?x16xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xbf16>
  // expected-remark@+1 {{not fused: something else reads the product}}
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xbf16, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return %p : tensor<?x64xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @product_read
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @two_products(%x: tensor<?x16xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xbf16>
  // expected-remark@+1 {{not fused: gate and up are two products}}
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %u = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x64x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p, %u : (tensor<?x64xbf16, #x2_tokens>, tensor<?x64xbf16, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
  llm.return %a : tensor<?x64xbf16, #x2_tokens>
}
// CHECK-LABEL: llm.body @two_products
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module {
llm.body @columns(%x: tensor<?x16xbf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [48, 16], "{}.u" [48, 16] stack 3 : tensor<3x96x16xbf16>
  // expected-remark@+1 {{not fused: the 48 columns of the gate are no multiple of 32, the columns of a panel}}
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xbf16, #tokens>, tensor<3x96x16xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x96xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x96xbf16, #x2_tokens>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %a : tensor<?x48xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @columns
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module {
llm.body @not_quantised(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x32xbf16, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [32, 1], "{}.us" [32, 1] stack 3 : tensor<3x64x1xf32>
  // expected-remark@+1 {{not fused: the only reader of the activation must be llm.dynamic_quantize, which the kernel does as well}}
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x64x16xi8>, tensor<3x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xbf16, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return %a : tensor<?x32xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @not_quantised
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module {
llm.body @activation_read(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?x32xbf16, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [32, 1], "{}.us" [32, 1] stack 3 : tensor<3x64x1xf32>
  // expected-remark@+1 {{not fused: the only reader of the activation must be llm.dynamic_quantize, which the kernel does as well}}
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x64x16xi8>, tensor<3x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xbf16, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m32, %bias, %deq : (tensor<?x32xi8, #x2_tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %a : tensor<?x4xbf16, #x2_tokens>, tensor<?x32xbf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @activation_read
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module {
llm.body @long_rows(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m16416: tensor<4x16416xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [16416, 16], "{}.u" [16416, 16] stack 3 : tensor<3x32832x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [16416, 1], "{}.us" [16416, 1] stack 3 : tensor<3x32832x1xf32>
  // expected-remark@+1 {{not fused: gate and up have 32832 rows; the kernel of host takes 32768}}
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x32832x16xi8>, tensor<3x32832x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x32832xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x32832xbf16, #x2_tokens>) -> tensor<?x16416xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x16416xbf16, #x2_tokens> -> tensor<?x16416xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m16416, %bias, %deq : (tensor<?x16416xi8, #x2_tokens>, tensor<4x16416xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @long_rows
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.target = "a3"} {
llm.body @npu_rows(%x: tensor<?x16xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m5152: tensor<4x5152xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [5152, 16], "{}.u" [5152, 16] stack 3 : tensor<3x10304x16xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [5152, 1], "{}.us" [5152, 1] stack 3 : tensor<3x10304x1xf32>
  // expected-remark@+1 {{not fused: gate and up have 10304 rows; the kernel of a3 takes 10240}}
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x16xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x10304x16xi8>, tensor<3x10304x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x10304xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x10304xbf16, #x2_tokens>) -> tensor<?x5152xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x5152xbf16, #x2_tokens> -> tensor<?x5152xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m5152, %bias, %deq : (tensor<?x5152xi8, #x2_tokens>, tensor<4x5152xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @npu_rows
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.target = "a3"} {
llm.body @npu_depth(%x: tensor<?x65536xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %m32: tensor<4x32xi8>, %bias: tensor<4xi32>, %deq: tensor<4xf32>) -> (tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 65536], "{}.u" [32, 65536] stack 3 : tensor<3x64x65536xi8>
  %ws = llm.weight @gate_up_proj.weight_scale from "{}.gs" [32, 1], "{}.us" [32, 1] stack 3 : tensor<3x64x1xf32>
  // expected-remark@+1 {{not fused: the input has 65536 columns; the kernel of a3 takes 65535}}
  %p = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %rows offsets %offsets gather : (tensor<?x65536xi8, #tokens>, tensor<?xf32, #tokens>, tensor<3x64x65536xi8>, tensor<3x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xbf16, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %qs = llm.dynamic_quantize %a : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %r0 = llm.quant_matmul %q, %m32, %bias, %deq : (tensor<?x32xi8, #x2_tokens>, tensor<4x32xi8>, tensor<4xi32>, tensor<4xf32>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return %r0, %qs : tensor<?x4xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @npu_depth
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.target = "910b3"} {
llm.body @npu_float32(%x: tensor<?x16xf32, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x32xf32, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xf32>
  // expected-remark@+1 {{not fused: the kernel of 910b3 takes bfloat16 and float16}}
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xf32, #tokens>, tensor<3x64x16xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xf32, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xf32, #x2_tokens>) -> tensor<?x32xf32, #x2_tokens>
  llm.return %a : tensor<?x32xf32, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @npu_float32
// CHECK-NOT: grouped_matmul_swiglu

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.target = "310p3"} {
llm.body @no_kernel(%x: tensor<?x16xf16, #tokens>, %rows: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x32xf16, #x2_tokens> {
  %w = llm.weight @gate_up_proj from "{}.g" [32, 16], "{}.u" [32, 16] stack 3 : tensor<3x64x16xf16>
  // expected-remark@+1 {{not fused: 310p3 has no kernel for products by experts with swiglu}}
  %p = llm.grouped_matmul %x, %w rows %rows offsets %offsets gather : (tensor<?x16xf16, #tokens>, tensor<3x64x16xf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x64xf16, #x2_tokens>
  %a = llm.swiglu %p : (tensor<?x64xf16, #x2_tokens>) -> tensor<?x32xf16, #x2_tokens>
  llm.return %a : tensor<?x32xf16, #x2_tokens>
}
}
// CHECK-LABEL: llm.body @no_kernel
// CHECK-NOT: grouped_matmul_swiglu

// -----

// A product without experts is none of its business.
#tokens = #llm.dims<["tokens"]>
llm.body @dense(%x: tensor<?x16xbf16, #tokens>) -> tensor<?x32xbf16, #tokens> {
  %w = llm.weight @w from "w" : tensor<64x16xbf16>
  %0 = llm.matmul %x, %w : (tensor<?x16xbf16, #tokens>, tensor<64x16xbf16>) -> tensor<?x64xbf16, #tokens>
  %1 = llm.swiglu %0 : (tensor<?x64xbf16, #tokens>) -> tensor<?x32xbf16, #tokens>
  llm.return %1 : tensor<?x32xbf16, #tokens>
}
// CHECK-LABEL: llm.body @dense
// CHECK: llm.swiglu
