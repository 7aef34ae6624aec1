// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @moe(%hidden: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
  %router = llm.weight @router from "model.layers.{layer}.mlp.gate.weight" : tensor<8x64xbf16>
  %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 8 : tensor<8x32x64xbf16>
  %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.experts.{}.up_proj.weight" stack 8 : tensor<8x32x64xbf16>
  %down_proj = llm.weight @down_proj from "model.layers.{layer}.mlp.experts.{}.down_proj.weight" stack 8 : tensor<8x64x32xbf16>
  %router_logits = llm.matmul %hidden, %router : (tensor<?x64xbf16, #tokens>, tensor<8x64xbf16>) -> tensor<?x8xf32, #tokens>
  %weights, %experts = llm.moe_route %router_logits top_k 2 normalize
      : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  %row_of, %position_of, %expert_offsets = llm.moe_sort %experts num_experts 8
      : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
  %gate = llm.grouped_matmul %hidden, %gate_proj rows %row_of offsets %expert_offsets gather
      : (tensor<?x64xbf16, #tokens>, tensor<8x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
  %up = llm.grouped_matmul %hidden, %up_proj rows %row_of offsets %expert_offsets gather
      : (tensor<?x64xbf16, #tokens>, tensor<8x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
  %activated = llm.silu %gate : tensor<?x32xbf16, #x2_tokens>
  %product = llm.mul %activated, %up : tensor<?x32xbf16, #x2_tokens>
  %down = llm.grouped_matmul %product, %down_proj rows %row_of offsets %expert_offsets
      : (tensor<?x32xbf16, #x2_tokens>, tensor<8x64x32xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %out = llm.moe_combine %down, %position_of, %weights
      : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
  llm.return %out : tensor<?x64xbf16, #tokens>
}

// The same in steps, and the experts of a rank.
llm.body @steps(%hidden: tensor<?x64xbf16, #tokens>, %router_logits: tensor<?x8xf32, #tokens>, %first: tensor<1xi32>) -> tensor<?x64xbf16, #tokens> {
  %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.experts.{}.up_proj.weight" stack 8 : tensor<8x64x64xbf16>
  %probabilities = llm.softmax %router_logits : tensor<?x8xf32, #tokens>
  %values, %indices = llm.top_k %probabilities k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  %weights = llm.normalize_rows %values : tensor<?x2xf32, #tokens>
  %row_of = llm.argsort %indices num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %own = llm.argsort %indices num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
  %offsets = llm.expert_offsets %indices num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
  %owned = llm.expert_offsets %indices num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<5xi32>
  %rows = llm.permute_tokens %hidden by %row_of : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
  %up = llm.grouped_matmul %rows, %up_proj rows %row_of offsets %offsets
      : (tensor<?x64xbf16, #x2_tokens>, tensor<8x64x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x64xbf16, #x2_tokens>
  %choices = llm.unpermute_tokens %up by %position_of : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
  %out = llm.weighted_sum %choices, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
  llm.return %out : tensor<?x64xbf16, #tokens>
}

// CHECK: #x2_tokens = #llm.dims<["tokens*2"]>
// CHECK: %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 8 : tensor<8x32x64xbf16>
// CHECK: %weights, %experts = llm.moe_route %{{.*}} top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
// CHECK: %row_of, %position_of, %expert_offsets = llm.moe_sort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
// CHECK: llm.grouped_matmul %hidden, %gate_proj rows %row_of offsets %expert_offsets gather : (tensor<?x64xbf16, #tokens>, tensor<8x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
// CHECK: llm.grouped_matmul %{{.*}}, %down_proj rows %row_of offsets %expert_offsets : (tensor<?x32xbf16, #x2_tokens>,
// CHECK: llm.moe_combine %{{.*}}, %position_of, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>

// CHECK-LABEL: llm.body @steps
// CHECK: %[[P:.*]] = llm.softmax %router_logits : tensor<?x8xf32, #tokens>
// CHECK-NEXT: %[[V:.*]], %[[I:.*]] = llm.top_k %[[P]] k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
// CHECK-NEXT: %[[W:.*]] = llm.normalize_rows %[[V]] : tensor<?x2xf32, #tokens>
// CHECK-NEXT: %[[R:.*]] = llm.argsort %[[I]] num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
// CHECK-NEXT: llm.argsort %[[I]] num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
// CHECK-NEXT: %[[Q:.*]] = llm.inverse_permutation %[[R]] : tensor<?xi32, #x2_tokens>
// CHECK-NEXT: %[[O:.*]] = llm.expert_offsets %[[I]] num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
// CHECK-NEXT: llm.expert_offsets %[[I]] num_experts 4 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens> -> tensor<5xi32>
// CHECK-NEXT: %[[X:.*]] = llm.permute_tokens %hidden by %[[R]] : (tensor<?x64xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
// CHECK-NEXT: %[[Y:.*]] = llm.grouped_matmul %[[X]], %up_proj rows %[[R]] offsets %[[O]] :
// CHECK-NEXT: %[[C:.*]] = llm.unpermute_tokens %[[Y]] by %[[Q]] : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x64xbf16, #x2_tokens>
// CHECK-NEXT: llm.weighted_sum %[[C]], %[[W]] : (tensor<?x64xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
