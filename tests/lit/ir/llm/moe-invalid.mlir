// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What the ops of a mixture of experts refuse.
#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{top_k is 9; legal are 1 to 8, the experts}}
  %0:2 = llm.moe_route %l top_k 9 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{top_k is 0; legal are 1 to 8, the experts}}
  %0:2 = llm.moe_route %l top_k 0 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{weights has top_k = 3, it must be 2, top_k}}
  %0:2 = llm.moe_route %l top_k 2 : tensor<?x8xf32, #tokens> -> tensor<?x3xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{experts has top_k = 3, it must be 2, top_k}}
  %0:2 = llm.moe_route %l top_k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x3xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{weights has tokens = logit_rows, but logits has tokens; they must be equal}}
  %0:2 = llm.moe_route %l top_k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #logit_rows>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{num_experts is 0; it must be at least 1}}
  %0:3 = llm.moe_sort %e num_experts 0 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{row_of has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0:3 = llm.moe_sort %e num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #tokens>, tensor<?xi32, #x2_tokens>, tensor<9xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{position_of has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0:3 = llm.moe_sort %e num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #tokens>, tensor<9xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{expert_offsets has size = 8, it must be 9, num_experts + 1}}
  %0:3 = llm.moe_sort %e num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<8xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x5xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 5, but input has 4; they must be equal}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x5xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has n = 5, but weight has 6; they must be equal}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x5xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<8xi32>) {
  // expected-error@+1 {{expert_offsets has size = 8, it must be 9, the experts of the weight + 1}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<8xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{input has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x4xbf16, #logit_rows>, %w: tensor<8x6x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{row_of has rows = tokens*2, but input has logit_rows; they must be a multiple, top_k times as many}}
  %0 = llm.grouped_matmul %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #logit_rows>, tensor<8x6x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #tokens>, %p: tensor<?xi32, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{input has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0 = llm.moe_combine %y, %p, %w : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{position_of has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0 = llm.moe_combine %y, %p, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{result has n = 5, but input has 4; they must be equal}}
  %0 = llm.moe_combine %y, %p, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x5xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{result has tokens = tokens*2, but weights has tokens; they must be equal}}
  %0 = llm.moe_combine %y, %p, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return
}

// -----

#sequences = #llm.dims<["sequences"]>
llm.body @b(%l: tensor<?x8xf32, #sequences>) {
  // expected-error@+1 {{input has rows per sequence; legal are rows per token or logit row}}
  %0 = llm.softmax %l : tensor<?x8xf32, #sequences>
  llm.return
}

// -----

llm.body @b(%l: tensor<4x8xf32>) {
  // expected-error@+1 {{input is of shape [4, 8]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.normalize_rows %l : tensor<4x8xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{k is 9; legal are 1 to 8, the columns of the input}}
  %0:2 = llm.top_k %l k 9 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{k is 0; legal are 1 to 8, the columns of the input}}
  %0:2 = llm.top_k %l k 0 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{values has k = 3, it must be 2, k}}
  %0:2 = llm.top_k %l k 2 : tensor<?x8xf32, #tokens> -> tensor<?x3xf32, #tokens>, tensor<?x2xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{indices has k = 3, it must be 2, k}}
  %0:2 = llm.top_k %l k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x3xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%l: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{indices has tokens = logit_rows, but input has tokens; they must be equal}}
  %0:2 = llm.top_k %l k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{num_experts is 0; it must be at least 1}}
  %0 = llm.argsort %e num_experts 0 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{result has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0 = llm.argsort %e num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>, %f: tensor<2xi32>) {
  // expected-error@+1 {{first has size = 2, it must be 1, a number}}
  %0 = llm.argsort %e num_experts 8 first %f : tensor<2xi32> : tensor<?x2xi32, #tokens> -> tensor<?xi32, #x2_tokens>
  llm.return
}

// -----

llm.body @b(%r: tensor<8xi32>) {
  // expected-error@+1 {{input is of shape [8]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.inverse_permutation %r : tensor<8xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{num_experts is 0; it must be at least 1}}
  %0 = llm.expert_offsets %e num_experts 0 : tensor<?x2xi32, #tokens> -> tensor<1xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>) {
  // expected-error@+1 {{result has size = 8, it must be 9, num_experts + 1}}
  %0 = llm.expert_offsets %e num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<8xi32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%e: tensor<?x2xi32, #tokens>, %f: tensor<2xi32>) {
  // expected-error@+1 {{first has size = 2, it must be 1, a number}}
  %0 = llm.expert_offsets %e num_experts 8 first %f : tensor<2xi32> : tensor<?x2xi32, #tokens> -> tensor<9xi32>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x4xbf16, #logit_rows>, %r: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{row_of has rows = tokens*2, but input has logit_rows; they must be a multiple, top_k times as many}}
  %0 = llm.permute_tokens %x by %r : (tensor<?x4xbf16, #logit_rows>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %r: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.permute_tokens %x by %r : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %r: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has n = 5, but input has 4; they must be equal}}
  %0 = llm.permute_tokens %x by %r : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x5xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %r: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.permute_tokens %x by %r : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xf32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #tokens>) {
  // expected-error@+1 {{position_of has rows = tokens, but input has tokens*2; they must be equal}}
  %0 = llm.unpermute_tokens %y by %p : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #tokens>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has rows = tokens, but input has tokens*2; they must be equal}}
  %0 = llm.unpermute_tokens %y by %p : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has n = 5, but input has 4; they must be equal}}
  %0 = llm.unpermute_tokens %y by %p : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x5xbf16, #x2_tokens>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %p: tensor<?xi32, #x2_tokens>) {
  // expected-error@+1 {{result has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.unpermute_tokens %y by %p : (tensor<?x4xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x4xf32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%y: tensor<?x4xbf16, #tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{input has rows = tokens, it must be tokens*2, tokens * top_k}}
  %0 = llm.weighted_sum %y, %w : (tensor<?x4xbf16, #tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{result has tokens = tokens*2, but weights has tokens; they must be equal}}
  %0 = llm.weighted_sum %y, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{result has n = 5, but input has 4; they must be equal}}
  %0 = llm.weighted_sum %y, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x5xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%y: tensor<?x4xbf16, #x2_tokens>, %w: tensor<?x2xf32, #tokens>) {
  // expected-error@+1 {{result has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.weighted_sum %y, %w : (tensor<?x4xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x4xf32, #tokens>
  llm.return
}
