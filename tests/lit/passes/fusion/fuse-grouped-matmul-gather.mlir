// RUN: vinci-opt %s --fuse-grouped-matmul-gather --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 3 of permute_tokens with its products}}
module {
// Tokens are read by each product, in the order of its rows.
// CHECK-LABEL: llm.body @fused
// CHECK-NOT: llm.permute_tokens
// CHECK: %[[G:.*]] = llm.grouped_matmul %x, %gate_proj rows %row_of offsets %offsets gather : (tensor<?x32xbf16, #tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
// CHECK-NEXT: %[[U:.*]] = llm.grouped_matmul %x, %up_proj rows %row_of offsets %offsets gather
// CHECK-NEXT: llm.return %[[G]], %[[U]]
llm.body @fused(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  %up = llm.weight @up_proj from "{layer}.{}.u" stack 3 : tensor<3x48x32xbf16>
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_matmul %rows, %gate rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_matmul %rows, %up rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1, %2 : tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>
}

// They are quantised once, not for each choice.
// CHECK-LABEL: llm.body @quantised
// CHECK-NOT: llm.permute_tokens
// CHECK: %[[Q:.*]], %[[S:.*]] = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
// CHECK-NEXT: %[[G:.*]] = llm.grouped_dynamic_quant_matmul %[[Q]] scale %[[S]], %gate_proj scale %gate_proj.weight_scale rows %row_of offsets %offsets gather : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>,
// CHECK-NEXT: %[[H:.*]] = llm.grouped_dynamic_quant_matmul %[[Q]] scale %[[S]], {{.*}} gather
// CHECK-NEXT: llm.return %[[G]], %[[H]]
llm.body @quantised(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xi8>
  %gates = llm.weight @gate_proj.weight_scale from "{layer}.{}.gs" stack 3 : tensor<3x48x1xf32>
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %s = llm.dynamic_quantize %rows : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %1 = llm.grouped_dynamic_quant_matmul %q scale %s, %gate scale %gates rows %row_of offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_dynamic_quant_matmul %q scale %s, %gate scale %gates rows %row_of offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1, %2 : tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>
}

// CHECK-LABEL: llm.body @weights_alone
// CHECK-NOT: llm.permute_tokens
// CHECK: llm.grouped_weight_quant_matmul %x, %gate_proj scale %gate_proj.weight_scale rows %row_of offsets %offsets gather : (tensor<?x32xbf16, #tokens>,
llm.body @weights_alone(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens> {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xi8>
  %gates = llm.weight @gate_proj.weight_scale from "{layer}.{}.gs" stack 3 : tensor<3x48x1xf32>
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_weight_quant_matmul %rows, %gate scale %gates rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1 : tensor<?x48xbf16, #x2_tokens>
}
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @rows_read
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NOT: gather
llm.body @rows_read(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?x32xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  // expected-remark@+1 {{not fused: something else reads the gathered rows}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_matmul %rows, %gate rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1, %rows : tensor<?x48xbf16, #x2_tokens>, tensor<?x32xbf16, #x2_tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @quantised_rows_read
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NOT: gather
llm.body @quantised_rows_read(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xi8>
  %gates = llm.weight @gate_proj.weight_scale from "{layer}.{}.gs" stack 3 : tensor<3x48x1xf32>
  // expected-remark@+1 {{not fused: something else reads the quantised rows}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %s = llm.dynamic_quantize %rows : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %1 = llm.grouped_dynamic_quant_matmul %q scale %s, %gate scale %gates rows %row_of offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1, %s : tensor<?x48xbf16, #x2_tokens>, tensor<?xf32, #x2_tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @scales_of_others
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NOT: gather
llm.body @scales_of_others(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %other: tensor<?xf32, #x2_tokens>) -> (tensor<?x48xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xi8>
  %gates = llm.weight @gate_proj.weight_scale from "{layer}.{}.gs" stack 3 : tensor<3x48x1xf32>
  // expected-remark@+1 {{not fused: something else reads the quantised rows}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %s = llm.dynamic_quantize %rows : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %1 = llm.grouped_dynamic_quant_matmul %q scale %other, %gate scale %gates rows %row_of offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1 : tensor<?x48xbf16, #x2_tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @other_order
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NOT: gather
llm.body @other_order(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %other: tensor<?xi32, #x2_tokens>) -> (tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  %up = llm.weight @up_proj from "{layer}.{}.u" stack 3 : tensor<3x48x32xbf16>
  // expected-remark@+1 {{not fused: a product has its rows in another order}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_matmul %rows, %gate rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  %2 = llm.grouped_matmul %rows, %up rows %other offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1, %2 : tensor<?x48xbf16, #x2_tokens>, tensor<?x48xbf16, #x2_tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @quantised_other_order
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NOT: gather
llm.body @quantised_other_order(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %other: tensor<?xi32, #x2_tokens>) -> (tensor<?x48xbf16, #x2_tokens>) {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xi8>
  %gates = llm.weight @gate_proj.weight_scale from "{layer}.{}.gs" stack 3 : tensor<3x48x1xf32>
  // expected-remark@+1 {{not fused: a product has its rows in another order}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %q, %s = llm.dynamic_quantize %rows : tensor<?x32xbf16, #x2_tokens> -> tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  %1 = llm.grouped_dynamic_quant_matmul %q scale %s, %gate scale %gates rows %other offsets %offsets : (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>, tensor<3x48x32xi8>, tensor<3x48x1xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1 : tensor<?x48xbf16, #x2_tokens>
}

// -----

// A product that permutes them once more.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @gathered_again
// CHECK: llm.permute_tokens
llm.body @gathered_again(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens> {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  // expected-remark@+1 {{not fused: something else reads the gathered rows}}
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_matmul %rows, %gate rows %row_of offsets %offsets gather : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1 : tensor<?x48xbf16, #x2_tokens>
}

// -----

// Rows that nobody reads, and products of other rows, are none of its business.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @apart
// CHECK-NOT: gather
// CHECK: llm.permute_tokens
// CHECK-NEXT: llm.grouped_matmul %y, %gate_proj rows %row_of offsets %offsets :
llm.body @apart(%x: tensor<?x32xbf16, #tokens>, %row_of: tensor<?xi32, #x2_tokens>, %offsets: tensor<4xi32>, %y: tensor<?x32xbf16, #x2_tokens>) -> tensor<?x48xbf16, #x2_tokens> {
  %gate = llm.weight @gate_proj from "{layer}.{}.g" stack 3 : tensor<3x48x32xbf16>
  %rows = llm.permute_tokens %x by %row_of : (tensor<?x32xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x32xbf16, #x2_tokens>
  %1 = llm.grouped_matmul %y, %gate rows %row_of offsets %offsets : (tensor<?x32xbf16, #x2_tokens>, tensor<3x48x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return %1 : tensor<?x48xbf16, #x2_tokens>
}
