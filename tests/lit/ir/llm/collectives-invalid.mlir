// RUN: vinci-opt %s --split-input-file --verify-diagnostics

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{is in a module without a mesh; collectives need one}}
  %0 = llm.all_reduce %x over [0] : tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{goes over the axes [0, 1]; legal are ascending indices of the mesh's 1 axes}}
    %0 = llm.all_reduce %x over [0, 1] : tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{result has rows = tokens*2, it must be tokens*4, the ranks of a group times the rows of input}}
    %0 = llm.all_gather %x over [0] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #x2_tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#x4_tokens = #llm.dims<["tokens*4"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b(%x: tensor<?x8xbf16, #x4_tokens>) {
    // expected-error@+1 {{input has columns = 8, but result has 9; they must be equal}}
    %0 = llm.reduce_scatter %x over [0] : tensor<?x8xbf16, #x4_tokens> -> tensor<?x9xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#token_shares = #llm.dims<["token_shares"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>, llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 2>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
    // expected-error@+1 {{is among 4 ranks, but the tokens are divided into 2 shares by token_shares of llm.limits; they must be equal}}
    %0 = llm.reduce_scatter %x over [0] : tensor<?x8xbf16, #tokens> -> tensor<?x8xbf16, #token_shares>
    llm.return
  }
}

// -----

#x4_tokens = #llm.dims<["tokens*4"]>
#token_shares = #llm.dims<["token_shares"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>, llm.limits = #llm.limits<max_seq_len = 64, max_tokens_per_step = 16, max_batch = 4, kv_blocks = 4, block_size = 16, token_shares = 4>} {
  llm.body @b(%x: tensor<?x8xbf16, #token_shares>) {
    // expected-error@+1 {{result has rows = tokens*4, it must be tokens, what the shares make}}
    %0 = llm.all_gather %x over [0] : tensor<?x8xbf16, #token_shares> -> tensor<?x8xbf16, #x4_tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
    %w = llm.weight @w from "w" : tensor<8x8xbf16>
    // expected-error@+1 {{goes over the axes [1]; legal are ascending indices of the mesh's 1 axes}}
    %0 = llm.matmul_all_reduce %x, %w over [1] : (tensor<?x8xbf16, #tokens>, tensor<8x8xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
    %w = llm.weight @w from "w" : tensor<8x16xbf16>
    // expected-error@+1 {{weight has k = 16, but input has 8; they must be equal}}
    %0 = llm.matmul_all_reduce %x, %w over [0] : (tensor<?x8xbf16, #tokens>, tensor<8x16xbf16>) -> tensor<?x8xbf16, #tokens>
    llm.return
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
#x4_tokens = #llm.dims<["tokens*4"]>
llm.body @b(%x: tensor<?x8xbf16, #x4_tokens>) {
  // expected-error@+1 {{joins 4 parts of 8 columns to 24; legal are 25 to 32}}
  %0 = llm.join_columns %x parts 4 : tensor<?x8xbf16, #x4_tokens> -> tensor<?x24xbf16, #tokens>
  llm.return
}

// -----

module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
  llm.body @b() {
    // expected-error@+1 {{has 2 tables, but the mesh has 4 ranks}}
    %0 = llm.rank_constant @c dense<[[0], [1]]> : tensor<2x1xi32>
    llm.return
  }
}

// -----

llm.body @b() {
  // expected-error@+1 {{a rank constant has a table for each rank, one after another}}
  %0 = llm.rank_constant @c dense<[0, 1]> : tensor<2xi32>
  llm.return
}
