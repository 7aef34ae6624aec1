// RUN: vinci-opt %s --mark-phase | FileCheck %s
// RUN: vinci-opt %s --mark-phase=phase=import | FileCheck %s --check-prefix=IMPORT
// CHECK: module attributes {llm.phase = "fuse"}
// IMPORT: module attributes {llm.phase = "import"}
module {}
