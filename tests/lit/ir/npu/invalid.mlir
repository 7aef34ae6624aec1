// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What the device program refuses.
module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  // expected-error@+1 {{has an arena of -1 bytes; legal are 0 to 70368744177664}}
  npu.program arena -1 {
  }
}

// -----

module {
  // expected-error@+1 {{needs the module attribute llm.limits}}
  npu.program {
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{is not allowed in npu.program; legal are kv_cache, constant, weight, buffer, body and entry of npu}}
    builtin.module {}
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    // expected-error@+1 {{is the second; all layers share one geometry}}
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{is for 0 layers; legal are 1 to 4096}}
    npu.kv_cache layers 0 : !llm.kv_cache<2x16xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@c is 'tensor<2xf64>'; legal are dense tensors of f32 and i32}}
    npu.constant @c dense<1.0> : tensor<2xf64>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w is 'tensor<8xi64>'; legal are static tensors of f32, bf16, f16, i8 and i32}}
    npu.weight @w from "w" packing rows : tensor<8xi64>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w has the source "l.{layer}.w"; legal is the name of a checkpoint tensor, with {} if and only if it is a stack}}
    npu.weight @w from "l.{layer}.w" packing rows : tensor<8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w has the source "w"; legal is the name of a checkpoint tensor, with {} if and only if it is a stack}}
    npu.weight @w from "w" stack 2 packing rows : tensor<2x8x8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{is of shape [2, 8, 8]; legal are [n], [n, k], and [stack, n, k] for a stack}}
    npu.weight @w from "w" packing rows : tensor<2x8x8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{stacks 3 tensors, but its first dimension is 2}}
    npu.weight @w from "w.{}" stack 3 packing rows : tensor<2x8x8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w is a vector; only matrices of floats and i8 are packed in panels}}
    npu.weight @w from "w" packing panel32 : tensor<8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w is a table of i32; only matrices of floats and i8 are packed in panels}}
    npu.weight @w from "w" packing panel32 : tensor<8x8xi32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@w is a matrix of another type; only matrices of bf16 are packed as panel12}}
    npu.weight @w from "w" packing panel12 : tensor<8x8xf16>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@b is 'tensor<?x8xf32>'; legal are tensors of f32, bf16, f16, i8 and i32 with named dynamic dimensions}}
    npu.buffer @b : tensor<?x8xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@b is at 32; offsets are multiples of 64 from 0 to 70368744177664}}
    npu.buffer @b at 32 : tensor<?x8xf32, #llm.dims<["tokens"]>>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program arena 512 {
    // expected-error@+1 {{@b has no offset, but the program has an arena}}
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program arena 256 {
    // expected-error@+1 {{@b ends at byte 2112, past the arena's 256}}
    npu.buffer @b at 64 : tensor<?x8xf32, #llm.dims<["tokens"]>>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@b of type 'tensor<?x1048576x1048576xf32, #llm.dims<["tokens"]>>' has more than 70368744177664 bytes at the limits}}
    npu.buffer @b : tensor<?x1048576x1048576xf32, #llm.dims<["tokens"]>>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@f has two parameters named 'w'}}
    npu.body @f(weight @w, kv_cache @w) {}
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.body @f() {
    // expected-error@+1 {{is not allowed in npu.body; legal are npu.launch}}
    builtin.module {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{is command 0 and waits for 0; legal are earlier commands, 0 to -1}}
    npu.launch "k" writes(arena @b) reads() {} waits [0]
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names no kernel}}
    npu.launch "" writes(arena @b) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{writes nothing}}
    npu.launch "k" writes() reads(arena @b) {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{has 17 operands; at most 16 are legal}}
    npu.launch "k" writes(arena @b) reads(arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b, arena @b) {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+2 {{expected ::vinci::npu::Stream to be one of: compute, cube, vector, communication, prefetch}}
    // expected-error@+2 {{failed to parse Npu_StreamAttr parameter 'value'}}
    npu.launch "k" writes(arena @b) reads() {} stream scalar
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{has the constant n = 8 : i32; legal are i64, f64 and strings}}
    npu.launch "k" writes(arena @b) reads() {n = 8 : i32}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names arena @x; the program has no such buffer}}
    npu.launch "k" writes(arena @x) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names constant @x; the program has no such constant}}
    npu.launch "k" writes(arena @b) reads(constant @x) {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names parameter @w; the body has no such parameter}}
    npu.launch "k" writes(arena @b) reads(parameter @w) {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names input @tokens; a step has no such input}}
    npu.launch "k" writes(arena @b) reads(input @tokens) {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{names output @tokens; the output of a step is @logits}}
    npu.launch "k" writes(output @tokens) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f(weight @w) {
    // expected-error@+1 {{writes the weight @w; weights are read-only}}
    npu.launch "k" writes(parameter @w) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{writes constant @c, which is read-only}}
    npu.launch "k" writes(constant @c) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{writes input @positions, which is read-only}}
    npu.launch "k" writes(input @positions) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.buffer @b : tensor<?x8xf32, #llm.dims<["tokens"]>>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.constant @c dense<1.0> : tensor<2xf32>
    npu.body @f() {
    // expected-error@+1 {{unknown kind 'heap'}}
    npu.launch "k" writes(heap @b) reads() {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@decode has a step tensor of type 'tensor<8xf64>'; legal are tensors of f32, bf16, f16, i8 and i32 with named dynamic dimensions}}
    npu.entry @decode(x: tensor<8xf64>) -> () {}
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{@decode has 1 inputs and 0 outputs, but names 0 and 0}}
    "npu.entry"() <{arg_names = [], function_type = (tensor<8xf32>) -> (), res_names = [], sym_name = "decode"}> ({
    ^bb0:
    }) : () -> ()
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.entry @decode() -> () {
    // expected-error@+1 {{is not allowed in npu.entry; legal are npu.call}}
    builtin.module {}
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{is for layer -1; legal are 0 to 4095}}
    npu.call @f layer -1 (weight @w)
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{calls @g, and the program has no npu.body of this name}}
    npu.call @g ()
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{binds 0 parameters, but body @f has 1}}
    npu.call @f ()
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{binds a kv_cache to parameter 'w', which is a weight}}
    npu.call @f (kv_cache 0)
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{binds weight @x, which the program does not have}}
    npu.call @f (weight @x)
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.kv_cache layers 1 : !llm.kv_cache<2x16xf32>
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(kv_cache @c) {}
    npu.entry @decode() -> () {
    // expected-error@+1 {{binds the KV cache of layer 1; the program has 1 layers of cache}}
    npu.call @f (kv_cache 1)
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    // expected-error@+1 {{has the equal tensor "l.{layer}.b"; legal is the name of another tensor, of a layer if "a" is}}
    npu.weight @w from "a" equal ["l.{layer}.b"] packing rows : tensor<1xf32>
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {
    // expected-error@+1 {{of @w has the share 1.500000e+00 : f64; legal are shares above 0 and up to 1}}
    npu.prefetch @w share 1.5
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {
    // expected-error@+1 {{is for steps from -1 tokens; legal are 0 to 2147483647}}
    npu.prefetch @w share 1.0 from -1
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {
    // expected-error@+1 {{names parameter @v; the body has no such parameter}}
    npu.prefetch @v share 1.0
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(kv_cache @c) {
    // expected-error@+1 {{names parameter @c, which is a kv_cache; weights alone are fetched ahead}}
    npu.prefetch @c share 1.0
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f() {
    // expected-error@+1 {{is of event 1; events are numbered in the order in which they are recorded, the next is 0}}
    npu.record 1 stream cube
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f() {
    // expected-error@+1 {{is for event 0, which is not recorded before it}}
    npu.wait 0 stream cube
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f() {
    npu.record 0 stream cube
    // expected-error@+1 {{lets the stream cube wait for event 0 of its own; commands of a stream follow each other anyway}}
    npu.wait 0 stream cube
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    // expected-error@+1 {{@f has a parameter 'p' that stands for nothing; legal are weight and kv_cache}}
    npu.body @f(nothing @p) {
    }
  }
}

// -----

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16>} {
  npu.program {
    npu.weight @w from "w" packing rows : tensor<8xf32>
    npu.body @f(weight @w) {
    npu.launch "k" writes(output @logits) reads(parameter @w) {}
    }
    npu.entry @decode() -> () {
    // expected-error@+1 {{binds nothing to parameter 'w', which launches of the body name}}
    npu.call @f (nothing)
    }
  }
}
