// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline | FileCheck %s --check-prefixes=CHECK,MEMORY
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=stop-after=schedule | FileCheck %s --check-prefixes=CHECK,SCHEDULE
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=stop-after=lower | FileCheck %s --check-prefix=LOWER
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --compile-pipeline=stop-after=import | FileCheck %s --check-prefix=IMPORT
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --pass-pipeline='builtin.module(compile-pipeline,npu.program(report-program))' 2>&1 | FileCheck %s --check-prefix=COUNTS
// RUN: vinci-opt %S/../ir/llm/dense-model.mlir --pass-pipeline='builtin.module(compile-pipeline{reuse-memory=false},npu.program(report-program))' 2>&1 | FileCheck %s --check-prefix=NO-REUSE
// A dense model of two layers through every phase; the counts are what a change of a pass is judged by.

// IMPORT-NOT: npu.program
// LOWER-NOT: waits
// SCHEDULE-NOT: arena {{[0-9]}}
// CHECK-NOT: llm.entry
// MEMORY: npu.program arena 491520 {
// CHECK: npu.launch "add" writes(arena @hidden) reads(arena @decoder_layer.add, arena @decoder_layer.down_proj) {{.*}} waits [17] stream 0

// COUNTS: remark: 26 launches in 4 bodies, 24 waits, critical path 20; 27 weights; 22 buffers of 1540096 bytes in an arena of 491520
// NO-REUSE: in an arena of 1540096
