// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What the ops on int8 refuse.
llm.body @b(%x: tensor<4x8xbf16>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{input is of shape [4, 8]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.quantize %x, %s, %o : (tensor<4x8xbf16>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x8xi8>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<8xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{scale has size = 8, it must be 1, one for all tokens}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<8xf32>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<8xf32>) {
  // expected-error@+1 {{offset has size = 8, it must be 1, one for all tokens}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{result has rows = logit_rows, but input has tokens; they must be equal}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi8, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{result has k = 4, but input has 8; they must be equal}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x4xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xbf16>, %o: tensor<1xf32>) {
  // expected-error@+1 {{operand #1 must be tensor of f32 of shape [1]}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xbf16>, tensor<1xf32>) -> tensor<?x8xi8, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %s: tensor<1xf32>, %o: tensor<1xf32>) {
  // expected-error@+1 {{result #0 must be tensor of i8 of shape [tokens, k]}}
  %0 = llm.quantize %x, %s, %o : (tensor<?x8xbf16, #tokens>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x8xi32, #tokens>
  llm.return
}

// -----

llm.body @b(%x: tensor<4x8xbf16>) {
  // expected-error@+1 {{input is of shape [4, 8]; the first dimension must be symbolic, and the others constant}}
  %0:2 = llm.dynamic_quantize %x : tensor<4x8xbf16> -> tensor<4x8xi8>, tensor<4xf32>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has rows = logit_rows, but input has tokens; they must be equal}}
  %0:2 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #logit_rows>, tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has k = 4, but input has 8; they must be equal}}
  %0:2 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{scale has rows = tokens*2, but input has tokens; they must be equal}}
  %0:2 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>) {
  // expected-error@+1 {{result has columns = 2, it must be 1, one value for each row}}
  %0 = llm.row_max %x : tensor<?x8xbf16, #tokens> -> tensor<?x2xf32, #tokens>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
#x3_tokens = #llm.dims<["tokens*3"]>
llm.body @b(%x: tensor<?x8xbf16, #x2_tokens>, %m: tensor<?x1xf32, #x3_tokens>) {
  // expected-error@+1 {{row_max has rows = tokens*3, but input has tokens*2; they must be a multiple, one for each part of a row}}
  %0:2 = llm.dynamic_quantize %x row_max %m : tensor<?x8xbf16, #x2_tokens>, tensor<?x1xf32, #x3_tokens> -> tensor<?x8xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %m: tensor<?x2xf32, #x2_tokens>) {
  // expected-error@+1 {{row_max has columns = 2, it must be 1, one value for each part of a row}}
  %0:2 = llm.dynamic_quantize %x row_max %m : tensor<?x8xbf16, #tokens>, tensor<?x2xf32, #x2_tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<4x8xi8>, %w: tensor<6x8xi8>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{input is of shape [4, 8]; the first dimension must be symbolic, and the others constant}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<4x8xi8>, tensor<6x8xi8>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<?x8xi8, #tokens>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{weight is of shape [tokens, 8]; every dimension must be constant}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<?x8xi8, #tokens>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x4xi8>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{weight has k = 4, but input has 8; they must be equal}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x4xi8>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{result has rows = logit_rows, but input has tokens; they must be equal}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #logit_rows>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{result has n = 5, but weight has 6; they must be equal}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x5xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %b: tensor<5xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{quant_bias has n = 5, but weight has 6; they must be equal}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<5xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %b: tensor<6xi32>, %s: tensor<5xf32>) {
  // expected-error@+1 {{deq_scale has n = 5, but weight has 6; they must be equal}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<6xi32>, tensor<5xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x131072xi8, #tokens>, %w: tensor<6x131072xi8>, %b: tensor<6xi32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{weight has k = 131072; at most 131071 products of int8 surely fit into int32}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x131072xi8, #tokens>, tensor<6x131072xi8>, tensor<6xi32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %b: tensor<6xf32>, %s: tensor<6xf32>) {
  // expected-error@+1 {{operand #2 must be tensor of i32 of shape [n]}}
  %0 = llm.quant_matmul %x, %w, %b, %s : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<6xf32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x4xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{weight has k = 4, but input has 8; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x4xi8>, tensor<6x1xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #x2_tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{scale has rows = tokens*2, but input has tokens; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #x2_tokens>, tensor<6x8xi8>, tensor<6x1xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{result has rows = tokens*2, but input has tokens; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{result has n = 5, but weight has 6; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>, tensor<6xbf16>) -> tensor<?x5xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<?x1xf32, #tokens>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{weight_scale is of shape [tokens, 1]; every dimension must be constant}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<?x1xf32, #tokens>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<5x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{weight_scale has n = 5, but weight has 6; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<5x1xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x2xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{weight_scale has columns = 2, it must be 1, one scale per channel}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<6x2xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>, %b: tensor<5xbf16>) {
  // expected-error@+1 {{bias has n = 5, but weight has 6; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>, tensor<5xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xf32>) {
  // expected-error@+1 {{bias has elements of type 'f32', but result of type 'bf16'; they must be equal}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>, tensor<6xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x131072xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<6x131072xi8>, %ws: tensor<6x1xf32>, %b: tensor<6xbf16>) {
  // expected-error@+1 {{weight has k = 131072; at most 131071 products of int8 surely fit into int32}}
  %0 = llm.dynamic_quant_matmul %x scale %xs, %w scale %ws bias %b : (tensor<?x131072xi8, #tokens>, tensor<?xf32, #tokens>, tensor<6x131072xi8>, tensor<6x1xf32>, tensor<6xbf16>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x5xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 5, but input has 4; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x5xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #x2_tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{scale has rows = tokens*2, but input has tokens; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #x2_tokens>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has n = 5, but weight has 6; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x5xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{result has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<8xi32>) {
  // expected-error@+1 {{expert_offsets has size = 8, it must be 9, the experts of the weight + 1}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<8xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{input has rows = tokens, but row_of has tokens*2; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#x2_tokens = #llm.dims<["tokens*2"]>
#logit_rows = #llm.dims<["logit_rows"]>
llm.body @b(%x: tensor<?x4xi8, #logit_rows>, %xs: tensor<?xf32, #logit_rows>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{row_of has rows = tokens*2, but input has logit_rows; they must be a multiple, top_k times as many}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #logit_rows>, tensor<?xf32, #logit_rows>, tensor<8x6x4xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<7x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight_scale has num_experts = 7, but weight has 8; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<7x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x5x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight_scale has n = 5, but weight has 6; they must be equal}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x5x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<8x6x2xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight_scale has columns = 2, it must be 1, one scale per channel}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x4xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x4xi8>, tensor<8x6x2xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x131072xi8, #tokens>, %xs: tensor<?xf32, #tokens>, %w: tensor<8x6x131072xi8>, %ws: tensor<8x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight has k = 131072; at most 131071 products of int8 surely fit into int32}}
  %0 = llm.grouped_dynamic_quant_matmul %x scale %xs, %w scale %ws rows %r offsets %o gather : (tensor<?x131072xi8, #tokens>, tensor<?xf32, #tokens>, tensor<8x6x131072xi8>, tensor<8x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<6x4xi8>, %ws: tensor<6x1xf32>) {
  // expected-error@+1 {{weight has k = 4, but input has 8; they must be equal}}
  %0 = llm.weight_quant_matmul %x, %w scale %ws : (tensor<?x8xbf16, #tokens>, tensor<6x4xi8>, tensor<6x1xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x2xf32>) {
  // expected-error@+1 {{weight_scale has columns = 2, it must be 1, one scale per channel}}
  %0 = llm.weight_quant_matmul %x, %w scale %ws : (tensor<?x8xbf16, #tokens>, tensor<6x8xi8>, tensor<6x2xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xbf16, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>) {
  // expected-error@+1 {{input has elements of type 'bf16', but result of type 'f32'; they must be equal}}
  %0 = llm.weight_quant_matmul %x, %w scale %ws : (tensor<?x8xbf16, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>) -> tensor<?x6xf32, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
llm.body @b(%x: tensor<?x8xi8, #tokens>, %w: tensor<6x8xi8>, %ws: tensor<6x1xf32>) {
  // expected-error@+1 {{operand #0 must be}}
  %0 = llm.weight_quant_matmul %x, %w scale %ws : (tensor<?x8xi8, #tokens>, tensor<6x8xi8>, tensor<6x1xf32>) -> tensor<?x6xbf16, #tokens>
  llm.return
}

// -----

#tokens = #llm.dims<["tokens"]>
#x2_tokens = #llm.dims<["tokens*2"]>
llm.body @b(%x: tensor<?x4xbf16, #tokens>, %w: tensor<8x6x4xi8>, %ws: tensor<7x6x1xf32>, %r: tensor<?xi32, #x2_tokens>, %o: tensor<9xi32>) {
  // expected-error@+1 {{weight_scale has num_experts = 7, but weight has 8; they must be equal}}
  %0 = llm.grouped_weight_quant_matmul %x, %w scale %ws rows %r offsets %o gather : (tensor<?x4xbf16, #tokens>, tensor<8x6x4xi8>, tensor<7x6x1xf32>, tensor<?xi32, #x2_tokens>, tensor<9xi32>) -> tensor<?x6xbf16, #x2_tokens>
  llm.return
}
