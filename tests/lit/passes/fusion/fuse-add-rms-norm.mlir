// RUN: vinci-opt %s --fuse-add-rms-norm --split-input-file --verify-diagnostics | FileCheck %s
// A layer in these is two norms, each with something behind it that is added to what was normed.

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Layers of one kind, and two epilogues.
// expected-remark@+1 {{fused 5 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 3,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue_prefill(%hidden: tensor<?x8xbf16, #tokens>, %logit_indices: tensor<?xi32, #logit_rows>) -> tensor<?x32xf32, #logit_rows> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %r = llm.gather_rows %hidden, %logit_indices : (tensor<?x8xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x8xbf16, #logit_rows>
    %x = llm.rms_norm %r, %n eps 1.0e-06 : tensor<?x8xbf16, #logit_rows>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #logit_rows>, tensor<32x8xbf16>) -> tensor<?x32xf32, #logit_rows>
    llm.return %l : tensor<?x32xf32, #logit_rows>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @prefill(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #logit_rows>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @layer layer 2 (%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %4 = llm.call @epilogue_prefill(%3, %logit_indices) : (tensor<?x8xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x32xf32, #logit_rows>
    llm.return %4 : tensor<?x32xf32, #logit_rows>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @layer layer 2 (%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %4 = llm.call @epilogue(%3) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %4 : tensor<?x32xf32, #tokens>
  }
}

// CHECK-LABEL: llm.body @layer_first(%hidden: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
// CHECK: %[[X:.*]] = llm.rms_norm %hidden, %a
// CHECK-NEXT: %[[A:.*]] = llm.silu %[[X]]
// CHECK-NEXT: %[[Y:.*]], %[[S:.*]] = llm.add_rms_norm %[[A]], %hidden, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
// CHECK-NEXT: %[[M:.*]] = llm.silu %[[Y]]
// CHECK-NEXT: llm.return %[[M]], %[[S]]
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>, %residual: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
// CHECK: %[[X:.*]], %[[R:.*]] = llm.add_rms_norm %hidden, %residual, %a eps 1.0e-06
// CHECK-NEXT: %[[A:.*]] = llm.silu %[[X]]
// CHECK-NEXT: %[[Y:.*]], %[[S:.*]] = llm.add_rms_norm %[[A]], %[[R]], %b
// CHECK-NEXT: %[[M:.*]] = llm.silu %[[Y]]
// CHECK-NEXT: llm.return %[[M]], %[[S]]
// CHECK-LABEL: llm.body @epilogue_prefill(%hidden: tensor<?x8xbf16, #tokens>, %residual: tensor<?x8xbf16, #tokens>, %logit_indices:
// CHECK: %[[H:.*]] = llm.gather_rows %hidden, %logit_indices
// CHECK-NEXT: %[[R:.*]] = llm.gather_rows %residual, %logit_indices
// CHECK-NEXT: %[[X:.*]], %{{.*}} = llm.add_rms_norm %[[H]], %[[R]], %norm eps 1.0e-06 : tensor<?x8xbf16, #logit_rows>, tensor<8xbf16>
// CHECK-NEXT: llm.matmul %[[X]]
// CHECK-LABEL: llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>, %residual: tensor<?x8xbf16, #tokens>)
// CHECK: llm.add_rms_norm %hidden, %residual, %norm
// CHECK-LABEL: llm.entry @prefill(
// CHECK: %[[E:.*]] = llm.call @prologue(%token_ids)
// CHECK-NEXT: %[[L0:.*]]:2 = llm.call @layer_first layer 0 (%[[E]])
// CHECK-NEXT: %[[L1:.*]]:2 = llm.call @layer layer 1 (%[[L0]]#0, %[[L0]]#1)
// CHECK-NEXT: %[[L2:.*]]:2 = llm.call @layer layer 2 (%[[L1]]#0, %[[L1]]#1)
// CHECK-NEXT: %[[LOGITS:.*]] = llm.call @epilogue_prefill(%[[L2]]#0, %[[L2]]#1, %logit_indices)
// CHECK-NEXT: llm.return %[[LOGITS]]
// CHECK-LABEL: llm.entry @decode(
// CHECK: llm.call @layer_first layer 0
// CHECK: llm.call @epilogue(%{{.*}}#0, %{{.*}}#1)

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Two kinds of layers: one that is never first, and one that is first only, which needs no second body.
// expected-remark@+1 {{fused 4 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 3,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @dense(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @sparse(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @dense layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @sparse layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @sparse layer 2 (%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %4 = llm.call @epilogue(%3) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %4 : tensor<?x32xf32, #tokens>
  }
}

// CHECK-LABEL: llm.body @dense(%hidden: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
// CHECK-LABEL: llm.body @sparse(%hidden: tensor<?x8xbf16, #tokens>, %residual: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
// CHECK-NOT: _first
// CHECK: llm.call @dense layer 0 (%0)

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// In one body, without calls: the sum has other readers, the first of two norms is fused, in the type that the norm computes in,
// and of heads as well. The weight may be declared after the sum.
// expected-remark@+1 {{fused 2 of add and rms_norm}}
module {
  // CHECK-LABEL: llm.body @inside
  // CHECK: %[[X:.*]], %[[S:.*]] = llm.add_rms_norm %y, %x, %w eps 1.0e-05 in bf16
  // CHECK-NEXT: %[[T:.*]] = llm.silu %[[S]]
  // CHECK-NEXT: %[[Z:.*]] = llm.rms_norm %[[S]], %w eps 1.0e-06
  // CHECK: llm.add_rms_norm %h, %h, %w eps 1.0e-06 : tensor<?x2x8xbf16, #tokens>, tensor<8xbf16>
  llm.body @inside(%x: tensor<?x8xbf16, #tokens>, %y: tensor<?x8xbf16, #tokens>, %h: tensor<?x2x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>) {
    %0 = llm.add %x, %y : tensor<?x8xbf16, #tokens>
    %w = llm.weight @w from "w" : tensor<8xbf16>
    %1 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %2 = llm.rms_norm %0, %w eps 1.0e-05 in bf16 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %3 = llm.rms_norm %0, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %4 = llm.add %h, %h : tensor<?x2x8xbf16, #tokens>
    %5 = llm.rms_norm %4, %w eps 1.0e-06 : tensor<?x2x8xbf16, #tokens>, tensor<8xbf16>
    llm.return %0, %1, %2, %3, %5 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>
  }
}

// -----

// A weight that is no llm.weight, and comes late.
#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @late_weight
// CHECK: llm.rms_norm
llm.body @late_weight(%x: tensor<?x2xf32, #tokens>) -> tensor<?x2xf32, #tokens> {
  // expected-remark@+1 {{not fused: the weight of the norm is computed after the sum}}
  %0 = llm.add %x, %x : tensor<?x2xf32, #tokens>
  %w = llm.constant @w dense<1.0> : tensor<2xf32>
  %1 = llm.rms_norm %0, %w eps 1.0e-06 : tensor<?x2xf32, #tokens>, tensor<2xf32>
  llm.return %1 : tensor<?x2xf32, #tokens>
}

// -----

// A sum without a norm.
#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @no_norm
// CHECK-NEXT: llm.add
llm.body @no_norm(%x: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
  %0 = llm.add %x, %x : tensor<?x8xbf16, #tokens>
  llm.return %0 : tensor<?x8xbf16, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Across calls: layer that uses its sum. What is in the body is fused.
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    // expected-remark@+1 {{not fused: the body that returns the sum uses it, too}}
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    %7 = llm.silu %6 : tensor<?x8xbf16, #tokens>
    llm.return %6, %7 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1:2 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>)
    %2:2 = llm.call @layer layer 1 (%1#0) : (tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>)
    %3 = llm.call @epilogue(%2#0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %3 : tensor<?x32xf32, #tokens>
  }
}
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) ->
// CHECK: llm.add_rms_norm
// CHECK-NOT: llm.add_rms_norm
// CHECK-LABEL: llm.entry

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Across calls: a part is an argument. What is in the body is fused.
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    // expected-remark@+1 {{not fused: a part of the sum is an argument of the body, or is returned by itself, or twice}}
    %6 = llm.add %hidden, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %3 : tensor<?x32xf32, #tokens>
  }
}
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) ->
// CHECK: llm.add_rms_norm
// CHECK-NOT: llm.add_rms_norm
// CHECK-LABEL: llm.entry

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Across calls: one value twice. What is in the body is fused.
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    // expected-remark@+1 {{not fused: a part of the sum is an argument of the body, or is returned by itself, or twice}}
    %6 = llm.add %5, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %3 : tensor<?x32xf32, #tokens>
  }
}
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) ->
// CHECK: llm.add_rms_norm
// CHECK-NOT: llm.add_rms_norm
// CHECK-LABEL: llm.entry

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Across calls: a part is returned. What is in the body is fused.
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    // expected-remark@+1 {{not fused: a part of the sum is an argument of the body, or is returned by itself, or twice}}
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6, %5 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %x = llm.rms_norm %hidden, %n eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %l = llm.matmul %x, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1:2 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>)
    %2:2 = llm.call @layer layer 1 (%1#0) : (tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>)
    %3 = llm.call @epilogue(%2#0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %3 : tensor<?x32xf32, #tokens>
  }
}
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) ->
// CHECK: llm.add_rms_norm
// CHECK-NOT: llm.add_rms_norm
// CHECK-LABEL: llm.entry

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
#logit_rows = #llm.dims<["logit_rows"]>
// Across calls: the last sum goes to a body without a norm.
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 32, hidden_size = 8, num_hidden_layers = 2,
                         max_position_embeddings = 64, dtype = bf16, parameters = 1, generation = <eos_token_ids = [0]>>,
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>
} {
  llm.body @prologue(%token_ids: tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %t = llm.weight @table from "t" : tensor<32x8xbf16>
    %0 = llm.embedding %token_ids, %t : (tensor<?xi32, #tokens>, tensor<32x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return %0 : tensor<?x8xbf16, #tokens>
  }
  llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {
    %a = llm.weight @a from "{layer}.a" : tensor<8xbf16>
    %b = llm.weight @b from "{layer}.b" : tensor<8xbf16>
    %0 = llm.rms_norm %hidden, %a eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %2 = llm.silu %0 : tensor<?x8xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x8xbf16, #tokens>
    %4 = llm.rms_norm %3, %b eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    %5 = llm.silu %4 : tensor<?x8xbf16, #tokens>
    // expected-remark@+1 {{not fused: some call passes the sum to a body that does not norm it}}
    %6 = llm.add %3, %5 : tensor<?x8xbf16, #tokens>
    llm.return %6 : tensor<?x8xbf16, #tokens>
  }
  llm.body @epilogue(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens> {
    %n = llm.weight @norm from "n" : tensor<8xbf16>
    %h = llm.weight @head from "t" : tensor<32x8xbf16>
    %l = llm.matmul %hidden, %h : (tensor<?x8xbf16, #tokens>, tensor<32x8xbf16>) -> tensor<?x32xf32, #tokens>
    llm.return %l : tensor<?x32xf32, #tokens>
  }
  llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                    %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<3xi32>,
                    %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x2xi32, #sequences>,
                    %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x32xf32, #tokens>) {
    %0 = llm.call @prologue(%token_ids) : (tensor<?xi32, #tokens>) -> tensor<?x8xbf16, #tokens>
    %1 = llm.call @layer layer 0 (%0) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %2 = llm.call @layer layer 1 (%1) : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
    %3 = llm.call @epilogue(%2) : (tensor<?x8xbf16, #tokens>) -> tensor<?x32xf32, #tokens>
    llm.return %3 : tensor<?x32xf32, #tokens>
  }
}
// CHECK-LABEL: llm.body @layer(%hidden: tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens> {

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{not fused: 310p3 has no kernel for an add with the norm after it}}
module attributes {llm.target = "310p3"} {
  // CHECK-LABEL: llm.body @target
  // CHECK: llm.rms_norm
  llm.body @target(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) -> tensor<?x8xbf16, #tokens> {
    %0 = llm.add %x, %x : tensor<?x8xbf16, #tokens>
    %1 = llm.rms_norm %0, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
    llm.return %1 : tensor<?x8xbf16, #tokens>
  }
}

// -----

// expected-error@+1 {{is compiled for "910z9", which is no target; there are host, 310p3, 910b3, a3}}
module attributes {llm.target = "910z9"} {}

// -----

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of add and rms_norm}}
module {
  llm.body @biased(%x: tensor<?x8xbf16, #tokens>, %y: tensor<?x8xbf16, #tokens>) -> (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) {
    %0 = llm.add %x, %y : tensor<?x8xbf16, #tokens>
    %w = llm.weight @w from "w" : tensor<8xbf16>
    %b = llm.weight @b from "b" : tensor<8xbf16>
    %1 = llm.rms_norm %0, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>
    llm.return %0, %1 : tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>
  }
}
// CHECK-LABEL: llm.body @biased
// CHECK: %[[N:.*]], %[[SUM:.*]] = llm.add_rms_norm %y, %x, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xbf16>
// CHECK-NEXT: llm.return %[[SUM]], %[[N]]
