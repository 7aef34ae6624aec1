// RUN: vinci-opt %s --fuse-matmul-all-reduce --split-input-file --verify-diagnostics | FileCheck %s

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{fused 1 of matmul and all_reduce}}
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
  // CHECK-LABEL: llm.body @layer
  // CHECK: %[[SUM:.*]] = llm.matmul_all_reduce %x, %o_proj bias %bias over [0] : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
  // CHECK-NEXT: llm.return %[[SUM]]
  llm.body @layer(%x: tensor<?x32xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    %bias = llm.weight @bias from "b" [64] first_only over [0] : tensor<64xbf16>
    %0 = llm.matmul %x, %o_proj bias %bias : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [0] : tensor<?x64xbf16, #tokens>
    llm.return %1 : tensor<?x64xbf16, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
  // CHECK-LABEL: llm.body @read_twice
  // CHECK: llm.matmul %
  // CHECK: llm.all_reduce
  llm.body @read_twice(%x: tensor<?x32xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %o_proj = llm.weight @o_proj from "o" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    // expected-remark@+1 {{not fused: more than the sum reads the parts}}
    %0 = llm.matmul %x, %o_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [0] : tensor<?x64xbf16, #tokens>
    %2 = llm.add %0, %0 : tensor<?x64xbf16, #tokens>
    %3 = llm.all_reduce %2 over [0] : tensor<?x64xbf16, #tokens> // expected-remark {{not fused: its parts are made by llm.add; the kernel multiplies floats, one weight for all rows}}
    %4 = llm.add %1, %3 : tensor<?x64xbf16, #tokens>
    llm.return %4 : tensor<?x64xbf16, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// Neighbours are in one host of eight, those that are eight apart are not.
// expected-remark@+1 {{fused 1 of matmul and all_reduce}}
module attributes {llm.target = "910b3", llm.mesh = #llm.mesh<axes = [2, 8]>} {
  // CHECK-LABEL: llm.body @hosts
  // CHECK: llm.matmul_all_reduce %x, %a over [1]
  // CHECK: llm.matmul %x, %b
  // CHECK: llm.all_reduce %{{.*}} over [0]
  llm.body @hosts(%x: tensor<?x32xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %a = llm.weight @a from "a" [64, 256] columns 8 over [1] : tensor<64x32xbf16>
    %b = llm.weight @b from "b" [64, 64] columns 2 over [0] : tensor<64x32xbf16>
    %0 = llm.matmul %x, %a : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    %1 = llm.all_reduce %0 over [1] : tensor<?x64xbf16, #tokens>
    // expected-remark@+1 {{not fused: the ranks that sum over axes [0] are not all in one host of 8 ranks}}
    %2 = llm.matmul %x, %b : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.all_reduce %2 over [0] : tensor<?x64xbf16, #tokens>
    %4 = llm.add %1, %3 : tensor<?x64xbf16, #tokens>
    llm.return %4 : tensor<?x64xbf16, #tokens>
  }
}

// -----

// expected-remark@+1 {{not fused: 310p3 has no kernel for a product with the sum of its parts}}
module attributes {llm.target = "310p3"} {
}
