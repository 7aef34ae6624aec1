// passes: canonicalize,fuse-norm-quant,canonicalize,canonicalize,fuse-grouped-matmul-swiglu,npu.program(schedule-commands),npu.program(report-program)



module attributes {llm.graphs = {mode = "full", sizes = array<i1: 1>, more = 1}} {}

