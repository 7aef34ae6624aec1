// Degrees that do not fit each other.
// RUN: not vinci-opt %s --pass-pipeline='builtin.module(partition{world=0})' 2>&1 | FileCheck %s --check-prefix=WORLD
// RUN: not vinci-opt %s --pass-pipeline='builtin.module(partition{world=6 attention-tp=4})' 2>&1 | FileCheck %s --check-prefix=DIVIDES
// RUN: not vinci-opt %s --pass-pipeline='builtin.module(partition{world=12 attention-tp=4 moe-tp=6})' 2>&1 | FileCheck %s --check-prefix=CHAIN
// RUN: not vinci-opt %s --pass-pipeline='builtin.module(partition{world=8 attention-tp=2 lm-head-tp=4})' 2>&1 | FileCheck %s --check-prefix=HEAD
// RUN: vinci-opt %s --pass-pipeline='builtin.module(partition{world=1})' | FileCheck %s --check-prefix=ONE
// RUN: vinci-opt %s --pass-pipeline='builtin.module(partition{world=32 attention-tp=4})' | FileCheck %s --check-prefix=MIXED
// RUN: vinci-opt %s --pass-pipeline='builtin.module(partition{world=8 attention-tp=8 moe-tp=8 embedding-tp=8 lm-head-tp=8})' | FileCheck %s --check-prefix=EIGHT

// WORLD: error: world 0 is not legal; it must be 1 to 65536
// DIVIDES: error: attn_tp 4 does not divide the world of 6 ranks; legal: 1, 2, 3, 6
// CHAIN: error: moe_tp 6 and attn_tp 4: the smaller must divide the larger, so that the groups of one lie in those of the other
// HEAD: error: lm_head_tp 4 exceeds attn_tp 2: ranks with tokens of their own cannot share a head; legal: 1, 2
// ONE-NOT: llm.mesh
// MIXED: #llm.mesh<axes = [8, 4], data = [0]>
// EIGHT: #llm.mesh<axes = [8]>
module {
}
