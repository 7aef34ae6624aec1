// The vendor's stacks scale what each rank has of a row; what is compiled for an NPU does as well, unless it is asked not to.
// RUN: vinci-opt %s --scale-whole-rows --verify-diagnostics | FileCheck %s --implicit-check-not=llm.row_max
// RUN: vinci-opt %s --scale-whole-rows=any-target=true 2>/dev/null | vinci-opt --fuse-swiglu-quant | FileCheck %s --check-prefix=ASKED

#tokens = #llm.dims<["tokens"]>
// expected-remark@+1 {{the stack of 910b3 quantises what each rank has of a row by a scale of its own; so do 1 here}}
module attributes {llm.mesh = #llm.mesh<axes = [2]>, llm.target = "910b3"} {
  // CHECK: llm.dynamic_quantize
  // The swiglu stays apart: its quantisation waits for the other ranks.
  // ASKED: llm.swiglu %
  // ASKED-NEXT: llm.row_max
  // ASKED-NEXT: llm.all_gather
  // ASKED-NEXT: llm.dynamic_quantize {{.*}} row_max
  llm.body @mlp(%gate_up: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
    %down_proj = llm.weight @down_proj from "d" [64, 64] columns 2 over [0] : tensor<64x32xi8>
    %down_scale = llm.weight @down_proj.weight_scale from "ds" : tensor<64x1xf32>
    %0 = llm.swiglu %gate_up : (tensor<?x64xbf16, #tokens>) -> tensor<?x32xbf16, #tokens>
    %1, %s1 = llm.dynamic_quantize %0 : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    %2 = llm.dynamic_quant_matmul %1 scale %s1, %down_proj scale %down_scale
        : (tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>, tensor<64x32xi8>, tensor<64x1xf32>) -> tensor<?x64xbf16, #tokens>
    %3 = llm.all_reduce %2 over [0] : tensor<?x64xbf16, #tokens>
    llm.return %3 : tensor<?x64xbf16, #tokens>
  }
}
