// passes: fuse-qk-rms-norm,fuse-qk-rms-norm,mark-phase{phase=import},npu.program(schedule-commands),cse,concat-qkv


#tokens = #llm.dims<["tokens"]>
#sequences = #llm.dims<["sequences"]>
llm.body @shared_weight(%x: tensor<?x32xbf16, #tokens>, %rope: tensor<?x16xf32, #tokens>, %slots: tensor<?xi32, #tokens>, %start: tensor<3xi32>,
                %lens: tensor<?xi32, #sequences>, %tables: tensor<?x2xi32, #sequences>) -> tensor<?x4x16xbf16, #tokens> {
  %cache = llm.kv_cache : !llm.kv_cache<2x16xbf16>
  %q_proj = llm.weight @q_proj from "{layer}.q" : tensor<64x32xbf16>
  %k_proj = llm.weight @k_proj from "{layer}.k" : tensor<32x32xbf16>
  %v_proj = llm.weight @v_proj from "{layer}.v" : tensor<32x32xbf16>
  
  %1 = llm.matmul %x, %q_proj : (tensor<?x32xbf16, #tokens>, tensor<64x32xbf16>) -> tensor<?x64xbf16, #tokens>
  %q = llm.split_heads %1 : tensor<?x64xbf16, #tokens> -> tensor<?x4x16xbf16, #tokens>
  %2 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %k = llm.split_heads %2 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %3 = llm.matmul %x, %k_proj : (tensor<?x32xbf16, #tokens>, tensor<32x32xbf16>) -> tensor<?x32xbf16, #tokens>
  %v = llm.split_heads %3 : tensor<?x32xbf16, #tokens> -> tensor<?x2x16xbf16, #tokens>
  %next = llm.kv_append %k, %v into %cache at %slots : tensor<?x2x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<?xi32, #tokens>
  %o = llm.attention %q, %next, %start, %lens, %tables scale 0.25
      : tensor<?x4x16xbf16, #tokens>, !llm.kv_cache<2x16xbf16>, tensor<3xi32>, tensor<?xi32, #sequences>, tensor<?x2xi32, #sequences>
  llm.return %o : tensor<?x4x16xbf16, #tokens>
}



