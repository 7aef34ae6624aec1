// RUN: vinci-opt %s --split-input-file --merge-quantize --fuse-swiglu --fuse-swiglu-quant --mlir-print-debuginfo --mlir-print-local-scope 2>/dev/null | FileCheck %s

// What ops were made of stays in their locations: each pass, and the ops that are gone, with their roles and places.

#tokens = #llm.dims<["tokens"]>
// CHECK-LABEL: llm.body @nested
llm.body @nested(%gate: tensor<?x8xbf16, #tokens>, %up: tensor<?x8xbf16, #tokens>) -> tensor<?xf32, #tokens> {
  %0 = llm.silu %gate : tensor<?x8xbf16, #tokens> loc("gate_proj"("config.json":13:24))
  %1 = llm.mul %0, %up : tensor<?x8xbf16, #tokens> loc("up_proj"("config.json":13:24))
  // CHECK: llm.swiglu_quant
  // CHECK-SAME: loc(fused<"fuse-swiglu-quant">["llm.swiglu"(fused<"fuse-swiglu">["llm.silu"("gate_proj"("config.json":13:24)), "llm.mul"("up_proj"("config.json":13:24))]), "llm.dynamic_quantize"("up_proj"("config.json":14:2))])
  %2, %scale = llm.dynamic_quantize %1 : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens> loc("up_proj"("config.json":14:2))
  llm.return %scale : tensor<?xf32, #tokens>
}

// -----

#tokens = #llm.dims<["tokens"]>
// What a pass has made before counts as what it was made of.
// CHECK-LABEL: llm.body @flat
llm.body @flat(%x: tensor<?x8xbf16, #tokens>) -> (tensor<?xf32, #tokens>, tensor<?xf32, #tokens>, tensor<?xf32, #tokens>) {
  // CHECK: llm.dynamic_quantize
  // CHECK-SAME: loc(fused<"merge-quantize">["llm.dynamic_quantize"("a"("config.json":1:1)), "llm.dynamic_quantize"("b"("config.json":2:1)), "llm.dynamic_quantize"("c"("config.json":3:1))])
  // CHECK-NOT: llm.dynamic_quantize
  // CHECK: llm.return
  %0, %scale0 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens> loc("a"("config.json":1:1))
  %1, %scale1 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens> loc("b"("config.json":2:1))
  %2, %scale2 = llm.dynamic_quantize %x : tensor<?x8xbf16, #tokens> -> tensor<?x8xi8, #tokens>, tensor<?xf32, #tokens> loc("c"("config.json":3:1))
  llm.return %scale0, %scale1, %scale2 : tensor<?xf32, #tokens>, tensor<?xf32, #tokens>, tensor<?xf32, #tokens>
}
