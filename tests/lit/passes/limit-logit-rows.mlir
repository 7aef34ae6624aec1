// RUN: vinci-opt %s --pass-pipeline='builtin.module(npu.program(limit-logit-rows))' 2>&1 | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#token_shares = #llm.dims<["token_shares"]>
// CHECK: remark: counts the rows of 2 launches as rows of logits
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
    // CHECK: npu.entry @decode(token_ids: tensor<?xi32, #tokens>) -> (logits: tensor<?x16xf32, #logit_rows>)
    npu.entry @decode(token_ids: tensor<?xi32, #tokens>) -> (logits: tensor<?x16xf32, #tokens>) {
    }
  }
}
