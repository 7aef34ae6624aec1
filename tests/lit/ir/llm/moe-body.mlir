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

// CHECK: #x2_tokens = #llm.dims<["tokens*2"]>
// CHECK: %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 8 : tensor<8x32x64xbf16>
// CHECK: %weights, %experts = llm.moe_route %{{.*}} top_k 2 normalize : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
// CHECK: %row_of, %position_of, %expert_offsets = llm.moe_sort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
// CHECK: llm.grouped_matmul %hidden, %gate_proj rows %row_of offsets %expert_offsets gather : (tensor<?x64xbf16, #tokens>, tensor<8x32x64xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
// CHECK: llm.grouped_matmul %{{.*}}, %down_proj rows %row_of offsets %expert_offsets : (tensor<?x32xbf16, #x2_tokens>,
// CHECK: llm.moe_combine %{{.*}}, %position_of, %weights : (tensor<?x64xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x64xbf16, #tokens>
