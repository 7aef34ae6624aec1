// RUN: vinci-opt %s | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --mlir-print-op-generic | vinci-opt | FileCheck %s
// Every op of the dialect, written and read again.

#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 1024 {
  npu.program arena 1024 {
    // CHECK: npu.kv_cache layers 2 : !llm.kv_cache<2x16xbf16>
    npu.kv_cache layers 2 : !llm.kv_cache<2x16xbf16>
    // CHECK: npu.constant @inv_freq dense<[1.000000e+00, 5.000000e-01]> : tensor<2xf32>
    npu.constant @inv_freq dense<[1.0, 0.5]> : tensor<2xf32>
    // CHECK: npu.weight @norm from "model.norm.weight" packing rows : tensor<8xbf16>
    npu.weight @norm from "model.norm.weight" packing rows : tensor<8xbf16>
    // CHECK: npu.weight @layers.0.up_proj from "layers.0.experts.{}.up_proj.weight" stack 4 packing panel12 : tensor<4x8x8xbf16>
    npu.weight @layers.0.up_proj from "layers.0.experts.{}.up_proj.weight" stack 4 packing panel12 : tensor<4x8x8xbf16>
    // CHECK: npu.buffer @hidden at 64 : tensor<?x8xbf16, #tokens>
    npu.buffer @hidden at 64 : tensor<?x8xbf16, #tokens>
    // CHECK: npu.body @layer(weight @norm, weight @up_proj, kv_cache @cache) {
    npu.body @layer(weight @norm, weight @up_proj, kv_cache @cache) {
      // CHECK: npu.launch "rms_norm" writes(arena @hidden) reads(arena @hidden, parameter @norm) {dtype = "bfloat16", eps = 1.0e-06, n = 8} waits [] stream compute
      npu.launch "rms_norm" writes(arena @hidden) reads(arena @hidden, parameter @norm) {dtype = "bfloat16", eps = 1.0e-6, n = 8} waits [] stream compute
      // CHECK: npu.launch "some_kernel" writes(parameter @cache, output @logits) reads(constant @inv_freq, input @positions, parameter @up_proj) {} waits [0] stream vector
      npu.launch "some_kernel" writes(parameter @cache, output @logits) reads(constant @inv_freq, input @positions, parameter @up_proj) {} waits [0] stream vector
    }
    // CHECK: npu.body @ahead(weight @norm, weight @next.norm) {
    npu.body @ahead(weight @norm, weight @next.norm) {
      // CHECK: npu.prefetch @norm share 0.7 from 96 waits [] stream prefetch
      npu.prefetch @norm share 0.7 from 96 waits [] stream prefetch
      // CHECK: npu.prefetch @next.norm share 1.0
      npu.prefetch @next.norm share 1.0
      // CHECK: npu.launch "rms_norm" {{.*}} waits [0] stream cube
      npu.launch "rms_norm" writes(arena @hidden) reads(arena @hidden, parameter @norm) {} waits [0] stream cube
      // CHECK: npu.record 0 stream cube
      npu.record 0 stream cube
      // CHECK: npu.wait 0 stream communication
      npu.wait 0 stream communication
    }
    // CHECK: npu.body @empty() {
    npu.body @empty() {
    }
    // CHECK: npu.entry @decode(positions: tensor<?xi32, #tokens>) -> (logits: tensor<?x8xf32, #tokens>) {
    npu.entry @decode(positions: tensor<?xi32, #tokens>) -> (logits: tensor<?x8xf32, #tokens>) {
      // CHECK: npu.call @empty ()
      npu.call @empty ()
      // CHECK: npu.call @ahead (weight @norm, nothing)
      npu.call @ahead (weight @norm, nothing)
      // CHECK: npu.call @layer layer 1 (weight @norm, weight @layers.0.up_proj, kv_cache 1)
      npu.call @layer layer 1 (weight @norm, weight @layers.0.up_proj, kv_cache 1)
    }
  }
}
