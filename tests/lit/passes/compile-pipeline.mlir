// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=fuse=false | FileCheck %s --check-prefixes=CHECK,MEMORY
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline='stop-after=schedule fuse=false' | FileCheck %s --check-prefixes=CHECK,SCHEDULE
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline='stop-after=lower fuse=false' | FileCheck %s --check-prefix=LOWER
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=stop-after=import | FileCheck %s --check-prefix=IMPORT
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --pass-pipeline='builtin.module(compile-pipeline{fuse=false},npu.program(report-program))' 2>&1 | FileCheck %s --check-prefix=COUNTS
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --pass-pipeline='builtin.module(compile-pipeline,npu.program(report-program))' 2>&1 | FileCheck %s --check-prefix=FUSED
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=stop-after=fuse 2>/dev/null | FileCheck %s --check-prefix=FUSE
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --pass-pipeline='builtin.module(compile-pipeline{fuse=false reuse-memory=false},npu.program(report-program))' 2>&1 | FileCheck %s --check-prefix=NO-REUSE
// A dense model of two layers through every phase; the counts are what a change of a pass is judged by.

// IMPORT-NOT: llm.phase
// IMPORT-NOT: npu.program
// FUSE: llm.phase = "fuse"
// FUSE: llm.swiglu
// FUSE-NOT: npu.program
// LOWER-NOT: waits
// SCHEDULE-NOT: arena {{[0-9]}}
// CHECK-NOT: llm.entry
// MEMORY: npu.program arena 491520 {
// CHECK: npu.launch "add" writes(arena @hidden) reads(arena @decoder_layer.add, arena @decoder_layer.down_proj) {{.*}} waits [17] stream compute

// COUNTS: remark: 26 launches in 4 bodies, 24 waits, critical path 20; 27 weights; 22 buffers of 1540096 bytes in an arena of 491520
// NO-REUSE: in an arena of 1540096
// FUSED: remark: 35 launches in 5 bodies
