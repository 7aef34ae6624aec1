// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(schedule-commands))' | FileCheck %s

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @a : tensor<8xf32>
    npu.buffer @b : tensor<8xf32>
    npu.buffer @c : tensor<8xf32>
    npu.buffer @d : tensor<8xf32>

    // CHECK-LABEL: npu.body @read_after_write()
    npu.body @read_after_write() {
      // CHECK: "first" {{.*}} waits [] stream compute
      npu.launch "first" writes(arena @a) reads(input @token_ids) {}
      // CHECK: "second" {{.*}} waits [0] stream compute
      npu.launch "second" writes(arena @b) reads(arena @a) {}
      // Independent of the second.
      // CHECK: "third" {{.*}} waits [0] stream compute
      npu.launch "third" writes(arena @c) reads(arena @a) {}
      // The first is implied by either.
      // CHECK: "fourth" {{.*}} waits [1, 2] stream compute
      npu.launch "fourth" writes(output @logits) reads(arena @a, arena @b, arena @c) {}
    }

    // CHECK-LABEL: npu.body @write_after_read()
    npu.body @write_after_read() {
      // CHECK: "first" {{.*}} waits []
      npu.launch "first" writes(arena @b) reads(arena @a) {}
      // CHECK: "second" {{.*}} waits []
      npu.launch "second" writes(arena @c) reads(arena @a) {}
      // CHECK: "overwrite" {{.*}} waits [0, 1]
      npu.launch "overwrite" writes(arena @a) reads() {}
      // CHECK: "in_place" {{.*}} waits [2]
      npu.launch "in_place" writes(arena @a) reads(arena @a) {}
    }

    // CHECK-LABEL: npu.body @write_after_write()
    npu.body @write_after_write() {
      // CHECK: "first" {{.*}} waits []
      npu.launch "first" writes(arena @a, output @logits) reads() {}
      // CHECK: "again" {{.*}} waits [0]
      npu.launch "again" writes(arena @b, output @logits) reads() {}
      // CHECK: "other" {{.*}} waits []
      npu.launch "other" writes(arena @c) reads() {}
    }

    // The cache is memory like any other: attention waits for kv_append, and the next append for attention.
    // CHECK-LABEL: npu.body @cache
    npu.body @cache(kv_cache @cache) {
      // CHECK: "kv_append" {{.*}} waits []
      npu.launch "kv_append" writes(parameter @cache) reads(arena @a) {}
      // CHECK: "attention" {{.*}} waits [0]
      npu.launch "attention" writes(arena @b) reads(arena @d, parameter @cache) {}
      // CHECK: "kv_append" {{.*}} waits [1]
      npu.launch "kv_append" writes(parameter @cache) reads(arena @a) {}
    }
  }
}
