// RUN: vinci-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(partition{world=4 attention-tp=4 moe-tp=2 embedding-tp=4 lm-head-tp=4})'

#tokens = #llm.dims<["tokens"]>
// An op without a rule: what fusion makes cannot be partitioned any more.
module {
  llm.body @b(%x: tensor<?x8xf32, #tokens>, %y: tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens> {
    // expected-error@+1 {{has no sharding rule; it is made after partitioning}}
    %0 = llm.swiglu %x, %y : (tensor<?x8xf32, #tokens>, tensor<?x8xf32, #tokens>) -> tensor<?x8xf32, #tokens>
    llm.return %0 : tensor<?x8xf32, #tokens>
  }
}

// -----

#tokens = #llm.dims<["tokens"]>
// expected-error@+1 {{the module has a mesh already: it is partitioned, and can be compiled for no other degrees}}
module attributes {llm.mesh = #llm.mesh<axes = [4]>} {
}

// -----

#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
// 6 query heads, 2 KV heads.
module {
  llm.body @b(%q: tensor<?x6x16xf32, #tokens>, %query_start: tensor<9xi32>, %context_lens: tensor<?xi32, #sequences>,
              %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x6x16xf32, #tokens> {
    %cache = llm.kv_cache : !llm.kv_cache<2x16xf32>
    // expected-error@+1 {{num_attention_heads 6 cannot be divided among the 4 ranks of attn_tp; legal for this model: 1, 2, 6}}
    %0 = llm.attention %q, %cache, %query_start, %context_lens, %block_tables scale 0.25
        : tensor<?x6x16xf32, #tokens>, !llm.kv_cache<2x16xf32>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    llm.return %0 : tensor<?x6x16xf32, #tokens>
  }
}

// -----

// 12 attention heads could be divided by 4, three KV heads neither divide nor are divided.
#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
module {
  llm.body @b(%q: tensor<?x12x16xf32, #tokens>, %query_start: tensor<9xi32>, %context_lens: tensor<?xi32, #sequences>,
              %block_tables: tensor<?x16xi32, #sequences>) -> tensor<?x12x16xf32, #tokens> {
    // expected-error@+1 {{num_key_value_heads 3 cannot be divided among the 4 ranks of attn_tp; legal for this model: 1, 3, 6, 12}}
    %cache = llm.kv_cache : !llm.kv_cache<3x16xf32>
    %0 = llm.attention %q, %cache, %query_start, %context_lens, %block_tables scale 0.25
        : tensor<?x12x16xf32, #tokens>, !llm.kv_cache<3x16xf32>, tensor<9xi32>, tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    llm.return %0 : tensor<?x12x16xf32, #tokens>
  }
}

// -----

module {
  llm.body @b() {
    // expected-error@+1 {{num_experts 7 cannot be divided among the 2 ranks of expert parallelism; legal for this model: 1, 7}}
    %0 = llm.weight @gate_proj from "e.{}" stack 7 : tensor<7x8x8xf32>
    llm.return
  }
}

// -----

module {
  llm.body @b() {
    // expected-error@+1 {{moe_intermediate_size 9 cannot be divided among the 2 ranks of moe_tp; legal for this model: 1, 3, 9}}
    %0 = llm.weight @gate_proj from "e.{}" stack 8 : tensor<8x9x8xf32>
    llm.return
  }
}
