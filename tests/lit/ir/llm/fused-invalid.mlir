// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What the ops that fusions make refuse.
llm.body @b(%x: tensor<4x8xbf16>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{input is of shape [4, 8]; the first dimension must be symbolic, and the others constant}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<4x8xbf16>, tensor<8xbf16>) -> tensor<4x8xi8> scale tensor<4xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<4xbf16>) {
  // expected-error@+1 {{weight has n = 4, but input has 8; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<4xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xf32>) {
  // expected-error@+1 {{weight has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xf32>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{eps is 0.000000e+00; it must be finite and greater than 0}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 0.0 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{computes in 'f16', but input has elements of type 'bf16'; legal are f32 and the type of input}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 in f16 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{result has rows = logit_rows, but input has tokens; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #logit_rows> scale tensor<?xf32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{result has n = 4, but input has 8; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x4xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{has one of the residual and the sum; legal are both or none}}
  %0, %1, %2 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %r: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{residual is 'tensor<?x8xf32, #llm.dims<["tokens"]>>', but input is 'tensor<?x8xbf16, #llm.dims<["tokens"]>>'; they must be equal}}
  %0, %1, %2 = llm.rms_norm_quant %x, %w eps 1.0e-06 residual %r : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<?x8xf32, #tokens>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x8xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{sum is 'tensor<?x4xbf16, #llm.dims<["tokens"]>>', but input is}}
  %0, %1, %2 = llm.rms_norm_quant %x, %w eps 1.0e-06 residual %x : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<?x8xbf16, #tokens>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x4xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{has one of the scale and the offset to quantise by; legal are both or none}}
  %0 = llm.rms_norm_quant %x, %w eps 1.0e-06 by %s, : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{quantises by a scale, and has a result for scales of the rows; legal is one of them}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 by %s, %o : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{has no scale to quantise by, and no result for scales of the rows; legal is one of them}}
  %0 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %s: tensor<8xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{quant_scale has size = 8, it must be 1, a number}}
  %0 = llm.rms_norm_quant %x, %w eps 1.0e-06 by %s, %o : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<8xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %s: tensor<1xf32>, %o: tensor<8xf32>) {
  // expected-error@+1 {{quant_offset has size = 8, it must be 1, a number}}
  %0 = llm.rms_norm_quant %x, %w eps 1.0e-06 by %s, %o : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>) {
  // expected-error@+1 {{scale has rows = logit_rows, but result has tokens; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has rows = logit_rows, but gate has tokens; they must be equal}}
  %0, %1 = llm.swiglu_quant %g : (tensor<?x8xbf16, #tokens>) -> tensor<?x4xi8, #logit_rows> scale tensor<?xf32, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{gate has columns = 8, it must be 16, twice those of the result}}
  %0, %1 = llm.swiglu_quant %g : (tensor<?x8xbf16, #tokens>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has n = 4, but gate has 8; they must be equal}}
  %0, %1 = llm.swiglu_quant %g, %g : (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) -> tensor<?x4xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>, %u: tensor<?x8xf32, #tokens>) {
  // expected-error@+1 {{up is 'tensor<?x8xf32, #llm.dims<["tokens"]>>', but gate is 'tensor<?x8xbf16, #llm.dims<["tokens"]>>'; they must be equal}}
  %0, %1 = llm.swiglu_quant %g, %u : (tensor<?x8xbf16, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%g: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{has no scale to quantise by, and no result for scales of the rows; legal is one of them}}
  %0 = llm.swiglu_quant %g, %g : (tensor<?x8xbf16, #tokens>, tensor<?x8xbf16, #tokens>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x5xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 5, but input has 4; they must be equal}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x5xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x4xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x4xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has elements of type 'f32', but input of type 'bf16'; they must be equal}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xf32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x32xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<8xi32>) {
  // expected-error@+1 {{expert_offsets has size = 8, it must be 9, the experts of the weight + 1}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<8xi32>) -> tensor<?x32xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x64x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has rows = 64, it must be 128, twice the columns of the result}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x64x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x64xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x96x4xbf16>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has n = 48; it must be a multiple of 32, a panel of the weight}}
  %0 = llm.grouped_matmul_swiglu %x, %w rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x96x4xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x48xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x5xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 5, but input has 4; they must be equal}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x5xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #x2_tokens>, %w: tensor<8x64x4xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{scale has rows = tokens*2, but input has tokens; they must be equal}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #x2_tokens>, tensor<8x64x4xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x4xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result_scale has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x4xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x4xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{rounds to 'i8'; legal are f32, bf16 and f16}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in i8 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x4xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x4xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has rows = 64, it must be 128, twice the columns of the result}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x4xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x64xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x96x4xi8>, %ws: tensor<8x96x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has n = 48; it must be a multiple of 32, a panel of the weight}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x96x4xi8>, tensor<8x96x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x48xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x32832x4xi8>, %ws: tensor<8x32832x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has n = 16416; at most 16384 are kept until their scale is known}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x32832x4xi8>, tensor<8x32832x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x16416xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x4xi8>, %ws: tensor<8x63x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight_scale has n = 63, but weight has 64; they must be equal}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x4xi8>, tensor<8x63x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x131072xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x64x131072xi8>, %ws: tensor<8x64x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 131072; at most 131071 products of int8 surely fit into int32}}
  %0, %1 = llm.grouped_matmul_swiglu_quant %x scale %xs, %w scale %ws rows %r offsets %o gather in bf16 : (tensor<?x131072xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x64x131072xi8>, tensor<8x64x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> (tensor<?x32xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<8xbf16>, %b: tensor<4xbf16>) {
  // expected-error@+1 {{bias has n = 4, but input has 8; they must be equal}}
  %0, %1 = llm.rms_norm_quant %x, %w eps 1.0e-06 bias %b : (tensor<?x8xbf16, #tokens>, tensor<8xbf16>, tensor<4xbf16>) -> tensor<?x8xi8, #tokens> scale tensor<?xf32, #tokens>
  llm.return
}
