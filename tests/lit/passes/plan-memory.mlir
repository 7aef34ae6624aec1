// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(plan-memory))' --split-input-file | FileCheck %s
// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(plan-memory{reuse=false}))' --split-input-file | FileCheck %s --check-prefix=NO-REUSE

// A chain: two buffers are enough, as each one is read only by the next launch.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 512 {
  // NO-REUSE: npu.program arena 768 {
  npu.program {
    // CHECK: @a at 0
    // CHECK: @b at 256
    // CHECK: @c at 0
    // NO-REUSE: @a at 0
    // NO-REUSE: @b at 256
    // NO-REUSE: @c at 512
    npu.buffer @a : tensor<?x8xf32, #tokens>
    npu.buffer @b : tensor<?x8xf32, #tokens>
    npu.buffer @c : tensor<?x8xf32, #tokens>
    npu.body @chain() {
      npu.launch "k" writes(arena @a) reads() {} waits []
      npu.launch "k" writes(arena @b) reads(arena @a) {} waits [0]
      npu.launch "k" writes(arena @c) reads(arena @b) {} waits [1]
      npu.launch "k" writes(output @logits) reads(arena @c) {} waits [2]
    }
  }
}

// -----

// The same chain, but the third launch does not wait for the second: it may run while @a is still being read, so @c may
// not take its place although @a is never used later in the list.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 768 {
  npu.program {
    // CHECK: @a at 0
    // CHECK: @b at 256
    // CHECK: @c at 512
    npu.buffer @a : tensor<?x8xf32, #tokens>
    npu.buffer @b : tensor<?x8xf32, #tokens>
    npu.buffer @c : tensor<?x8xf32, #tokens>
    npu.body @independent() {
      npu.launch "k" writes(arena @a) reads() {} waits []
      npu.launch "k" writes(arena @b) reads(arena @a) {} waits [0]
      npu.launch "k" writes(arena @c) reads() {} waits []
      npu.launch "k" writes(output @logits) reads(arena @b, arena @c) {} waits [1, 2]
    }
  }
}

// -----

// In place: @b takes @a's place, as only the add reads @a; @d may not, as @b is read again; matmul never runs in place.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 768 {
  npu.program {
    // CHECK: @a at 0
    // CHECK: @b at 0
    // CHECK: @d at 256
    // CHECK: @e at 512
    npu.buffer @a : tensor<?x8xf32, #tokens>
    npu.buffer @b : tensor<?x8xf32, #tokens>
    npu.buffer @d : tensor<?x8xf32, #tokens>
    npu.buffer @e : tensor<?x8xf32, #tokens>
    npu.body @in_place() {
      npu.launch "k" writes(arena @a) reads() {} waits []
      npu.launch "add" writes(arena @b) reads(arena @a, arena @a) {} waits [0]
      npu.launch "silu" writes(arena @d) reads(arena @b) {} waits [1]
      npu.launch "matmul" writes(arena @e) reads(arena @d) {} waits [2]
      npu.launch "mul" writes(output @logits) reads(arena @b, arena @e) {} waits [3]
    }
  }
}

// -----

// The second operand of mul may be overwritten, the second one of rope (the table) may not.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 768 {
  npu.program {
    // CHECK: @a at 0
    // CHECK: @b at 256
    // CHECK: @product at 256
    // CHECK: @rotated at 512
    npu.buffer @a : tensor<?x8xf32, #tokens>
    npu.buffer @b : tensor<?x8xf32, #tokens>
    npu.buffer @product : tensor<?x8xf32, #tokens>
    npu.buffer @rotated : tensor<?x8xf32, #tokens>
    npu.body @operands() {
      npu.launch "k" writes(arena @a) reads() {} waits []
      npu.launch "k" writes(arena @b) reads() {} waits [0]
      npu.launch "mul" writes(arena @product) reads(arena @a, arena @b) {} waits [1]
      npu.launch "rope" writes(arena @rotated) reads(arena @a, arena @product) {} waits [2]
      npu.launch "k" writes(output @logits) reads(arena @a, arena @rotated) {} waits [3]
    }
  }
}

// -----

// @residual goes from body to body and @state is read before it is written: both keep a place of their own, below the
// others. The buffers of the two bodies share. Sizes are rounded up to 64 bytes, and the largest is placed first.
#tokens = #llm.dims<["tokens"]>
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 1024 {
  npu.program {
    // CHECK: @small at 640
    // CHECK: @residual at 0
    // CHECK: @large at 128
    // CHECK: @state at 64
    // CHECK: @other at 128
    npu.buffer @small : tensor<?x3xbf16, #tokens>
    npu.buffer @residual : tensor<?x2xf32, #tokens>
    npu.buffer @large : tensor<?x16xf32, #tokens>
    npu.buffer @state : tensor<?x1xf32, #tokens>
    npu.buffer @other : tensor<?x28xf32, #tokens>
    npu.body @first() {
      npu.launch "k" writes(arena @residual) reads(arena @state) {} waits []
      npu.launch "k" writes(arena @small, arena @large) reads(arena @residual) {} waits [0]
      npu.launch "k" writes(arena @state) reads(arena @small, arena @large) {} waits [1]
    }
    npu.body @second() {
      npu.launch "k" writes(arena @other) reads(arena @residual) {} waits []
      npu.launch "k" writes(output @logits) reads(arena @other) {} waits [0]
    }
  }
}

// -----

// Best fit: when @d is placed, the gaps are 512 bytes (left by @a) and 256 (left by @c); it takes the smaller one.
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // CHECK: npu.program arena 1536 {
  npu.program {
    // CHECK: @a at 0
    // CHECK: @b at 512
    // CHECK: @c at 1024
    // CHECK: @keep at 1280
    // CHECK: @d at 1024
    npu.buffer @a : tensor<128xf32>
    npu.buffer @b : tensor<128xf32>
    npu.buffer @c : tensor<64xf32>
    npu.buffer @keep : tensor<64xf32>
    npu.buffer @d : tensor<64xf32>
    npu.body @gaps() {
      npu.launch "k" writes(arena @b) reads() {} waits []
      npu.launch "k" writes(arena @a) reads(arena @b) {} waits [0]
      npu.launch "k" writes(arena @keep, arena @c) reads(arena @a, arena @b) {} waits [1]
      npu.launch "k" writes(arena @d) reads(arena @keep, arena @b) {} waits [2]
      npu.launch "k" writes(output @logits) reads(arena @d, arena @keep, arena @b) {} waits [3]
    }
  }
}
