// RUN: vinci-opt %S/../ir/llm/quant-body.mlir --lower-to-npu | FileCheck %s
// Every op on int8 as a kernel, in layers of several schemes.

// CHECK: npu.weight @layers.0.proj from "layers.0.proj.weight" packing panel32 : tensor<16x16xi8>
// CHECK-NEXT: npu.weight @layers.0.proj.input_scale from "layers.0.proj.input_scale" packing rows : tensor<1xf32>
// CHECK-NEXT: npu.weight @layers.0.proj.input_offset from "layers.0.proj.input_offset" packing rows : tensor<1xf32>
// CHECK-NEXT: npu.weight @layers.0.proj.quant_bias from "layers.0.proj.quant_bias" packing rows : tensor<16xi32>
// CHECK-NEXT: npu.weight @layers.0.proj.deq_scale from "layers.0.proj.deq_scale" packing rows : tensor<16xf32>
// CHECK: npu.weight @layers.2.proj.weight_scale from "layers.2.proj.weight_scale" packing rows : tensor<16x1xf32>
// CHECK: npu.weight @layers.2.up_proj from "layers.2.experts.{}.up_proj.weight" stack 8 packing panel32 : tensor<8x12x16xi8>
// CHECK-NEXT: npu.weight @layers.2.up_proj.weight_scale from "layers.2.experts.{}.up_proj.weight_scale" stack 8 packing rows : tensor<8x12x1xf32>
// CHECK: npu.buffer @layer_w8a8.quantize : tensor<?x16xi8, #tokens>
// CHECK: npu.buffer @layer_w8a8_dynamic.dynamic_quantize : tensor<?x16xi8, #tokens>
// CHECK: npu.buffer @layer_w8a8_dynamic.dynamic_quantize.scale : tensor<?xf32, #tokens>

// CHECK-LABEL: npu.body @layer_w8a8(weight @proj, weight @proj.input_scale, weight @proj.input_offset, weight @proj.quant_bias, weight @proj.deq_scale) {
// CHECK-NEXT: npu.launch "quantize" writes(arena @layer_w8a8.quantize) reads(arena @hidden{{.*}}, parameter @proj.input_scale, parameter @proj.input_offset) {dtype = "bfloat16", n = 16}
// CHECK-NEXT: npu.launch "quant_matmul" writes(arena @layer_w8a8.proj) reads(arena @layer_w8a8.quantize, parameter @proj, parameter @proj.quant_bias, parameter @proj.deq_scale) {dtype = "bfloat16", k = 16, n = 16}

// CHECK-LABEL: npu.body @layer_w8a8_dynamic(
// CHECK-NEXT: npu.launch "dynamic_quantize" writes(arena @layer_w8a8_dynamic.dynamic_quantize, arena @layer_w8a8_dynamic.dynamic_quantize.scale) reads(arena @hidden{{.*}}) {dtype = "bfloat16", n = 16, parts = 1, row_max = 0, rows = "tokens"}
// CHECK-NEXT: npu.launch "dynamic_quant_matmul" writes(arena @layer_w8a8_dynamic.proj) reads(arena @layer_w8a8_dynamic.dynamic_quantize, arena @layer_w8a8_dynamic.dynamic_quantize.scale, parameter @proj, parameter @proj.weight_scale, parameter @proj.bias) {bias = 1, dtype = "bfloat16", k = 16, n = 16, rows = "tokens"}
// CHECK-NEXT: npu.launch "dynamic_quant_matmul" writes(arena @layer_w8a8_dynamic.proj.1) reads({{.*}}, parameter @proj, parameter @proj.weight_scale) {bias = 0, dtype = "bfloat16", k = 16, n = 16, rows = "tokens"}
// CHECK: npu.launch "grouped_dynamic_quant_matmul" writes(arena @layer_w8a8_dynamic.up_proj) reads(arena @layer_w8a8_dynamic.dynamic_quantize.1, arena @layer_w8a8_dynamic.dynamic_quantize.scale.1, arena @layer_w8a8_dynamic.moe_sort.row_of, arena @layer_w8a8_dynamic.moe_sort.expert_offsets, parameter @up_proj, parameter @up_proj.weight_scale) {dtype = "bfloat16", gather = 1, k = 16, n = 12, num_experts = 8, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "dynamic_quantize" {{.*}} {dtype = "bfloat16", n = 12, parts = 1, row_max = 0, rows = "tokens*2"}
// CHECK-NEXT: npu.launch "grouped_dynamic_quant_matmul" {{.*}} {dtype = "bfloat16", gather = 0, k = 12, n = 16, num_experts = 8, rows_per_token = 1, top_k = 2}

// CHECK-LABEL: npu.body @layer_w8a16(
// CHECK-NEXT: npu.launch "weight_quant_matmul" writes(arena @layer_w8a16.proj) reads(arena @hidden{{.*}}, parameter @proj, parameter @proj.weight_scale, parameter @proj.bias) {bias = 1, dtype = "bfloat16", k = 16, n = 16}
// CHECK-NEXT: npu.launch "weight_quant_matmul" {{.*}} {bias = 0, dtype = "bfloat16", k = 16, n = 16}
// CHECK: npu.launch "grouped_weight_quant_matmul" writes(arena @layer_w8a16.up_proj) reads(arena @layer_w8a16.proj.1, arena @layer_w8a16.moe_sort.row_of, arena @layer_w8a16.moe_sort.expert_offsets, parameter @up_proj, parameter @up_proj.weight_scale) {dtype = "bfloat16", gather = 1, k = 16, n = 16, num_experts = 8, rows_per_token = 1, top_k = 2}
// CHECK-NEXT: npu.launch "grouped_weight_quant_matmul" {{.*}} {dtype = "bfloat16", gather = 0, k = 16, n = 16, num_experts = 8, rows_per_token = 1, top_k = 2}

// CHECK-LABEL: npu.entry @decode
// CHECK-NEXT: npu.call @prologue
// CHECK-NEXT: npu.call @layer_w8a8 layer 0 (weight @layers.0.proj,
// CHECK-NEXT: npu.call @float_layer layer 1 (weight @layers.1.proj)
// CHECK-NEXT: npu.call @layer_w8a8_dynamic layer 2
// CHECK-NEXT: npu.call @layer_w8a8 layer 3 (weight @layers.3.proj,
