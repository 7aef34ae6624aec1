// RUN: vinci-opt %s | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --mlir-print-op-generic | vinci-opt | FileCheck %s
// Which shares of weights are fetched ahead, and how many rows of logits a step may have.

// CHECK: llm.limits = #llm.limits<{{.*}}, max_logit_rows = 4>
// CHECK-SAME: llm.prefetch = {gate_up = 7.500000e-01 : f64, qkv = 1.000000e+00 : f64}
module attributes {llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 3, kv_blocks = 1, block_size = 16, max_logit_rows = 4>,
                   llm.prefetch = {gate_up = 0.75, qkv = 1.0}} {}
