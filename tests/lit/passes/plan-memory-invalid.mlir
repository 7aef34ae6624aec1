// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(plan-memory))' --split-input-file --verify-diagnostics

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.body @f() {
      // expected-error@+1 {{has no waits; run schedule-commands before plan-memory}}
      npu.launch "k" writes(output @logits) reads() {}
    }
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 1024, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // expected-error@+1 {{the program needs an arena of more than 70368744177664 bytes at the limits; lower max_tokens_per_step}}
  npu.program {
    npu.buffer @a : tensor<?x16777216x512xf32, #tokens>
    npu.buffer @b : tensor<?x16777216x512xf32, #tokens>
    npu.buffer @c : tensor<?x16777216x512xf32, #tokens>
    npu.body @f() {
      npu.launch "k" writes(arena @a, arena @b, arena @c) reads() {} waits []
    }
  }
}
