// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(report-program))' --verify-diagnostics --split-input-file

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // expected-remark@+1 {{4 launches in 2 bodies, 2 waits, critical path 3; 1 weights; 2 buffers of 160 bytes in an arena of 192}}
  npu.program arena 192 {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.buffer @a at 0 : tensor<8xf32>
    npu.buffer @b at 64 : tensor<?x4xf32, #llm.dims<["tokens"]>>
    npu.body @f() {
      npu.launch "k" writes(arena @a) reads() {} waits []
      npu.launch "k" writes(arena @b) reads() {} waits []
      npu.launch "k" writes(output @logits) reads(arena @a, arena @b) {} waits [0, 1]
    }
    npu.body @g() {
      npu.launch "k" writes(output @logits) reads() {} waits []
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // expected-remark@+1 {{0 launches in 0 bodies, 0 waits, critical path 0; 0 weights; 0 buffers of 0 bytes}}
  npu.program {
  }
}
