// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-prefetches))' 2>/dev/null | FileCheck %s
// The call before ends with a product, so the layer fetches for itself; without shares nothing is fetched.

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>, llm.prefetch = {qkv = 1.0}} {
  npu.program {
    npu.weight @w from "w" packing panel32 : tensor<8x8xf32>
    npu.buffer @a : tensor<8xf32>
    npu.buffer @b : tensor<8xf32>
    // CHECK-LABEL: npu.body @layer(weight @q_proj, weight @o_proj) {
    npu.body @layer(weight @q_proj, weight @o_proj) {
      // CHECK-NEXT: npu.prefetch @q_proj share 1.0
      // CHECK-NEXT: "rms_norm"
      npu.launch "rms_norm" writes(arena @b) reads(arena @a) {}
      npu.launch "matmul" writes(arena @a) reads(arena @b, parameter @q_proj) {}
      npu.launch "quantize" writes(arena @b) reads(arena @a) {}
      // CHECK-NOT: npu.prefetch
      npu.launch "matmul" writes(arena @a) reads(arena @b, parameter @o_proj) {}
    }
    npu.entry @decode() -> () {
      // CHECK: npu.call @layer layer 0 (weight @w, weight @w)
      npu.call @layer layer 0 (weight @w, weight @w)
      npu.call @layer layer 1 (weight @w, weight @w)
    }
  }
}
