// RUN: vinci-opt %s --fuse-moe-routing --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// expected-remark@+1 {{fused 3 of argsort, inverse_permutation and expert_offsets}}
module {
  // CHECK-LABEL: llm.body @fused
  // CHECK-NEXT: %[[R:.*]], %[[P:.*]], %[[O:.*]] = llm.moe_sort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
  // CHECK-NEXT: llm.return %[[R]], %[[P]], %[[O]]
  llm.body @fused(%experts: tensor<?x2xi32, #tokens>) -> (tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) {
    %0 = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %1 = llm.inverse_permutation %0 : tensor<?xi32, #x2_tokens>
    %2 = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
    llm.return %0, %1, %2 : tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
  }

  // Rows are counted first, and something reads the counts before pairs are sorted.
  // CHECK-LABEL: llm.body @counted_first
  // CHECK: %[[R:.*]], %[[P:.*]], %[[O:.*]] = llm.moe_sort %experts num_experts 3
  // CHECK-NEXT: llm.grouped_matmul %x, %w rows %rows offsets %[[O]] :
  // CHECK-NEXT: llm.return %[[R]], %[[P]],
  llm.body @counted_first(%experts: tensor<?x2xi32, #tokens>, %x: tensor<?x4xf32, #x2_tokens>, %rows: tensor<?xi32, #x2_tokens>)
      -> (tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x5xf32, #x2_tokens>) {
    %w = llm.weight @w from "w.{}" stack 3 : tensor<3x5x4xf32>
    %0 = llm.expert_offsets %experts num_experts 3 : tensor<?x2xi32, #tokens> -> tensor<4xi32>
    %1 = llm.grouped_matmul %x, %w rows %rows offsets %0
        : (tensor<?x4xf32, #x2_tokens>, tensor<3x5x4xf32>, tensor<?xi32, #x2_tokens>, tensor<4xi32>) -> tensor<?x5xf32, #x2_tokens>
    %2 = llm.argsort %experts num_experts 3 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %3 = llm.inverse_permutation %2 : tensor<?xi32, #x2_tokens>
    llm.return %2, %3, %1 : tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x5xf32, #x2_tokens>
  }

  // The experts of a rank.
  // CHECK-LABEL: llm.body @of_a_rank
  // CHECK: llm.moe_sort %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens>
  // CHECK-NEXT: llm.return
  llm.body @of_a_rank(%experts: tensor<?x2xi32, #tokens>, %first: tensor<1xi32>) -> (tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<3xi32>) {
    %0 = llm.argsort %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
    %1 = llm.inverse_permutation %0 : tensor<?xi32, #x2_tokens>
    %2 = llm.expert_offsets %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<3xi32>
    llm.return %0, %1, %2 : tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<3xi32>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @not_counted
// CHECK-NOT: llm.moe_sort
llm.body @not_counted(%experts: tensor<?x2xi32, #tokens>) -> tensor<?xi32, #x2_tokens> {
  // expected-remark@+1 {{not fused: nothing counts the rows of its experts}}
  %0 = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %1 = llm.inverse_permutation %0 : tensor<?xi32, #x2_tokens>
  llm.return %1 : tensor<?xi32, #x2_tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @other_experts
// CHECK-NOT: llm.moe_sort
llm.body @other_experts(%experts: tensor<?x2xi32, #tokens>) -> (tensor<?xi32, #x2_tokens>, tensor<5xi32>) {
  // expected-remark@+1 {{not fused: the rows that are counted are those of other experts}}
  %0 = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %1 = llm.inverse_permutation %0 : tensor<?xi32, #x2_tokens>
  %2 = llm.expert_offsets %experts num_experts 4 : tensor<?x2xi32, #tokens> -> tensor<5xi32>
  llm.return %1, %2 : tensor<?xi32, #x2_tokens>, tensor<5xi32>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @other_first
// CHECK-NOT: llm.moe_sort
llm.body @other_first(%experts: tensor<?x2xi32, #tokens>, %first: tensor<1xi32>) -> (tensor<?xi32, #x2_tokens>, tensor<3xi32>) {
  // expected-remark@+1 {{not fused: the rows that are counted are those of other experts}}
  %0 = llm.argsort %experts num_experts 2 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %1 = llm.inverse_permutation %0 : tensor<?xi32, #x2_tokens>
  %2 = llm.expert_offsets %experts num_experts 2 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<3xi32>
  llm.return %1, %2 : tensor<?xi32, #x2_tokens>, tensor<3xi32>
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
// CHECK-LABEL: llm.body @not_inverted
// CHECK-NOT: llm.moe_sort
llm.body @not_inverted(%experts: tensor<?x2xi32, #tokens>) -> (tensor<?xi32, #x2_tokens>, tensor<9xi32>) {
  // expected-remark@+1 {{not fused: nothing inverts the order}}
  %0 = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %1 = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
  llm.return %0, %1 : tensor<?xi32, #x2_tokens>, tensor<9xi32>
}

// -----

// Counting alone is none of its business.
#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @counts
// CHECK-NEXT: llm.expert_offsets
llm.body @counts(%experts: tensor<?x2xi32, #tokens>) -> tensor<9xi32> {
  %1 = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
  llm.return %1 : tensor<9xi32>
}
