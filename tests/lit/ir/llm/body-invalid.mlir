// RUN: vinci-opt %s --split-input-file --verify-diagnostics
// What bodies and their declarations refuse.
#tokens = #llm.dims<["tokens"]>

// expected-error@+1 {{names an argument '0'; a name is a letter followed by letters, digits, '_' and '.'}}
llm.body @b(%0: tensor<?x8xf32, #tokens>) {
  llm.return
}

// -----

// expected-error@+1 {{names itself 'a-b'; a name is a letter followed by letters, digits, '_' and '.'}}
llm.body @"a-b"() {
  llm.return
}

// -----

// expected-error@+1 {{argument 'x' is of type 'tensor<?x8xf32>'; legal are tensors whose dynamic dimensions are all named by #llm.dims, of at most 1099511627776 elements}}
llm.body @b(%x: tensor<?x8xf32>) {
  llm.return
}

// -----

// expected-error@+1 {{argument 'x' is of type 'tensor<2147483648xf32>'}}
llm.body @b(%x: tensor<2147483648xf32>) {
  llm.return
}

// -----

// expected-error@+1 {{result #0 is of type 'i32'}}
llm.body @b() -> i32 {
  llm.return
}

// -----

// expected-error@+1 {{names 0 arguments, but its type has 1}}
"llm.body"() <{arg_names = [], function_type = (tensor<8xf32>) -> (), sym_name = "b"}> ({
^bb0(%x: tensor<8xf32>):
  "llm.return"() : () -> ()
}) : () -> ()

// -----

// expected-error@+1 {{has arguments that differ from its type '(tensor<8xf32>) -> ()'}}
"llm.body"() <{arg_names = ["x"], function_type = (tensor<8xf32>) -> (), sym_name = "b"}> ({
^bb0(%x: tensor<9xf32>):
  "llm.return"() : () -> ()
}) : () -> ()

// -----

// expected-error@+1 {{has two arguments named 'x'}}
"llm.body"() <{arg_names = ["x", "x"], function_type = (tensor<8xf32>, tensor<8xf32>) -> (), sym_name = "b"}> ({
^bb0(%x: tensor<8xf32>, %y: tensor<8xf32>):
  "llm.return"() : () -> ()
}) : () -> ()

// -----

llm.body @b(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{returns 0 values, but llm.body has 1 results}}
  llm.return
}

// -----

llm.body @b(%x: tensor<8xf32>) -> tensor<9xf32> {
  // expected-error@+1 {{returns 'tensor<8xf32>' as result #0, but llm.body declares 'tensor<9xf32>'}}
  llm.return %x : tensor<8xf32>
}

// -----

llm.body @b() {
  // expected-error@+1 {{is not an op of the llm dialect; a body holds nothing else}}
  builtin.module {}
  llm.return
}

// -----

llm.body @b() {
  %0 = llm.kv_cache : !llm.kv_cache<2x64xf32>
  // expected-error@+1 {{is the second of body @b; a layer has one KV cache}}
  %1 = llm.kv_cache : !llm.kv_cache<2x64xf32>
  llm.return
}

// -----

llm.body @b() {
  %0 = llm.weight @w from "w" : tensor<8xf32>
  // expected-error@+1 {{declares 'w', which body @b has declared already}}
  %1 = llm.constant @w dense<1.0> : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{is of shape [tokens, 8]; weights have static shapes}}
  %0 = llm.weight @w from "w" : tensor<?x8xf32, #llm.dims<["tokens"]>>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{names itself '0'; a name is a letter followed by letters, digits, '_' and '.'}}
  %0 = llm.weight @"0" from "w" : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the source "model.{lyer}.w"; legal is the name of a checkpoint tensor with at most one {layer} and one {}}}
  %0 = llm.weight @w from "model.{lyer}.w" : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the source ""; legal is the name of a checkpoint tensor}}
  %0 = llm.weight @w from "" : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{has the source "experts.{}.w"; a stack needs one {} in it, and {} needs a stack}}
  %0 = llm.weight @w from "experts.{}.w" : tensor<8x8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{is of shape [4, 8]; legal are [n], [n, k], and [stack, n, k] for a stack}}
  %0 = llm.weight @w from "experts.{}.w" stack 4 : tensor<4x8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{stacks 3 tensors, but its first dimension is 4}}
  %0 = llm.weight @w from "experts.{}.w" stack 3 : tensor<4x8x8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{result #0 must be tensor of f32, bf16, f16, i8 or i32 of shape [n], [n, k] or [stack, n, k], every dynamic dimension named by #llm.dims, but got 'tensor<8xi64>'}}
  %0 = llm.weight @w from "w" : tensor<8xi64>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{names itself '.c'}}
  %0 = llm.constant @".c" dense<1.0> : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{holds no dense<...> elements}}
  %0 = llm.constant @c dense_resource<blob> : tensor<8xf32>
  llm.return
}

// -----

llm.body @b() {
  // expected-error@+1 {{result #0 must be static tensor of f32 or i32 of rank 1 or 2}}
  %0 = llm.constant @c dense<1.0> : tensor<8xf64>
  llm.return
}

// -----

// expected-error@+1 {{expects parent op 'llm.body'}}
%0 = llm.weight @w from "w" : tensor<8xf32>
