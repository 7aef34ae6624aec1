// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(assign-streams))' --verify-diagnostics | FileCheck %s

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>, llm.mesh = #llm.mesh<axes = [2]>} {
  // expected-remark@+1 {{gave 4 commands another stream}}
  npu.program {
    npu.buffer @a : tensor<8xf32>
    npu.buffer @b : tensor<8xf32>
    npu.body @f(weight @w) {
      // CHECK: npu.prefetch @w share 1.0 waits [] stream prefetch
      npu.prefetch @w share 1.0 waits [] stream prefetch
      // CHECK: "matmul" {{.*}} waits [] stream cube
      npu.launch "matmul" writes(arena @a) reads(arena @b, parameter @w) {} waits [] stream compute
      // CHECK: "attention" {{.*}} waits [1] stream cube
      npu.launch "attention" writes(arena @b) reads(arena @a) {} waits [1] stream compute
      // CHECK: "all_reduce" {{.*}} waits [2] stream communication
      npu.launch "all_reduce" writes(arena @b) reads(arena @b) {} over [0] waits [2] stream compute
      // CHECK: "add" {{.*}} waits [3] stream vector
      npu.launch "add" writes(arena @a) reads(arena @a, arena @b) {} waits [3] stream compute
    }
  }
}
