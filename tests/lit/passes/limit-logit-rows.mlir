// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(limit-logit-rows))' 2>&1 | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#token_shares = #llm.dims<["token_shares"]>
// CHECK: remark: counts the rows of 4 launches as rows of logits
module attributes {llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 64, max_batch = 2, kv_blocks = 4, block_size = 16, max_logit_rows = 4>,
                   llm.mesh = #llm.mesh<axes = [2]>} {
  npu.program {
    // CHECK: npu.buffer @hidden : tensor<?x8xf32, #tokens>
    npu.buffer @hidden : tensor<?x8xf32, #tokens>
    // CHECK: npu.buffer @share : tensor<?x8xf32, #token_shares>
    npu.buffer @share : tensor<?x8xf32, #token_shares>
    // CHECK: npu.buffer @whole : tensor<?x8xf32, #tokens>
    npu.buffer @whole : tensor<?x8xf32, #tokens>
    // CHECK: npu.buffer @norm : tensor<?x8xf32, #logit_rows>
    npu.buffer @norm : tensor<?x8xf32, #tokens>
    // CHECK: npu.buffer @quantised : tensor<?x8xi8, #logit_rows>
    npu.buffer @quantised : tensor<?x8xi8, #tokens>
    // CHECK: npu.buffer @quantised.scale : tensor<?xf32, #logit_rows>
    npu.buffer @quantised.scale : tensor<?xf32, #tokens>
    // CHECK-LABEL: npu.body @layer
    npu.body @layer() {
      // CHECK: "rms_norm" {{.*}} {rows = "tokens"}
      npu.launch "rms_norm" writes(arena @hidden) reads(arena @hidden) {rows = "tokens"}
    }
    // CHECK-LABEL: npu.body @epilogue
    npu.body @epilogue(weight @lm_head) {
      // The shares of the tokens come to all of them.
      // CHECK: "all_gather" {{.*}} {count = 8, rows = "token_shares", whole = "tokens"}
      npu.launch "all_gather" writes(arena @whole) reads(arena @share) {count = 8, rows = "token_shares", whole = "tokens"} over [0]
      // CHECK: "rms_norm" {{.*}} {rows = "logit_rows"}
      npu.launch "rms_norm" writes(arena @norm) reads(arena @whole) {rows = "tokens"}
      // CHECK: "matmul" {{.*}} {rows = "logit_rows"}
      npu.launch "matmul" writes(output @logits) reads(arena @norm, parameter @lm_head) {rows = "tokens"}
    }
    // A head in int8: its activations and their scales, too.
    // CHECK-LABEL: npu.body @quantised_epilogue
    npu.body @quantised_epilogue(weight @lm_head, weight @lm_head.weight_scale) {
      // CHECK: "dynamic_quantize" {{.*}} {rows = "logit_rows"}
      npu.launch "dynamic_quantize" writes(arena @quantised, arena @quantised.scale) reads(arena @hidden) {rows = "tokens"}
      // CHECK: "dynamic_quant_matmul" {{.*}} {rows = "logit_rows"}
      npu.launch "dynamic_quant_matmul" writes(output @logits) reads(arena @quantised, arena @quantised.scale, parameter @lm_head, parameter @lm_head.weight_scale) {rows = "tokens"}
    }
    // CHECK: npu.entry @decode(token_ids: tensor<?xi32, #tokens>) -> (logits: tensor<?x16xf32, #logit_rows>)
    npu.entry @decode(token_ids: tensor<?xi32, #tokens>) -> (logits: tensor<?x16xf32, #tokens>) {
    }
  }
}
