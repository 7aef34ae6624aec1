// What ranks do together.
// RUN: vinci-opt %s | FileCheck %s
// RUN: vinci-opt %s | vinci-opt | FileCheck %s

#tokens = #llm.dims<["tokens"]>
#x4_tokens = #llm.dims<["tokens*4"]>
#x8_tokens = #llm.dims<["tokens*8"]>
#token_shares = #llm.dims<["token_shares"]>
// CHECK: llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 4>
// CHECK-SAME: llm.mesh = #llm.mesh<axes = [2, 4], data = [0]>
module attributes {llm.mesh = #llm.mesh<axes = [2, 4], data = [0]>,
    llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 4>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>, %ids: tensor<?xi32, #tokens>, %experts: tensor<?x2xi32, #tokens>) {
    // CHECK: llm.all_reduce %x over [0, 1] : tensor<?x8xbf16, #tokens>
    %0 = llm.all_reduce %x over [0, 1] : tensor<?x8xbf16, #tokens>
    // CHECK: llm.all_gather %x over [1] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #x4_tokens>
    %1 = llm.all_gather %x over [1] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #x4_tokens>
    // CHECK: llm.all_gather %ids over [1] : tensor<?xi32, #tokens> -> tensor<?xi32, #x4_tokens>
    %2 = llm.all_gather %ids over [1] : tensor<?xi32, #tokens> -> tensor<?xi32, #x4_tokens>
    // CHECK: llm.reduce_scatter %{{.*}} over [1] : tensor<?x8xbf16, #x4_tokens> -> tensor<?x8xbf16, #tokens>
    %3 = llm.reduce_scatter %1 over [1] : tensor<?x8xbf16, #x4_tokens> -> tensor<?x8xbf16, #tokens>
    // CHECK: llm.join_columns %{{.*}} parts 4 : tensor<?x8xbf16, #x4_tokens> -> tensor<?x30xbf16, #tokens>
    %4 = llm.join_columns %1 parts 4 : tensor<?x8xbf16, #x4_tokens> -> tensor<?x30xbf16, #tokens>
    // CHECK: llm.reduce_scatter %x over [1] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #token_shares>
    %share = llm.reduce_scatter %x over [1] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #token_shares>
    // CHECK: llm.all_gather %{{.*}} over [1] : tensor<?x8xbf16, #token_shares> -> tensor<?x8xbf16, #tokens>
    %5 = llm.all_gather %share over [1] : tensor<?x8xbf16, #token_shares> -> tensor<?x8xbf16, #tokens>
    %w = llm.weight @w from "w" [16, 32] columns 4 over [1] : tensor<16x8xbf16>
    %bias = llm.weight @bias from "b" [16] first_only over [1] : tensor<16xbf16>
    // CHECK: llm.matmul_all_reduce %x, %w bias %bias over [1] : (tensor<?x8xbf16, #tokens>, tensor<16x8xbf16>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
    %6 = llm.matmul_all_reduce %x, %w bias %bias over [1] : (tensor<?x8xbf16, #tokens>, tensor<16x8xbf16>, tensor<16xbf16>) -> tensor<?x16xbf16, #tokens>
    // CHECK: %first = llm.rank_constant @first dense<{{.*}}> : tensor<8x1xi32>
    %first = llm.rank_constant @first dense<[[0], [1], [2], [3], [4], [5], [6], [7]]> : tensor<8x1xi32>
    // CHECK: llm.moe_sort %experts num_experts 1 first %first : tensor<1xi32> : tensor<?x2xi32, #tokens>
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 1 first %first : tensor<1xi32>
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<2xi32>
    llm.return
  }
}
