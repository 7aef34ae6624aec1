// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-events))' 2>&1 | FileCheck %s
// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-events, insert-events))' 2>&1 | FileCheck %s
// Only where a command waits for another stream, and nothing said before does so. Events that are there are found anew.

// CHECK: remark: let streams wait for 3 events
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @a : tensor<8xf32>
    npu.buffer @b : tensor<8xf32>
    npu.buffer @c : tensor<8xf32>
    npu.buffer @d : tensor<8xf32>
    // CHECK-LABEL: npu.body @one_stream()
    npu.body @one_stream() {
      // CHECK-NEXT: "first"
      npu.launch "first" writes(arena @a) reads() {} waits [] stream compute
      // CHECK-NEXT: "second"
      npu.launch "second" writes(arena @b) reads(arena @a) {} waits [0] stream compute
      // CHECK-NEXT: {{^ *}$}}
    }
    // CHECK-LABEL: npu.body @several()
    npu.body @several() {
      // CHECK-NEXT: "q" {{.*}} stream cube
      // CHECK-NEXT: npu.record 0 stream cube
      npu.launch "q" writes(arena @a) reads() {} waits [] stream cube
      // CHECK-NEXT: npu.wait 0 stream vector
      // CHECK-NEXT: "norm_q" {{.*}} waits [0] stream vector
      npu.launch "norm_q" writes(arena @a) reads(arena @a) {} waits [0] stream vector
      // CHECK-NEXT: "k" {{.*}} stream cube
      // CHECK-NEXT: npu.record 1 stream cube
      npu.launch "k" writes(arena @b) reads() {} waits [] stream cube
      // CHECK-NEXT: npu.wait 1 stream vector
      // CHECK-NEXT: "norm_k" {{.*}} waits [2] stream vector
      // CHECK-NEXT: npu.record 2 stream vector
      npu.launch "norm_k" writes(arena @b) reads(arena @b) {} waits [2] stream vector
      // The last event of the stream stands for all before it.
      // CHECK-NEXT: npu.wait 2 stream cube
      // CHECK-NEXT: "attention" {{.*}} waits [1, 3] stream cube
      npu.launch "attention" writes(arena @c) reads(arena @a, arena @b) {} waits [1, 3] stream cube
      // CHECK-NEXT: "o" {{.*}} waits [4] stream cube
      npu.launch "o" writes(arena @d) reads(arena @c) {} waits [4] stream cube
      // CHECK-NEXT: {{^ *}$}}
    }
  }
}
