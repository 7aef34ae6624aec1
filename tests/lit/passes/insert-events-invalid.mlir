// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-events))' --verify-diagnostics

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.body @f() {
      // expected-error@+1 {{has no waits or no stream; run schedule-commands before insert-events}}
      npu.launch "matmul" writes(output @logits) reads() {}
    }
  }
}
