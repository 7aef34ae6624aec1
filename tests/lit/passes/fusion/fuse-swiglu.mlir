// RUN: vinci-opt %s --fuse-swiglu --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 3 of silu and mul}}
module {
  // The gate on either side of the product; rows of experts.
  // CHECK-LABEL: llm.body @fused
  // CHECK-NEXT: %[[A:.*]] = llm.swiglu %gate, %up : (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  // CHECK-NEXT: %[[B:.*]] = llm.swiglu %gate, %up
  // CHECK-NEXT: %[[C:.*]] = llm.swiglu %rows, %rows : (tensor<?x8xf32, #x2_tokens>, tensor<?x8xf32, #x2_tokens>) -> tensor<?x8xf32, #x2_tokens>
  // CHECK-NEXT: llm.return %[[A]], %[[B]], %[[C]]
  llm.body @fused(%gate: tensor<?x8xbf16, #tokens>, %up: tensor<?x8xbf16, #tokens>, %rows: tensor<?x8xf32, #x2_tokens>)
      -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xf32, #x2_tokens>) {
    %0 = llm.silu %gate : tensor<?x8xbf16, #tokens>
    %1 = llm.mul %0, %up : tensor<?x8xbf16, #tokens>
    %2 = llm.silu %gate : tensor<?x8xbf16, #tokens>
    %3 = llm.mul %up, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.silu %rows : tensor<?x8xf32, #x2_tokens>
    %5 = llm.mul %4, %rows : tensor<?x8xf32, #x2_tokens>
    llm.return %1, %3, %5 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xf32, #x2_tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @another_reader
// CHECK-NOT: llm.swiglu
llm.body @another_reader(%gate: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
  // expected-remark@+1 {{not fused: more than one op reads the activation}}
  %0 = llm.silu %gate : tensor<?x8xbf16, #tokens>
  %1 = llm.mul %0, %gate : tensor<?x8xbf16, #tokens>
  llm.return %0, %1 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @square
// CHECK-NOT: llm.swiglu
llm.body @square(%gate: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
  // expected-remark@+1 {{not fused: more than one op reads the activation}}
  %0 = llm.silu %gate : tensor<?x8xbf16, #tokens>
  %1 = llm.mul %0, %0 : tensor<?x8xbf16, #tokens>
  llm.return %1 : tensor<?x8xbf16, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @heads
// CHECK-NOT: llm.swiglu
llm.body @heads(%gate: tensor<?x2x8xbf16, #tokens>) -> tensor<?x2x8xbf16, #tokens> {
  // expected-remark@+1 {{not fused: it works on heads; llm.swiglu takes [rows, n]}}
  %0 = llm.silu %gate : tensor<?x2x8xbf16, #tokens>
  %1 = llm.mul %0, %gate : tensor<?x2x8xbf16, #tokens>
  llm.return %1 : tensor<?x2x8xbf16, #tokens>
}

// -----

// A product without an activation is none of its business.
#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @product
// CHECK-NEXT: llm.mul
llm.body @product(%gate: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
  %1 = llm.mul %gate, %gate : tensor<?x8xbf16, #tokens>
  llm.return %1 : tensor<?x8xbf16, #tokens>
}
