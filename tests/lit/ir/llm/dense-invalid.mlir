// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What embedding, norms, projections, rotary embedding and elementwise ops refuse.
#tokens = #llm.dims<["tokens"]>
llm.body @b(%i: tensor<?xi32, #tokens>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{result has hidden_size = 5, but table has 4; they must be equal}}
  %0 = llm.embedding %i, %t : (tensor<?xi32, #tokens>, tensor<8x4xbf16>) -> tensor<?x5xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%i: tensor<?xi32, #tokens>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{result has elements of type 'f32', but table of type 'bf16'; they must be equal}}
  %0 = llm.embedding %i, %t : (tensor<?xi32, #tokens>, tensor<8x4xbf16>) -> tensor<?x4xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%i: tensor<?xi32, #tokens>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{result has tokens = logit_rows, but token_ids has tokens; they must be equal}}
  %0 = llm.embedding %i, %t : (tensor<?xi32, #tokens>, tensor<8x4xbf16>) -> tensor<?x4xbf16, #logit_rows>
  llm.return
}

// -----

#sequences = #llm.dims<["sequences"]>
llm.body @b(%i: tensor<?xi32, #sequences>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{token_ids has rows per sequence; legal are rows per token or logit row}}
  %0 = llm.embedding %i, %t : (tensor<?xi32, #sequences>, tensor<8x4xbf16>) -> tensor<?x4xbf16, #sequences>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%i: tensor<?xi32, #tokens>, %t: tensor<?x4xbf16, #tokens>) {
  // expected-error@+1 {{table is of shape [tokens, 4]; every dimension must be constant}}
  %0 = llm.embedding %i, %t : (tensor<?xi32, #tokens>, tensor<?x4xbf16, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

llm.body @b(%i: tensor<8xi32>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{token_ids is of shape [8]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.embedding %i, %t : (tensor<8xi32>, tensor<8x4xbf16>) -> tensor<8x4xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%i: tensor<?x4xbf16, #tokens>, %t: tensor<8x4xbf16>) {
  // expected-error@+1 {{operand #0 must be tensor of i32 of shape [tokens], every dynamic dimension named by #llm.dims, but got}}
  %0 = llm.embedding %i, %t : (tensor<?x4xbf16, #tokens>, tensor<8x4xbf16>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%p: tensor<?xi32, #tokens>, %f: tensor<4xf32>) {
  // expected-error@+1 {{result has head_dim = 4, it must be 8, twice the frequencies}}
  %0 = llm.rope_table %p, %f : (tensor<?xi32, #tokens>, tensor<4xf32>) -> tensor<?x4xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4xbf16>) {
  // expected-error@+1 {{weight has n = 4, but input has 8; they must be equal}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<4xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xf32>) {
  // expected-error@+1 {{weight has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{eps is 0.000000e+00; it must be finite and greater than 0}}
  %0 = llm.rms_norm %x, %w eps 0.0 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x7xbf16>) {
  // expected-error@+1 {{weight has k = 7, but input has 8; they must be equal}}
  %0 = llm.matmul %x, %w : (tensor<?x8xbf16, #tokens>, tensor<4x7xbf16>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x8xbf16>) {
  // expected-error@+1 {{result has n = 8, but weight has 4; they must be equal}}
  %0 = llm.matmul %x, %w : (tensor<?x8xbf16, #tokens>, tensor<4x8xbf16>) -> tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x8xbf16>) {
  // expected-error@+1 {{result has elements of type 'f16'; legal are f32 and 'bf16', the type of the input}}
  %0 = llm.matmul %x, %w : (tensor<?x8xbf16, #tokens>, tensor<4x8xbf16>) -> tensor<?x4xf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x8xbf16>) {
  // expected-error@+1 {{result has rows = logit_rows, but input has tokens; they must be equal}}
  %0 = llm.matmul %x, %w : (tensor<?x8xbf16, #tokens>, tensor<4x8xbf16>) -> tensor<?x4xbf16, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x8xbf16>, %b: tensor<8xbf16>) {
  // expected-error@+1 {{bias has n = 8, but weight has 4; they must be equal}}
  %0 = llm.matmul %x, %w bias %b : (tensor<?x8xbf16, #tokens>, tensor<4x8xbf16>, tensor<8xbf16>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4x8xbf16>, %b: tensor<4xf32>) {
  // expected-error@+1 {{bias has elements of type 'f32', but weight of type 'bf16'; they must be equal}}
  %0 = llm.matmul %x, %w bias %b : (tensor<?x8xbf16, #tokens>, tensor<4x8xbf16>, tensor<4xf32>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has 3 heads of head_dim 4, which do not make the 8 columns of input}}
  %0 = llm.split_heads %x : tensor<?x8xbf16, #tokens> -> tensor<?x3x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x2x4xbf16, #tokens>) {
  // expected-error@+1 {{input has 2 heads of head_dim 4, which do not make the 9 columns of result}}
  %0 = llm.merge_heads %x : tensor<?x2x4xbf16, #tokens> -> tensor<?x9xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x2x4xbf16, #tokens>) {
  // expected-error@+1 {{input has elements of type 'bf16', but result of type 'f32'; they must be equal}}
  %0 = llm.merge_heads %x : tensor<?x2x4xbf16, #tokens> -> tensor<?x8xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x2x4xbf16, #tokens>, %t: tensor<?x6xf32, #tokens>) {
  // expected-error@+1 {{table has head_dim = 6, but input has 4; they must be equal}}
  %0 = llm.rope %x, %t : tensor<?x2x4xbf16, #tokens>, tensor<?x6xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x2x5xbf16, #tokens>, %t: tensor<?x5xf32, #tokens>) {
  // expected-error@+1 {{input has head_dim = 5; it must be even, as halves are rotated}}
  %0 = llm.rope %x, %t : tensor<?x2x5xbf16, #tokens>, tensor<?x5xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x2x4xbf16, #tokens>, %t: tensor<?x4xf32, #logit_rows>) {
  // expected-error@+1 {{table has tokens = logit_rows, but input has tokens; they must be equal}}
  %0 = llm.rope %x, %t : tensor<?x2x4xbf16, #tokens>, tensor<?x4xf32, #logit_rows>
  llm.return
}

// -----

llm.body @b(%a: tensor<2x4xbf16>) {
  // expected-error@+1 {{'llm.add' op result is of shape [2, 4]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.add %a, %a : tensor<2x4xbf16>
  llm.return
}

// -----

llm.body @b(%a: tensor<2x4xbf16>) {
  // expected-error@+1 {{'llm.mul' op result is of shape [2, 4]; the first dimension must be symbolic}}
  %0 = llm.mul %a, %a : tensor<2x4xbf16>
  llm.return
}

// -----

llm.body @b(%a: tensor<2x4xbf16>) {
  // expected-error@+1 {{'llm.silu' op result is of shape [2, 4]; the first dimension must be symbolic}}
  %0 = llm.silu %a : tensor<2x4xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%a: tensor<?x4xbf16, #tokens>, %b: tensor<?x4xf32, #tokens>) {
  // expected-error@+1 {{requires the same type for all operands and results}}
  %0 = "llm.add"(%a, %b) : (tensor<?x4xbf16, #tokens>, tensor<?x4xf32, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %i: tensor<?xi32, #logit_rows>) {
  // expected-error@+1 {{result has rows = tokens, but indices has logit_rows; they must be equal}}
  %0 = llm.gather_rows %x, %i : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %i: tensor<?xi32, #logit_rows>) {
  // expected-error@+1 {{result has n = 5, but input has 4; they must be equal}}
  %0 = llm.gather_rows %x, %i : (tensor<?x4xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x5xbf16, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{gate has columns = 8, it must be 16, twice those of the result}}
  %0 = llm.swiglu %g : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has elements of type 'f32', but gate of type 'bf16'; they must be equal}}
  %0 = llm.swiglu %g : (tensor<?x8xbf16, #tokens>) -> tensor<?x4xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has rows = logit_rows, but gate has tokens; they must be equal}}
  %0 = llm.swiglu %g : (tensor<?x8xbf16, #tokens>) -> tensor<?x4xbf16, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{gate has n = 8, but result has 4; they must be equal}}
  %0 = llm.swiglu %g, %g : (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) -> tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>, %u: tensor<?x8xbf16, #logit_rows>) {
  // expected-error@+1 {{up has rows = logit_rows, but gate has tokens; they must be equal}}
  %0 = llm.swiglu %g, %u : (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #logit_rows>) -> tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>, %u: tensor<?x4xbf16, #tokens>) {
  // expected-error@+1 {{up has n = 4, but gate has 8; they must be equal}}
  %0 = llm.swiglu %g, %u : (tensor<?x8xbf16, #tokens>, tensor<?x4xbf16, #tokens>) -> tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>, %u: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{up has elements of type 'f32', but gate of type 'bf16'; they must be equal}}
  %0 = llm.swiglu %g, %u : (tensor<?x8xbf16, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4xbf16>) {
  // expected-error@+1 {{weight has n = 4, but input has 8; they must be equal}}
  %0, %1 = llm.add_rms_norm %x, %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<4xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xf32>) {
  // expected-error@+1 {{weight has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0, %1 = llm.add_rms_norm %x, %x, %w eps 1.0e-06 : tensor<?x8xbf16, #tokens>, tensor<8xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{eps is 0.000000e+00; it must be finite and greater than 0}}
  %0, %1 = llm.add_rms_norm %x, %x, %w eps 0.0 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{computes in 'f16', but input has elements of type 'bf16'; legal are f32 and the type of input}}
  %0, %1 = llm.add_rms_norm %x, %x, %w eps 1.0e-06 in f16 : tensor<?x8xbf16, #tokens>, tensor<8xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%q: tensor<?x4x8xbf16, #tokens>, %k: tensor<?x2x6xbf16, #tokens>, %t: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{table has head_dim = 8, but key has 6; they must be equal}}
  %0, %1 = llm.rope_qk %q, %k, %t : tensor<?x4x8xbf16, #tokens>, tensor<?x2x6xbf16, #tokens>, tensor<?x8xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%q: tensor<?x4x8xbf16, #tokens>, %k: tensor<?x2x8xf32, #tokens>, %t: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{key has elements of type 'f32', but query of type 'bf16'; they must be equal}}
  %0, %1 = llm.rope_qk %q, %k, %t : tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xf32, #tokens>, tensor<?x8xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%q: tensor<?x4x8xbf16, #tokens>, %k: tensor<?x2x8xbf16, #tokens>, %t: tensor<?x8xf16, #tokens>) {
  // expected-error@+1 {{computes in its table's type 'f16', but query has elements of type 'bf16'; legal are f32 and the type of query}}
  %0, %1 = llm.rope_qk %q, %k, %t : tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x8xf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%q: tensor<?x4x8xbf16, #tokens>, %k: tensor<?x2x8xbf16, #tokens>, %t: tensor<?x8xf32, #logit_rows>) {
  // expected-error@+1 {{table has tokens = logit_rows, but query has tokens; they must be equal}}
  %0, %1 = llm.rope_qk %q, %k, %t : tensor<?x4x8xbf16, #tokens>, tensor<?x2x8xbf16, #tokens>, tensor<?x8xf32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %b: tensor<4xbf16>) {
  // expected-error@+1 {{bias has n = 4, but input has 8; they must be equal}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<4xbf16>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %b: tensor<8xf32>) {
  // expected-error@+1 {{bias has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0, %1 = llm.add_rms_norm %x, %x, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %b: tensor<?xbf16, #tokens>) {
  // expected-error@+1 {{bias is of shape [tokens]; every dimension must be constant}}
  %0 = llm.rms_norm %x, %w eps 1.0e-06 bias %b : tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<?xbf16, #tokens>
  llm.return
}
