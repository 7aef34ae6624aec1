// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(schedule-commands))' --verify-diagnostics

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // expected-error@+1 {{cannot schedule a program whose memory is planned: the waits would miss the buffers that share memory; run schedule-commands before plan-memory}}
  npu.program arena 0 {
  }
}
