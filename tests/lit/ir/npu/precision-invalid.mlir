// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// llm.precision with keep_origin holds lowered programs too: no pass may change what a kernel computes in.

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rms_norm has compute 'f32', but llm.precision keeps layernorm = 'bf16'}}
      npu.launch "rms_norm" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rms_norm has dtype 'f16', but llm.precision keeps compute = 'bf16'}}
      npu.launch "rms_norm" writes(arena @x) reads(arena @x) {compute = "bfloat16", dtype = "float16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rope_table has dtype 'bf16', but llm.precision keeps rotary = 'f32'}}
      npu.launch "rope_table" writes(arena @x) reads(arena @x) {dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rope has compute 'bf16', but llm.precision keeps rotary = 'f32'}}
      npu.launch "rope" writes(arena @x) reads(arena @x) {compute = "bfloat16", dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of attention has softmax 'bf16', but llm.precision keeps softmax = 'f32'}}
      npu.launch "attention" writes(arena @x) reads(arena @x) {dtype = "bfloat16", softmax = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of matmul has dtype 'f32', but llm.precision keeps compute = 'bf16'}}
      npu.launch "matmul" writes(arena @x) reads(arena @x) {dtype = "float32", out_dtype = "float32"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of grouped_matmul has dtype 'f32', but llm.precision keeps compute = 'bf16'}}
      npu.launch "grouped_matmul" writes(arena @x) reads(arena @x) {dtype = "float32"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of add_rms_norm has compute 'f32', but llm.precision keeps layernorm = 'bf16'}}
      npu.launch "add_rms_norm" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of split_qkv has compute 'f32', but llm.precision keeps layernorm = 'bf16'}}
      npu.launch "split_qkv" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16", norm = 1, rope = 0}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of append_qkv has compute 'f32', but llm.precision keeps layernorm = 'bf16'}}
      npu.launch "append_qkv" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16", norm = 1, rope = 0}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rope_qk has compute 'bf16', but llm.precision keeps rotary = 'f32'}}
      npu.launch "rope_qk" writes(arena @x) reads(arena @x) {compute = "bfloat16", dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of split_qkv has rotary 'bf16', but llm.precision keeps rotary = 'f32'}}
      npu.launch "split_qkv" writes(arena @x) reads(arena @x) {rotary = "bfloat16", dtype = "bfloat16", norm = 0, rope = 1}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of append_qkv has rotary 'bf16', but llm.precision keeps rotary = 'f32'}}
      npu.launch "append_qkv" writes(arena @x) reads(arena @x) {rotary = "bfloat16", dtype = "bfloat16", norm = 0, rope = 1}
    }
  }
}

// -----

// What the policy says, and kernels that it says nothing of.
module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      npu.launch "rms_norm" writes(arena @x) reads(arena @x) {compute = "bfloat16", dtype = "bfloat16"}
      npu.launch "matmul" writes(arena @x) reads(arena @x) {dtype = "bfloat16", out_dtype = "float32"}
      npu.launch "moe_route" writes(arena @x) reads(arena @x) {dtype = "float32"}
      npu.launch "split_qkv" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16", norm = 0, rope = 0, rotary = "float32"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rms_norm_quant has compute 'f32', but llm.precision keeps layernorm = 'bf16'}}
      npu.launch "rms_norm_quant" writes(arena @x) reads(arena @x) {compute = "float32", dtype = "bfloat16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of rms_norm_quant has dtype 'f16', but llm.precision keeps compute = 'bf16'}}
      npu.launch "rms_norm_quant" writes(arena @x) reads(arena @x) {compute = "bfloat16", dtype = "float16"}
    }
  }
}

// -----

module attributes {
  llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>,
  llm.precision = #llm.precision<compute = bf16, layernorm = bf16, softmax = f32, rotary = f32, parameters = bf16, keep_origin = true>} {
  npu.program {
    npu.buffer @x : tensor<8xbf16>
    npu.body @f() {
      // expected-error@+1 {{'npu.launch' op of grouped_matmul_swiglu has dtype 'f32', but llm.precision keeps compute = 'bf16'}}
      npu.launch "grouped_matmul_swiglu" writes(arena @x) reads(arena @x) {dtype = "float32"}
    }
  }
}
