// What weights are made of: pieces, shards, and the mesh that they lie on.
// RUN: vinci-opt %s | FileCheck %s
// RUN: vinci-opt %s | vinci-opt | FileCheck %s

// CHECK: module attributes {llm.mesh = #llm.mesh<axes = [2, 4]>}
module attributes {llm.mesh = #llm.mesh<axes = [2, 4]>} {
  llm.body @b() {
    // CHECK: llm.weight @plain from "a" : tensor<8x4xf32>
    %0 = llm.weight @plain from "a" : tensor<8x4xf32>
    // CHECK: llm.weight @rows from "a" [10, 4] rows 4 over [1] : tensor<3x4xf32>
    %1 = llm.weight @rows from "a" [10, 4] rows 4 over [1] : tensor<3x4xf32>
    // CHECK: llm.weight @fused from "q" [32, 8] rows 8 over [0, 1], "k" [4, 8] rows 2 over [0, 1] : tensor<6x8xbf16>
    %2 = llm.weight @fused from "q" [32, 8] rows 8 over [0, 1], "k" [4, 8] rows 2 over [0, 1] : tensor<6x8xbf16>
    // CHECK: llm.weight @down from "e.{}" [8, 12] columns 4 over [1] experts 2 over [0] stack 3 : tensor<3x8x3xbf16>
    %3 = llm.weight @down from "e.{}" [8, 12] columns 4 over [1] experts 2 over [0] stack 3 : tensor<3x8x3xbf16>
    // CHECK: llm.weight @bias from "b" [8] first_only over [1] : tensor<8xf32>
    %4 = llm.weight @bias from "b" [8] first_only over [1] : tensor<8xf32>
    // CHECK: llm.weight @scale from "{layer}.q.scale" equal ["{layer}.k.scale", "{layer}.v.scale"] : tensor<1xf32>
    %5 = llm.weight @scale from "{layer}.q.scale" equal ["{layer}.k.scale", "{layer}.v.scale"] : tensor<1xf32>
    llm.return
  }
}
