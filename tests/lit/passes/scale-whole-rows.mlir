// Parts of rows that several ranks have are quantised by the scales of whole rows, where what multiplies them says that they are parts.
// RUN: vinci-opt %s --split-input-file --scale-whole-rows --verify-partition --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{ranks agree on the scales of 2 quantisations, of which each has parts of the rows}}
module attributes {llm.mesh = #llm.mesh<axes = [2, 2]>} {
  // CHECK-LABEL: llm.body @mlp
  // CHECK: %[[X:.*]], %[[XS:.*]] = llm.dynamic_quantize %x : tensor<?x64xbf16, #tokens> -> tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>
  // CHECK: %[[UP:.*]] = llm.dynamic_quant_matmul %[[X]]
  // CHECK-NEXT: %[[OWN:.*]] = llm.row_max %[[UP]] : tensor<?x32xbf16, #tokens> -> tensor<?x1xf32, #tokens>
  // CHECK-NEXT: %[[ALL:.*]] = llm.all_gather %[[OWN]] over [0, 1] : tensor<?x1xf32, #tokens> -> tensor<?x1xf32, #x4_tokens>
  // CHECK-NEXT: %[[Q:.*]], %[[S:.*]] = llm.dynamic_quantize %[[UP]] row_max %[[ALL]] : tensor<?x32xbf16, #tokens>, tensor<?x1xf32, #x4_tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
  // CHECK-NEXT: llm.dynamic_quant_matmul %[[Q]] scale %[[S]], %down_proj
  // CHECK-NOT: llm.row_max
  // CHECK: llm.return
  llm.body @mlp(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %up_proj = llm.weight @up_proj from "u" [128, 64] rows 4 over [0, 1] : tensor<32x64xi8>
    %up_scale = llm.weight @up_proj.weight_scale from "us" [128, 1] rows 4 over [0, 1] : tensor<32x1xf32>
    %down_proj = llm.weight @down_proj from "d" [64, 128] columns 4 over [0, 1] : tensor<64x32xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "ds" : tensor<64x1xf32>
    %0, %s0 = llm.dynamic_quantize %x : tensor<?x64xbf16, #tokens> -> tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>
    %1 = llm.dynamic_quant_matmul %0 scale %s0, %up_proj scale %up_scale
        : (tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>, tensor<32x64xi8>, tensor<32x1xf32>) -> tensor<?x32xbf16, #tokens>
    %2, %s2 = llm.dynamic_quantize %1 : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    %3 = llm.dynamic_quant_matmul %2 scale %s2, %down_proj scale %down_scale
        : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x32xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
    %4 = llm.all_reduce %3 over [0, 1] : tensor<?x64xbf16, #tokens>
    llm.return %4 : tensor<?x64xbf16, #tokens>
  }

  // The width of an expert is divided over one axis, whose ranks have the same rows; experts over the other.
  // CHECK-LABEL: llm.body @experts
  // CHECK: %[[OWN:.*]] = llm.row_max %{{.*}} : tensor<?x32xbf16, #x2_tokens> -> tensor<?x1xf32, #x2_tokens>
  // CHECK-NEXT: %[[ALL:.*]] = llm.all_gather %[[OWN]] over [1] : tensor<?x1xf32, #x2_tokens> -> tensor<?x1xf32, #x4_tokens>
  // CHECK-NEXT: llm.dynamic_quantize %{{.*}} row_max %[[ALL]] : tensor<?x32xbf16, #x2_tokens>, tensor<?x1xf32, #x4_tokens> ->
  llm.body @experts(%x: tensor<?x64xbf16, #tokens>, %experts: tensor<?x2xi32, #tokens>, %weights: tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %first = llm.rank_constant @first_expert dense<[[0], [0], [4], [4]]> : tensor<4x1xi32>
    %up_proj = llm.weight @up_proj from "u.{}" [64, 64] rows 2 over [1] experts 2 over [0] stack 4 : tensor<4x32x64xbf16>
    %down_proj = llm.weight @down_proj from "d.{}" [64, 64] columns 2 over [1] experts 2 over [0] stack 4 : tensor<4x64x32xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "ds.{}" [64, 1] experts 2 over [0] stack 4 : tensor<4x64x1xf32>
    %row_of = llm.argsort %experts num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
    %offsets = llm.expert_offsets %experts num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<5xi32>
    %0 = llm.grouped_matmul %x, %up_proj rows %row_of offsets %offsets gather
        : (tensor<?x64xbf16, #tokens>, tensor<4x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<5xi32>) -> tensor<?x32xbf16, #x2_tokens>
    %1, %s1 = llm.dynamic_quantize %0 : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
    %2 = llm.grouped_dynamic_quant_matmul %1 scale %s1, %down_proj scale %down_scale rows %row_of offsets %offsets
        : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<4x64x32xi8>, tensor<4x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<5xi32>) -> tensor<?x64xbf16, #x2_tokens>
    %3 = llm.unpermute_tokens %2 by %position_of : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
    %4 = llm.weighted_sum %3, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
    %5 = llm.all_reduce %4 over [0, 1] : tensor<?x64xbf16, #tokens>
    llm.return %5 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// One device has whole rows.
#tokens = #llm.dims<["tokens"]>
module {
  // CHECK-LABEL: llm.body @alone
  // CHECK-NOT: llm.row_max
  // CHECK: llm.return
  llm.body @alone(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %down_proj = llm.weight @down_proj from "d" : tensor<64x64xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "ds" : tensor<64x1xf32>
    %0, %s0 = llm.dynamic_quantize %x : tensor<?x64xbf16, #tokens> -> tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>
    %1 = llm.dynamic_quant_matmul %0 scale %s0, %down_proj scale %down_scale
        : (tensor<?x64xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x64xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  }
}
