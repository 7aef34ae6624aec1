// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-prefetches))' 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARKS --input-file=%t.remarks
// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(insert-prefetches, schedule-commands))' 2>/dev/null | FileCheck %s --check-prefix=SCHEDULED

module attributes {llm.limits = #llm.limits<max_seq_len = 20, max_tokens_per_step = 8, max_batch = 2, kv_blocks = 4, block_size = 16>,
                   llm.prefetch = {gate_up = 0.7, o = 1.0, qkv = 0.5}} {
  npu.program {
    npu.weight @w from "w" packing panel32 : tensor<8x8xf32>
    npu.weight @layers.0.qkv_proj from "a" packing panel32 : tensor<8x8xf32>
    npu.weight @layers.1.qkv_proj from "b" packing panel32 : tensor<8x8xf32>
    npu.weight @layers.0.o_proj from "c" packing panel32 : tensor<8x8xf32>
    npu.weight @layers.1.o_proj from "d" packing panel32 : tensor<8x8xf32>
    npu.buffer @a : tensor<8xf32>
    npu.buffer @b : tensor<8xf32>
    npu.buffer @c : tensor<8xf32>
    npu.buffer @d : tensor<8xf32>

    // The first layer's projection is fetched while the prologue runs, which begins with what leaves the memory alone.
    // CHECK-LABEL: npu.body @prologue(weight @next.qkv_proj)
    npu.body @prologue() {
      // CHECK-NEXT: npu.prefetch @next.qkv_proj share 0.5
      // CHECK-NEXT: "embedding"
      npu.launch "embedding" writes(arena @a) reads(input @token_ids) {}
    }

    // That of the next layer while this one ends, from its last product on; o beside what follows attention.
    // CHECK-LABEL: npu.body @layer(weight @qkv_proj, weight @o_proj, weight @next.qkv_proj)
    // SCHEDULED-LABEL: npu.body @layer
    npu.body @layer(weight @qkv_proj, weight @o_proj) {
      // CHECK-NEXT: "rms_norm"
      npu.launch "rms_norm" writes(arena @b) reads(arena @a) {}
      // CHECK-NEXT: "matmul"
      npu.launch "matmul" writes(arena @c) reads(arena @b, parameter @qkv_proj) {}
      // CHECK-NEXT: "attention"
      // SCHEDULED: "attention" {{.*}} waits [1] stream compute
      npu.launch "attention" writes(arena @b) reads(arena @c) {}
      // CHECK-NEXT: npu.prefetch @o_proj share 1.0
      // CHECK-NEXT: "quantize"
      // It may begin when what it runs beside may; nobody waits for it.
      // SCHEDULED-NEXT: npu.prefetch @o_proj share 1.0 waits [2] stream prefetch
      // SCHEDULED-NEXT: "quantize" {{.*}} waits [2] stream compute
      npu.launch "quantize" writes(arena @d) reads(arena @b) {}
      // CHECK-NEXT: "matmul"
      // SCHEDULED-NEXT: "matmul" {{.*}} waits [4] stream compute
      npu.launch "matmul" writes(arena @c) reads(arena @d, parameter @o_proj) {}
      // CHECK-NEXT: npu.prefetch @next.qkv_proj share 0.5
      // CHECK-NEXT: "add"
      npu.launch "add" writes(arena @b) reads(arena @a, arena @c) {}
      // CHECK-NEXT: "silu"
      npu.launch "silu" writes(arena @a) reads(arena @b) {}
      // CHECK-NEXT: {{^ *}$}}
    }

    // Experts are for larger steps. The second product has nothing before it but the first.
    // CHECK-LABEL: npu.body @experts(weight @gate_proj, weight @up_proj)
    npu.body @experts(weight @gate_proj, weight @up_proj) {
      // CHECK-NEXT: "matmul"
      npu.launch "matmul" writes(arena @b) reads(arena @a, parameter @gate_proj) {}
      // CHECK-NEXT: npu.prefetch @gate_proj share 0.7 from 96
      // CHECK-NEXT: "moe_sort"
      npu.launch "moe_sort" writes(arena @c) reads(arena @b) {}
      // CHECK-NEXT: "grouped_matmul"
      npu.launch "grouped_matmul" writes(arena @d) reads(arena @c, parameter @gate_proj) {}
      // CHECK-NEXT: "grouped_matmul"
      npu.launch "grouped_matmul" writes(arena @b) reads(arena @c, parameter @up_proj) {}
      // CHECK-NEXT: {{^ *}$}}
    }
    npu.body @epilogue(weight @w) {
      npu.launch "matmul" writes(output @logits) reads(arena @a, parameter @w) {}
    }

    npu.entry @decode() -> () {
      // CHECK: npu.call @prologue (weight @layers.0.qkv_proj)
      npu.call @prologue ()
      // CHECK-NEXT: npu.call @layer layer 0 (weight @layers.0.qkv_proj, weight @layers.0.o_proj, weight @layers.1.qkv_proj)
      npu.call @layer layer 0 (weight @layers.0.qkv_proj, weight @layers.0.o_proj)
      // CHECK-NEXT: npu.call @layer layer 1 (weight @layers.1.qkv_proj, weight @layers.1.o_proj, nothing)
      npu.call @layer layer 1 (weight @layers.1.qkv_proj, weight @layers.1.o_proj)
      // CHECK-NEXT: npu.call @epilogue (weight @w)
      npu.call @epilogue (weight @w)
    }
    // REMARKS: remark: up_proj is not fetched ahead: what comes before it keeps the memory busy
    // REMARKS: remark: fetches 3 weights of bodies ahead
  }
}
