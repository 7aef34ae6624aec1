// RUN: vinci-opt %s --fuse-moe-gating --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 2 of softmax and top_k}}
module {
  // CHECK-LABEL: llm.body @normalized
  // CHECK-NEXT: %[[W:.*]], %[[E:.*]] = llm.moe_route %logits top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  // CHECK-NEXT: llm.return %[[W]], %[[E]]
  llm.body @normalized(%logits: tensor<?x8xf32, #tokens>) -> (tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>) {
    %0 = llm.softmax %logits : tensor<?x8xf32, #tokens>
    %1, %experts = llm.top_k %0 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %2 = llm.normalize_rows %1 : tensor<?x2xf32, #tokens>
    llm.return %2, %experts : tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  }

  // Nothing normalises the weights, however many read them.
  // CHECK-LABEL: llm.body @as_they_are
  // CHECK-NEXT: %[[W:.*]], %[[E:.*]] = llm.moe_route %logits top_k 2 : tensor<?x8xf32, #tokens>
  // CHECK-NEXT: llm.return %[[W]], %[[W]], %[[E]]
  llm.body @as_they_are(%logits: tensor<?x8xf32, #tokens>) -> (tensor<?x2xf32, #tokens>, tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>) {
    %0 = llm.softmax %logits : tensor<?x8xf32, #tokens>
    %1, %experts = llm.top_k %0 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    llm.return %1, %1, %experts : tensor<?x2xf32, #tokens>, tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @probabilities_read
// CHECK-NOT: llm.moe_route
llm.body @probabilities_read(%logits: tensor<?x8xf32, #tokens>) -> (tensor<?x8xf32, #tokens>, tensor<?x2xi32, #tokens>) {
  // expected-remark@+1 {{not fused: something else reads the probabilities}}
  %0 = llm.softmax %logits : tensor<?x8xf32, #tokens>
  %1, %experts = llm.top_k %0 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return %0, %experts : tensor<?x8xf32, #tokens>, tensor<?x2xi32, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @weights_read
// CHECK-NOT: llm.moe_route
llm.body @weights_read(%logits: tensor<?x8xf32, #tokens>) -> (tensor<?x2xf32, #tokens>, tensor<?x2xf32, #tokens>) {
  // expected-remark@+1 {{not fused: something else reads the weights before they are normalised}}
  %0 = llm.softmax %logits : tensor<?x8xf32, #tokens>
  %1, %experts = llm.top_k %0 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  %2 = llm.normalize_rows %1 : tensor<?x2xf32, #tokens>
  llm.return %1, %2 : tensor<?x2xf32, #tokens>, tensor<?x2xf32, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.target = "310p3"} {
  // CHECK-LABEL: llm.body @on_310p3
  // CHECK-NOT: llm.moe_route
  llm.body @on_310p3(%logits: tensor<?x8xf32, #tokens>) -> tensor<?x2xi32, #tokens> {
    // expected-remark@+1 {{not fused: 310p3 has no kernel for softmax and top-k in one}}
    %0 = llm.softmax %logits : tensor<?x8xf32, #tokens>
    %1, %experts = llm.top_k %0 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    llm.return %experts : tensor<?x2xi32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of softmax and top_k}}
module attributes {llm.target = "910b3"} {
  // CHECK-LABEL: llm.body @on_910b3
  // CHECK-NEXT: llm.moe_route
  // CHECK-NEXT: llm.softmax
  llm.body @on_910b3(%some: tensor<?x1024xf32, #tokens>, %many: tensor<?x1025xf32, #tokens>) -> (tensor<?x2xi32, #tokens>, tensor<?x2xi32, #tokens>) {
    %0 = llm.softmax %some : tensor<?x1024xf32, #tokens>
    %1, %2 = llm.top_k %0 k 2 : tensor<?x1024xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    // expected-remark@+1 {{not fused: there are 1025 experts; the kernel of 910b3 takes up to 1024}}
    %3 = llm.softmax %many : tensor<?x1025xf32, #tokens>
    %4, %5 = llm.top_k %3 k 2 : tensor<?x1025xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    llm.return %2, %5 : tensor<?x2xi32, #tokens>, tensor<?x2xi32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.target = "a3"} {
  llm.body @on_a3(%many: tensor<?x1025xf32, #tokens>) -> tensor<?x2xi32, #tokens> {
    // expected-remark@+1 {{not fused: there are 1025 experts; the kernel of a3 takes up to 1024}}
    %0 = llm.softmax %many : tensor<?x1025xf32, #tokens>
    %1, %2 = llm.top_k %0 k 2 : tensor<?x1025xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    llm.return %2 : tensor<?x2xi32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// expected-error@+1 {{is compiled for "910z9", which is no target; there are host, 310p3, 910b3, a3}}
module attributes {llm.target = "910z9"} {
}

// -----

// The best of anything but probabilities is none of its business.
#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @logits
// CHECK-NEXT: llm.top_k
llm.body @logits(%logits: tensor<?x8xf32, #tokens>) -> tensor<?x2xi32, #tokens> {
  %1, %experts = llm.top_k %logits k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return %experts : tensor<?x2xi32, #tokens>
}
