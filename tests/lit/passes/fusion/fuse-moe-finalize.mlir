// RUN: vinci-opt %s --fuse-moe-finalize --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 1 of unpermute_tokens and weighted_sum}}
module {
  // CHECK-LABEL: llm.body @fused
  // CHECK-NEXT: %[[S:.*]] = llm.moe_combine %y, %position_of, %weights : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  // CHECK-NEXT: llm.return %[[S]]
  llm.body @fused(%y: tensor<?x4xbf16, #x2_tokens>, %position_of: tensor<?xi32, #x2_tokens>, %weights: tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens> {
    %0 = llm.unpermute_tokens %y by %position_of : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xbf16, #x2_tokens>
    %1 = llm.weighted_sum %0, %weights : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
    llm.return %1 : tensor<?x4xbf16, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @choices_read
// CHECK-NOT: llm.moe_combine
llm.body @choices_read(%y: tensor<?x4xbf16, #x2_tokens>, %position_of: tensor<?xi32, #x2_tokens>, %weights: tensor<?x2xf32, #tokens>)
    -> (tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #x2_tokens>) {
  // expected-remark@+1 {{not fused: something else reads the rows of the choices}}
  %0 = llm.unpermute_tokens %y by %position_of : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xbf16, #x2_tokens>
  %1 = llm.weighted_sum %0, %weights : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return %1, %0 : tensor<?x4xbf16, #tokens>, tensor<?x4xbf16, #x2_tokens>
}

// -----

// A sum of rows that were in order all along is none of its business.
#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @in_order
// CHECK-NEXT: llm.weighted_sum
llm.body @in_order(%y: tensor<?x4xbf16, #x2_tokens>, %weights: tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens> {
  %1 = llm.weighted_sum %y, %weights : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return %1 : tensor<?x4xbf16, #tokens>
}
