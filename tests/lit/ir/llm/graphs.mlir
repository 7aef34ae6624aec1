// RUN: vinci-opt %s | FileCheck %s
// RUN: vinci-opt %s --emit-bytecode | vinci-opt | FileCheck %s
// RUN: vinci-opt %s --mlir-print-op-generic | vinci-opt | FileCheck %s
// Which steps are captured as graphs.

// CHECK: module attributes {llm.graphs = {mode = "full-and-piecewise", sizes = array<i64: 1, 2, 8>}}
module attributes {llm.graphs = {mode = "full-and-piecewise", sizes = array<i64: 1, 2, 8>}} {}
