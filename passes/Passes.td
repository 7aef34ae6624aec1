//===- Passes.td - the passes of the compile pipeline, in its order -----------------------------===//
#ifndef VINCI_PASSES_PASSES_TD
#define VINCI_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def Partition : Pass<"partition", "::mlir::ModuleOp"> {
  let summary = "Divide a model among ranks";
  let description = [{
    Makes the model for one device one program for all ranks of a mesh (`#llm.mesh`): the types become those of what one rank
    holds, weights the slices that it has, and collectives stand where ranks must exchange. Heads and the width of MLPs are
    divided over `attention-tp` ranks, the width of experts over `moe-tp`, experts over the rest of the world, and the
    vocabularies of embedding and head over `embedding-tp` and `lm-head-tp`; what is left of the world beside `attention-tp` are
    data-parallel groups, each with sequences of its own. Fewer KV heads than ranks are held by several ranks each.

    Weights are placed the Megatron way, and everything else follows from the ops' sharding rules in one walk: a value that
    an op cannot take as it is spread is summed (`all_reduce`, `reduce_scatter`) or gathered (`all_gather`) just before it. So
    no partial sum reaches an op that is not linear in it, nor a return.

    It runs before fusion, which then sees the shapes of a rank. With a world of 1 it does nothing.

    ```mlir
    llm.body @mlp(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
      %up_proj = llm.weight @up_proj from "up" : tensor<128x64xbf16>
      %down_proj = llm.weight @down_proj from "down" : tensor<64x128xbf16>
      %0 = llm.matmul %x, %up_proj : (...) -> tensor<?x128xbf16, #tokens>
      %1 = llm.silu %0 : tensor<?x128xbf16, #tokens>
      %2 = llm.matmul %1, %down_proj : (...) -> tensor<?x64xbf16, #tokens>
      %3 = llm.add %x, %2 : tensor<?x64xbf16, #tokens>
    ```
    becomes, with `world=4 attention-tp=4`,
    ```mlir
    llm.body @mlp(%x: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
      %up_proj = llm.weight @up_proj from "up" [128, 64] rows 4 over [0] : tensor<32x64xbf16>
      %down_proj = llm.weight @down_proj from "down" [64, 128] columns 4 over [0] : tensor<64x32xbf16>
      %0 = llm.matmul %x, %up_proj : (...) -> tensor<?x32xbf16, #tokens>
      %1 = llm.silu %0 : tensor<?x32xbf16, #tokens>
      %2 = llm.matmul %1, %down_proj : (...) -> tensor<?x64xbf16, #tokens>
      %3 = llm.all_reduce %2 over [0] : tensor<?x64xbf16, #tokens>
      %4 = llm.add %x, %3 : tensor<?x64xbf16, #tokens>
    ```
  }];
  let dependentDialects = ["::vinci::llm::LlmDialect"];
  let options = [
    Option<"world", "world", "int64_t", /*default=*/"1", "Ranks in all">,
    Option<"attentionTp", "attention-tp", "int64_t", /*default=*/"1", "Ranks that divide heads and dense MLPs">,
    Option<"moeTp", "moe-tp", "int64_t", /*default=*/"1", "Ranks that divide the width of experts">,
    Option<"embeddingTp", "embedding-tp", "int64_t", /*default=*/"1", "Ranks that divide the embedding's vocabulary">,
    Option<"lmHeadTp", "lm-head-tp", "int64_t", /*default=*/"1", "Ranks that divide the head's vocabulary">];
}

def ScatterTokens : Pass<"scatter-tokens", "::mlir::ModuleOp"> {
  let summary = "Divide the residual stream by tokens (sequence parallelism)";
  let description = [{
    After `partition` the ranks of a group all hold the whole residual stream, add to it and normalise it, each the same. With
    this pass a rank has its share of the tokens instead (`token_shares`, the vendor's FlashComm v1): the sum after a product by
    columns goes to the ranks by rows, and the rows are gathered where an op wants all of them: before q, k and v, before gate, up
    or the router, and before the head.

    ```mlir
    %2 = llm.all_reduce %1 over [0] : tensor<?x64xbf16, #tokens>
    %3 = llm.add %hidden, %2 : tensor<?x64xbf16, #tokens>
    %4 = llm.rms_norm %3, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
    %5 = llm.matmul %4, %up_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    ```
    becomes
    ```mlir
    %2 = llm.reduce_scatter %1 over [0] : tensor<?x64xbf16, #tokens> -> tensor<?x64xbf16, #token_shares>
    %3 = llm.add %hidden, %2 : tensor<?x64xbf16, #token_shares>
    %4 = llm.rms_norm %3, %norm eps 1.0e-06 : tensor<?x64xbf16, #token_shares>, tensor<64xbf16>
    %g = llm.all_gather %4 over [0] : tensor<?x64xbf16, #token_shares> -> tensor<?x64xbf16, #tokens>
    %5 = llm.matmul %g, %up_proj : (tensor<?x64xbf16, #tokens>, tensor<32x64xbf16>) -> tensor<?x32xbf16, #tokens>
    ```
    Sums, adds and norms are those of before, row by row, so the results are the same bits. As many bytes move; adds and norms
    are of tokens / ranks rows, and what lives between layers takes as little memory. Rows whose logits are wanted are
    gathered from normalised rows, not normalised after they are gathered.

    A value is divided if it is an `all_reduce` over all axes along which ranks share a step, or a sum or a norm of such values, or
    an argument that every call passes so. What layers pass on must be: the embedding's vocabulary has to be divided as
    attention is. It is for prompts of more than a thousand tokens; single tokens only wait for one collective more. Off
    unless asked for (`--sequence-parallel`); without a mesh, or with one rank for each step, there is nothing to divide, which
    is an error.
  }];
  let dependentDialects = ["::vinci::llm::LlmDialect"];
}

def ScaleWholeRows : Pass<"scale-whole-rows", "::mlir::ModuleOp"> {
  let summary = "Quantise parts of rows by scales of the whole rows";
  let description = [{
    The product that ends attention, an MLP or experts is divided by columns, and a rank has a part of each row that it
    multiplies. `llm.dynamic_quantize` then would find a scale for that part: with other scales on every rank, and other roundings
    than on one device. With this pass the ranks tell each other the largest value of their parts first, and all quantise by the
    scale of the whole row. So the int8 activations are those of one device, and the sum of the ranks' int32 sums is its sum:
    what N ranks compute differs from what one does by the rounding of partial sums alone, as in floats.

    ```mlir
    %0, %scale = llm.dynamic_quantize %x : tensor<?x32xbf16, #tokens> -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    %1 = llm.dynamic_quant_matmul %0 scale %scale, %down_proj scale %weight_scale : …
    ```
    becomes, where `%down_proj` is divided by columns over 2 ranks,
    ```mlir
    %m = llm.row_max %x : tensor<?x32xbf16, #tokens> -> tensor<?x1xf32, #tokens>
    %all = llm.all_gather %m over [0] : tensor<?x1xf32, #tokens> -> tensor<?x1xf32, #x2_tokens>
    %0, %scale = llm.dynamic_quantize %x row_max %all : tensor<?x32xbf16, #tokens>, tensor<?x1xf32, #x2_tokens>
        -> tensor<?x32xi8, #tokens>, tensor<?xf32, #tokens>
    %1 = llm.dynamic_quant_matmul %0 scale %scale, %down_proj scale %weight_scale : …
    ```
    Gathered, not reduced: N values for a token are too few for two rounds to pay, and the quantisation takes the largest of
    them on the way. It costs a launch and a collective, and keeps the quantisation out of the kernel of the swiglu before it
    (`fuse-swiglu-quant`, `fuse-grouped-matmul-swiglu`).

    The vendor's stacks do not: each rank has scales of its own, and their launches are what the clock predicts. So the pass
    leaves what is compiled for an NPU alone unless it is asked for (`--dynamic-scales row`; `rank` leaves it out everywhere).
    Static scales are those of whole rows anyway, and without a mesh there is nothing to do.
  }];
  let dependentDialects = ["::vinci::llm::LlmDialect"];
  let options = [Option<"anyTarget", "any-target", "bool", /*default=*/"false", "For an NPU, too">];
}

def VerifyPartition : Pass<"verify-partition", "::mlir::ModuleOp"> {
  let summary = "Prove that ranks compute what one device would";
  let description = [{
    Derives anew how every value is spread over the ranks - whole, sharded along a dimension, a part of a sum - and takes
    nothing from the passes before it: it starts with the shards of the weights, the tables of rank constants and the data axes of the
    mesh, and follows the ops' sharding rules. It refuses

    - a part of a sum that reaches an op which is not linear in it, or a return;
    - a sum of a part with a value that is none;
    - a sum over ranks of what is no part of one: it would be multiplied;
    - a gathering of what is not sharded: it would be repeated; columns that lie below each other and are not joined;
    - a dimension that is sharded where the rule wants it whole, or over other axes than the same dimension of another operand;
    - a bias that every rank adds to its part of a sum;
    - a rank constant that tells other ranks apart than the weight that it goes with;
    - calls that pass a body differently spread values, and logits that are not whole.

    ```mlir
    %1 = llm.matmul %0, %o_proj : …
    %2 = llm.add %hidden, %1 : …
    ```
    is refused, where `%o_proj` is divided by columns, with
    ```
    error: 'llm.add' op adds operand #1, a part of a sum over axes [0], to operand #0, which is none
    ```
    That all ranks issue their collectives in one order needs no proof: they run one program without branches, and a body's
    collectives wait for each other (`schedule-commands`).

    It runs after `partition` always, and on any IR before fusion. Fused ops have no sharding rules.
  }];
}

def FuseMoeGating : Pass<"fuse-moe-gating", "::mlir::ModuleOp"> {
  let summary = "softmax, top_k and the normalisation of their weights: llm.moe_route";
  let description = [{
    The vendor's `moe_gating_top_k` (with softmax and renormalisation).

    ```mlir
    %1 = llm.softmax %router_logits : tensor<?x8xf32, #tokens>
    %2, %experts = llm.top_k %1 k 2 : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    %weights = llm.normalize_rows %2 : tensor<?x2xf32, #tokens>
    ```
    becomes
    ```mlir
    %weights, %experts = llm.moe_route %router_logits top_k 2 normalize
        : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    ```
    Without `normalize` where nothing normalises the weights. Not if something else reads the probabilities, or the weights
    before they are normalised.

    The target must have the kernel, which 310p3 has not, and those of 910b3 and a3 choose from up to 1024 experts.
  }];
}

def FuseMoeRouting : Pass<"fuse-moe-routing", "::mlir::ModuleOp"> {
  let summary = "The order of the rows of experts, its inverse and where each expert begins: llm.moe_sort";
  let description = [{
    The vendor's `moe_init_routing`, but for the rows: these are gathered where they are read (`fuse-grouped-matmul-gather`).

    ```mlir
    %row_of = llm.argsort %experts num_experts 8 : …
    %position_of = llm.inverse_permutation %row_of : …
    %offsets = llm.expert_offsets %experts num_experts 8 : …
    ```
    becomes
    ```mlir
    %row_of, %position_of, %offsets = llm.moe_sort %experts num_experts 8 : …
    ```
    All three must be there, of the same experts: of a rank's, from one `first` on, where experts are divided among ranks.
  }];
}

def FuseGroupedMatmulGather : Pass<"fuse-grouped-matmul-gather", "::mlir::ModuleOp"> {
  let summary = "The rows of experts, gathered by the products that read them";
  let description = [{
    ```mlir
    %rows = llm.permute_tokens %x by %row_of : …
    %1 = llm.grouped_matmul %rows, %gate_proj rows %row_of offsets %offsets : …
    %2 = llm.grouped_matmul %rows, %up_proj rows %row_of offsets %offsets : …
    ```
    becomes
    ```mlir
    %1 = llm.grouped_matmul %x, %gate_proj rows %row_of offsets %offsets gather : …
    %2 = llm.grouped_matmul %x, %up_proj rows %row_of offsets %offsets gather : …
    ```
    Rows that are quantised for products on int8 have scales of their own, so tokens are quantised instead, each once and not
    for each of its choices:
    ```mlir
    %rows = llm.permute_tokens %x by %row_of : …
    %0, %scale = llm.dynamic_quantize %rows : …
    %1 = llm.grouped_dynamic_quant_matmul %0 scale %scale, %gate_proj scale %weight_scale rows %row_of offsets %offsets : …
    ```
    becomes
    ```mlir
    %0, %scale = llm.dynamic_quantize %x : …
    %1 = llm.grouped_dynamic_quant_matmul %0 scale %scale, %gate_proj scale %weight_scale rows %row_of offsets %offsets gather : …
    ```
    Not if anything else reads the rows, gathered or quantised, nor if a product has its rows in another order.
  }];
}

def FuseMoeFinalize : Pass<"fuse-moe-finalize", "::mlir::ModuleOp"> {
  let summary = "Rows of experts back to tokens, and their weighted sum: llm.moe_combine";
  let description = [{
    The vendor's `moe_finalize_routing`.

    ```mlir
    %1 = llm.unpermute_tokens %y by %position_of : …
    %2 = llm.weighted_sum %1, %weights : …
    ```
    becomes
    ```mlir
    %2 = llm.moe_combine %y, %position_of, %weights : …
    ```
    Not if something else reads the rows of the choices.
  }];
}

def MergeQuantize : Pass<"merge-quantize", "::mlir::ModuleOp"> {
  let summary = "Quantisations of one value: one, held to be equal by the checkpoint";
  let description = [{
    Projections of one input that are quantised statically each declare a scale and an offset. Whoever quantises a model makes
    those of q, k and v equal, and those of gate and up, since an NPU multiplies the joined weights with one input. What the
    checkpoint has in them is not known here, so the first stands for all, and the plan says that the others are `equal`: a
    checkpoint in which they differ is refused when its weights are packed, naming both and this pass.

    ```mlir
    %q_proj.input_scale = llm.weight @q_proj.input_scale from "q_proj.input_scale" : tensor<1xf32>
    %k_proj.input_scale = llm.weight @k_proj.input_scale from "k_proj.input_scale" : tensor<1xf32>
    …
    %1 = llm.quantize %x, %q_proj.input_scale, %q_proj.input_offset : …
    %2 = llm.quantize %x, %k_proj.input_scale, %k_proj.input_offset : …
    ```
    becomes
    ```mlir
    %q_proj.input_scale = llm.weight @q_proj.input_scale from "q_proj.input_scale" equal ["k_proj.input_scale"] : tensor<1xf32>
    …
    %1 = llm.quantize %x, %q_proj.input_scale, %q_proj.input_offset : …
    ```
    and so does `llm.dynamic_quantize` of one value, which has no scale to differ in. Not if a scale or an offset is made of
    several tensors, or of a part of one.
  }];
}

def FuseSwiglu : Pass<"fuse-swiglu", "::mlir::ModuleOp"> {
  let summary = "silu and mul: llm.swiglu";
  let description = [{
    The activation is rounded before the product, as before, so the result is the same bits.

    ```mlir
    %1 = llm.silu %gate : tensor<?x768xbf16, #tokens>
    %2 = llm.mul %1, %up : tensor<?x768xbf16, #tokens>
    ```
    becomes
    ```mlir
    %2 = llm.swiglu %gate, %up : (tensor<?x768xbf16, #tokens>, tensor<?x768xbf16, #tokens>) -> tensor<?x768xbf16, #tokens>
    ```
    Not if another op reads the activation, nor of heads ([tokens, heads, head_dim]).
  }];
}

def ConcatGateUp : Pass<"concat-gate-up", "::mlir::ModuleOp"> {
  let summary = "The projections of gate and up: one, with the rows of both weights";
  let description = [{
    Runs after `fuse-swiglu`, whose op takes both halves of the result.

    ```mlir
    %gate_proj = llm.weight @gate_proj from "mlp.gate_proj.weight" : tensor<768x256xbf16>
    %up_proj = llm.weight @up_proj from "mlp.up_proj.weight" : tensor<768x256xbf16>
    %1 = llm.matmul %x, %gate_proj : …
    %2 = llm.matmul %x, %up_proj : …
    %3 = llm.swiglu %1, %2 : …
    ```
    becomes
    ```mlir
    %gate_up_proj = llm.weight @gate_up_proj from "mlp.gate_proj.weight" [768, 256], "mlp.up_proj.weight" [768, 256]
        : tensor<1536x256xbf16>
    %1 = llm.matmul %x, %gate_up_proj : …
    %3 = llm.swiglu %1 : …
    ```
    Products by experts likewise: the rows of each expert are those of its gate, then those of its up. Scales and biases are
    joined as the weights are.

    Not if the two read different inputs, or are of different kinds; if one has a bias and the other has not; if something else
    reads a projection or a weight. Of two statically quantised projections that each declare an input scale, `merge-quantize`
    makes two that read one input; without it they are joined only if both name the same tensor.
  }];
}

def ConcatQkv : Pass<"concat-qkv", "::mlir::ModuleOp"> {
  let summary = "The projections of queries, keys and values: one, with the rows of all three weights";
  let description = [{
    ```mlir
    %1 = llm.matmul %x, %q_proj : …
    %2 = llm.split_heads %1 : …
    %3 = llm.matmul %x, %k_proj : …
    %4 = llm.split_heads %3 : …
    %5 = llm.matmul %x, %v_proj : …
    %6 = llm.split_heads %5 : …
    ```
    becomes
    ```mlir
    %qkv_proj = llm.weight @qkv_proj from "q_proj.weight" [512, 256], "k_proj.weight" [128, 256], "v_proj.weight" [128, 256] : …
    %1 = llm.matmul %x, %qkv_proj : …
    %2, %4, %6 = llm.split_qkv %1 : …
    ```
    What belongs together is found by the cache: keys and values are appended to it, queries attend to it. The conditions are
    those of `concat-gate-up`; also, nothing may lie between a projection and its heads, such as a norm of all heads at once.
  }];
}

def FuseQkRmsNorm : Pass<"fuse-qk-rms-norm", "::mlir::ModuleOp"> {
  let summary = "The norms of the heads of queries and keys, into llm.split_qkv";
  let description = [{
    ```mlir
    %1, %2, %3 = llm.split_qkv %qkv : …
    %4 = llm.rms_norm %1, %q_norm eps 1.0e-06 : …
    %5 = llm.rms_norm %2, %k_norm eps 1.0e-06 : …
    ```
    becomes
    ```mlir
    %4, %5, %3 = llm.split_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 : …
    ```
    Both must be normed, with the same eps and in the same type, and nothing else may read the heads before. That they come
    from one projection, by heads, is what `concat-qkv` has made sure of.

    On an NPU there are the limits of its kernel. It works on a KV head with its queries at a time: head_dim and the width of
    these queries are powers of two, the vector cores a multiple of the KV heads of a rank, the heads of the queries a multiple
    of those of the keys, and the target must run Triton. The host has no such limits.
  }];
}

def FuseQkNormRope : Pass<"fuse-qk-norm-rope", "::mlir::ModuleOp"> {
  let summary = "The rotations of queries and keys, into llm.split_qkv";
  let description = [{
    With norms in it or, for models that have none, without:
    ```mlir
    %1, %2, %3 = llm.split_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 : …
    %4 = llm.rope %1, %rope : …
    %5 = llm.rope %2, %rope : …
    ```
    becomes
    ```mlir
    %4, %5, %3 = llm.split_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 rope %rope : …
    ```
    Both must be rotated, by the same table, and nothing else may read the heads before. On an NPU the limits are those of
    `fuse-qk-rms-norm`; besides, the kernel takes only bfloat16 and head_dim 128. What it leaves is for `fuse-rope`.
  }];
}

def FuseKvAppend : Pass<"fuse-kv-append", "::mlir::ModuleOp"> {
  let summary = "Keys and values from llm.split_qkv into the cache: llm.append_qkv";
  let description = [{
    ```mlir
    %1, %2, %3 = llm.split_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 rope %rope : …
    %4 = llm.kv_append %2, %3 into %kv_cache at %slot_mapping : …
    ```
    becomes
    ```mlir
    %1, %4 = llm.append_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 rope %rope into %kv_cache at %slot_mapping : …
    ```
    Nothing else may read keys and values, nor the queries before the cache is written. Only the host has such a kernel; those
    of the NPUs are for another kind of attention.
  }];
}

def FuseRope : Pass<"fuse-rope", "::mlir::ModuleOp"> {
  let summary = "The rotations of queries and keys: llm.rope_qk";
  let description = [{
    The table of cosines and sines is the same for both and for all layers: the prologue makes it once per step, so nothing of
    it is left to hoist.

    ```mlir
    %1 = llm.rope %q, %rope : tensor<?x8x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
    %2 = llm.rope %k, %rope : tensor<?x2x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
    ```
    becomes
    ```mlir
    %1, %2 = llm.rope_qk %q, %k, %rope
        : tensor<?x8x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
    ```
    What belongs together is found by the cache: the keys are appended to it, and the queries attend to it. Not with different
    tables, nor if something between them reads the first.
  }];
}

def FuseMatmulAllReduce : Pass<"fuse-matmul-all-reduce", "::mlir::ModuleOp"> {
  let summary = "A projection and the sum of its parts over the ranks: llm.matmul_all_reduce";
  let description = [{
    ```mlir
    %1 = llm.matmul %0, %o_proj : …
    %2 = llm.all_reduce %1 over [0] : …
    ```
    becomes
    ```mlir
    %2 = llm.matmul_all_reduce %0, %o_proj over [0] : …
    ```
    One command less, and a device can send the first tiles while it computes the next: of long prompts some 20 %. A decode step has
    a tile or two for each rank and gains nothing; therefore it is off unless asked for.

    Nothing else may read the parts, the product is of floats, the target must have the kernel (the 310P3 has none), and the
    ranks of a group must be in one host.
  }];
}

def FuseAddRmsNorm : Pass<"fuse-add-rms-norm", "::mlir::ModuleOp"> {
  let summary = "A residual add and the norm of the sum: llm.add_rms_norm";
  let description = [{
    In a body:
    ```mlir
    %1 = llm.add %hidden, %attention : tensor<?x256xbf16, #tokens>
    %2 = llm.rms_norm %1, %norm eps 1.0e-06 : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    ```
    becomes
    ```mlir
    %2, %1 = llm.add_rms_norm %attention, %hidden, %norm eps 1.0e-06 : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    ```
    The sum may have other readers. Its first norm is fused.

    Across calls: where a body returns a sum, and each body that takes it norms it, the add moves to where the norm is. A body
    that was

    ```mlir
    llm.body @decoder_layer(%hidden: …) -> … {
      %0 = llm.rms_norm %hidden, %input_layernorm …
      …
      %9 = llm.add %5, %8 : …
      llm.return %9 : …
    ```
    then takes and returns both operands:
    ```mlir
    llm.body @decoder_layer(%hidden: …, %residual: …) -> (…, …) {
      %0, %1 = llm.add_rms_norm %hidden, %residual, %input_layernorm …
      …
      llm.return %8, %5 : …
    ```
    What is called without such a sum as well, as layer 0 is with the embedding, gets a body of its own, `@decoder_layer_first`,
    with the norm as it was. The last sum goes to the norm of the epilogue; rows that it gathers are gathered from both.

    A sum stays where it is if its body uses it otherwise, if one of its operands is an argument of the body or is returned
    already (each result has a place in memory, that of an argument of the next call), or if some body that takes it has no
    norm for it.

    Targets without the kernel (310p3) keep add and norm apart.
  }];
}

def FuseNormQuant : Pass<"fuse-norm-quant", "::mlir::ModuleOp"> {
  let summary = "A norm, with the residual add before it, and the quantisation of its result: llm.rms_norm_quant";
  let description = [{
    ```mlir
    %1, %2 = llm.add_rms_norm %attention, %hidden, %norm eps 1.0e-06 : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    %3, %4 = llm.dynamic_quantize %1 : tensor<?x256xbf16, #tokens> -> tensor<?x256xi8, #tokens>, tensor<?xf32, #tokens>
    ```
    becomes
    ```mlir
    %3, %4, %2 = llm.rms_norm_quant %attention, %norm eps 1.0e-06 residual %hidden
        : (tensor<?x256xbf16, #tokens>, tensor<256xbf16>, tensor<?x256xbf16, #tokens>)
        -> tensor<?x256xi8, #tokens> scale tensor<?xf32, #tokens> sum tensor<?x256xbf16, #tokens>
    ```
    and so does `llm.rms_norm` without a sum, and either with `llm.quantize`, whose scale and offset come behind `by`. Runs after
    `fuse-add-rms-norm`.

    Not if anything else reads the norm, as the router of a layer with experts does, or if its readers quantise it by different
    scales. The kernels of NPUs (add_rms_norm_quant, add_rms_norm_dynamic_quant) take bfloat16 and float16, rows of a multiple
    of 32 bytes and, with a scale, eps of 1e-5 and 1e-6. 310p3 has none.
  }];
}

def FuseGroupedMatmulSwiglu : Pass<"fuse-grouped-matmul-swiglu", "::mlir::ModuleOp"> {
  let summary = "Gate and up of experts and their swiglu, on int8 with its quantisation: llm.grouped_matmul_swiglu, .._quant";
  let description = [{
    ```mlir
    %1 = llm.grouped_matmul %x, %gate_up_proj rows %row_of offsets %expert_offsets gather : …
    %2 = llm.swiglu %1 : …
    ```
    becomes
    ```mlir
    %2 = llm.grouped_matmul_swiglu %x, %gate_up_proj rows %row_of offsets %expert_offsets gather : …
    ```
    and
    ```mlir
    %1 = llm.grouped_dynamic_quant_matmul %0 scale %s, %gate_up_proj scale %gate_up_proj.weight_scale rows %row_of
        offsets %expert_offsets gather : (…) -> tensor<?x256xbf16, #x2_tokens>
    %2 = llm.swiglu %1 : …
    %3, %4 = llm.dynamic_quantize %2 : …
    ```
    becomes
    ```mlir
    %3, %4 = llm.grouped_matmul_swiglu_quant %0 scale %s, %gate_up_proj scale %gate_up_proj.weight_scale rows %row_of
        offsets %expert_offsets gather in bf16 : (…) -> (tensor<?x128xi8, #x2_tokens>, tensor<?xf32, #x2_tokens>)
    ```
    Gate and up must be one product (`concat-gate-up`), of a multiple of 32 columns each. Nothing else may read the product, nor,
    on int8, the activation, which must be quantised: the kernel cannot store it as it is. On int8 a row of the activation is
    kept until its scale is known: the kernel of the host takes 32768 rows of gate and up together, that of NPUs
    (grouped_matmul_swiglu_quant) 10240, and an input of at most 65535 columns. Those of NPUs take bfloat16 and float16; 310p3
    has none.
  }];
}

def FuseSwigluQuant : Pass<"fuse-swiglu-quant", "::mlir::ModuleOp"> {
  let summary = "swiglu and the quantisation of its result: llm.swiglu_quant";
  let description = [{
    ```mlir
    %1 = llm.swiglu %gate_up : (tensor<?x1536xbf16, #tokens>) -> tensor<?x768xbf16, #tokens>
    %2, %3 = llm.dynamic_quantize %1 : tensor<?x768xbf16, #tokens> -> tensor<?x768xi8, #tokens>, tensor<?xf32, #tokens>
    ```
    becomes
    ```mlir
    %2, %3 = llm.swiglu_quant %gate_up : (tensor<?x1536xbf16, #tokens>) -> tensor<?x768xi8, #tokens> scale tensor<?xf32, #tokens>
    ```
    and so does `llm.quantize`. Runs after `fuse-grouped-matmul-swiglu`, which takes more.

    Not if anything else reads the activation, or if its readers quantise it by different scales. The kernels of NPUs
    (swiglu_quant, dequant_swiglu_quant) read gate and up from one projection, take bfloat16 and float16, and rows of a multiple of
    32 bytes. 310p3 has none.
  }];
}

def MarkPhase : Pass<"mark-phase", "::mlir::ModuleOp"> {
  let summary = "Note the phase that llm IR has gone through";
  let description = [{
    Fused IR looks like any other, so that compiling it further could fuse what `--passes` left alone on purpose.

    ```mlir
    module {
    ```
    becomes
    ```mlir
    module attributes {llm.phase = "fuse"} {
    ```
  }];
  let options = [Option<"phase", "phase", "std::string", /*default=*/"\"fuse\"", "The phase">];
}

def LowerToNpu : Pass<"lower-to-npu", "::mlir::ModuleOp"> {
  let summary = "Turn the llm model into a device program";
  let description = [{
    Every op of a body becomes one `npu.launch` of the kernel of the same name, with the shapes as constants.
    `split_heads` and `merge_heads` move no data: their results are other names of the same buffer. Each weight of each
    layer becomes an `npu.weight` with the packing that its kernel reads; a weight that two kernels read differently
    becomes two. Bodies that no entry calls are dropped.

    A value that goes from call to call lives in one buffer, the same in every call, as the bodies are shared. So a body's
    result that feeds the argument of the next call overwrites that argument, and the pass refuses a body that reads the
    argument afterwards. The result of an elementwise op may overwrite its operand.

    ```mlir
    llm.body @mlp(%hidden: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
      %norm = llm.weight @norm from "model.layers.{layer}.norm.weight" : tensor<64xbf16>
      %0 = llm.rms_norm %hidden, %norm eps 1.0e-06 : tensor<?x64xbf16, #tokens>, tensor<64xbf16>
      %1 = llm.add %hidden, %0 : tensor<?x64xbf16, #tokens>
      llm.return %1 : tensor<?x64xbf16, #tokens>
    }
    ```
    becomes
    ```mlir
    npu.buffer @hidden : tensor<?x64xbf16, #tokens>
    npu.buffer @mlp.norm : tensor<?x64xbf16, #tokens>
    npu.body @mlp(weight @norm) {
      npu.launch "rms_norm" writes(arena @mlp.norm) reads(arena @hidden, parameter @norm)
          {dtype = "bfloat16", eps = 1.0e-06, groups = 1, n = 64, rows = "tokens"}
      npu.launch "add" writes(arena @hidden) reads(arena @hidden, arena @mlp.norm)
          {dtype = "bfloat16", n = 64, rows = "tokens"}
    }
    ```
  }];
  let dependentDialects = ["::vinci::npu::NpuDialect"];
}

def LimitLogitRows : Pass<"limit-logit-rows", "::vinci::npu::ProgramOp"> {
  let summary = "Count the rows of logits as such where they have a limit of their own";
  let description = [{
    `decode` and `score` give a row of logits for each token. Where `llm.limits` has `max_logit_rows`, what the bodies that write
    the logits compute on the way from the residual stream is counted in `logit_rows`, too, which are the step's tokens there: so
    its buffers, and the output, are as large as that limit. Rows that ranks bring together of their shares of the tokens stay
    `tokens`. Without that limit the program stays as it is.

    ```mlir
    npu.buffer @epilogue.norm : tensor<?x64xbf16, #tokens>
    npu.body @epilogue(weight @norm, weight @lm_head) {
      npu.launch "rms_norm" writes(arena @epilogue.norm) reads(arena @hidden, parameter @norm) {n = 64, rows = "tokens", ...}
      npu.launch "matmul" writes(output @logits) reads(arena @epilogue.norm, parameter @lm_head) {rows = "tokens", ...}
    ```
    becomes, with `max_logit_rows = 16`,
    ```mlir
    npu.buffer @epilogue.norm : tensor<?x64xbf16, #logit_rows>
    npu.body @epilogue(weight @norm, weight @lm_head) {
      npu.launch "rms_norm" writes(arena @epilogue.norm) reads(arena @hidden, parameter @norm) {n = 64, rows = "logit_rows", ...}
      npu.launch "matmul" writes(output @logits) reads(arena @epilogue.norm, parameter @lm_head) {rows = "logit_rows", ...}
    ```
  }];
  let dependentDialects = ["::vinci::npu::NpuDialect"];
}

def InsertPrefetches : Pass<"insert-prefetches", "::vinci::npu::ProgramOp"> {
  let summary = "Fetch weights into L2 before they are read";
  let description = [{
    Of the weights that `llm.prefetch` gives a share, adds an `npu.prefetch` where the commands begin that come right before the
    product and leave the memory alone: those that work on vectors, and collectives. Of experts' weights it is for steps of 96
    tokens or more: of fewer few experts are hit. If those commands reach back to the start of the body, the prefetch stands where
    the calls before it begin to be quiet at their end, and names a weight of the *following call*: a parameter of its own, which is
    bound to nothing where what follows does not want it. A weight before which the memory is busy is left alone, with a remark.

    ```mlir
    npu.launch "attention" writes(arena @context) reads(...) {...}
    npu.launch "quantize" writes(arena @quantized) reads(arena @context, ...) {...}
    npu.launch "matmul" writes(arena @o) reads(arena @quantized, parameter @o_proj) {...}
    ```
    becomes, with `llm.prefetch = {o = 1.0}`,
    ```mlir
    npu.launch "attention" writes(arena @context) reads(...) {...}
    npu.prefetch @o_proj share 1.0
    npu.launch "quantize" writes(arena @quantized) reads(arena @context, ...) {...}
    npu.launch "matmul" writes(arena @o) reads(arena @quantized, parameter @o_proj) {...}
    ```
  }];
  let dependentDialects = ["::vinci::npu::NpuDialect"];
}

def ScheduleCommands : Pass<"schedule-commands", "::vinci::npu::ProgramOp"> {
  let summary = "Say what each launch waits for";
  let description = [{
    A launch waits for the launches that write what it reads, and for those that read or write what it writes: buffers,
    the KV cache, step outputs. A collective waits for the collective before it, so that all ranks issue them in one order.
    Waits that follow from others are left out (transitive reduction). A prefetch waits for what the launch after it waits for,
    and nobody waits for it. Launches are on the stream `compute`, prefetches on `prefetch`.

    ```mlir
    npu.launch "matmul" writes(arena @gate) reads(arena @x, parameter @gate_proj) {...}
    npu.launch "matmul" writes(arena @up) reads(arena @x, parameter @up_proj) {...}
    npu.launch "mul" writes(arena @gate) reads(arena @gate, arena @up) {...}
    ```
    becomes
    ```mlir
    npu.launch "matmul" writes(arena @gate) reads(arena @x, parameter @gate_proj) {...} waits [] stream compute
    npu.launch "matmul" writes(arena @up) reads(arena @x, parameter @up_proj) {...} waits [] stream compute
    npu.launch "mul" writes(arena @gate) reads(arena @gate, arena @up) {...} waits [0, 1] stream compute
    ```
    It runs before `plan-memory`, on buffers that do not overlap, and `plan-memory` keeps the independence that it found.
  }];
}

def AssignStreams : Pass<"assign-streams", "::vinci::npu::ProgramOp"> {
  let summary = "Divide commands among streams by what they keep busy";
  let description = [{
    Products and attention go to the stream `cube`, collectives to `communication`, everything else to `vector`, and prefetches
    stay on `prefetch`: what does not wait for each other runs side by side. Off by default, as the serving stacks that plans
    are made for launch on one stream.

    ```mlir
    npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {...} waits [] stream compute
    npu.launch "rope" writes(arena @q) reads(arena @q, arena @rope) {...} waits [0] stream compute
    npu.launch "matmul" writes(arena @v) reads(arena @x, parameter @v_proj) {...} waits [] stream compute
    ```
    becomes
    ```mlir
    npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {...} waits [] stream cube
    npu.launch "rope" writes(arena @q) reads(arena @q, arena @rope) {...} waits [0] stream vector
    npu.launch "matmul" writes(arena @v) reads(arena @x, parameter @v_proj) {...} waits [] stream cube
    ```
  }];
}

def InsertEvents : Pass<"insert-events", "::vinci::npu::ProgramOp"> {
  let summary = "Let streams wait for each other by events";
  let description = [{
    A device runs the commands of a stream one after another, and streams beside each other. Where a command waits for one of
    another stream, an event is recorded after the latter, and the stream of the former waits for it; unless the streams and the
    events before say it already. A program on one stream stays as it is.

    ```mlir
    npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {...} waits [] stream cube
    npu.launch "rope" writes(arena @q) reads(arena @q, arena @rope) {...} waits [0] stream vector
    ```
    becomes
    ```mlir
    npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {...} waits [] stream cube
    npu.record 0 stream cube
    npu.wait 0 stream vector
    npu.launch "rope" writes(arena @q) reads(arena @q, arena @rope) {...} waits [0] stream vector
    ```
  }];
  let dependentDialects = ["::vinci::npu::NpuDialect"];
}

def PlanMemory : Pass<"plan-memory", "::vinci::npu::ProgramOp"> {
  let summary = "Give every buffer its place in the activation arena";
  let description = [{
    Sizes are those at `llm.limits`; offsets are multiples of 64 bytes.

    There is one arena for all streams. Two buffers may share bytes only if the waits order *every* access of the one before
    *every* access of the other, so that sharing never makes independent launches depend on each other, whatever streams they
    are on; liveness in program order alone would. Buffers
    that keep their contents from call to call (used by several bodies, or read before they are written) share nothing;
    those of one body share with those of all other bodies.

    The output of `add`, `mul`, `rope`, `silu` and `rms_norm` takes the place of an input of the same size that nobody
    needs afterwards. The rest is a best fit: large buffers first, each into the smallest gap that holds it.

    ```mlir
    npu.program {
      npu.buffer @q : tensor<?x64xbf16, #tokens>
      npu.buffer @q_rope : tensor<?x64xbf16, #tokens>
    ```
    becomes, with 512 tokens per step,
    ```mlir
    npu.program arena 65536 {
      npu.buffer @q at 0 : tensor<?x64xbf16, #tokens>
      npu.buffer @q_rope at 0 : tensor<?x64xbf16, #tokens>
    ```
  }];
  let options = [
    Option<"reuse", "reuse", "bool", /*default=*/"true",
           "Let buffers share memory; without it each has its own, which helps to tell a wrong plan from a wrong kernel">];
}

def ReportProgram : Pass<"report-program", "::vinci::npu::ProgramOp"> {
  let summary = "Say how large a device program is";
  let description = [{
    Emits one remark with the counts that a change of a pass is judged by; the program stays as it is. The critical path is
    the longest chain of waits of each body, summed over the bodies.

    ```mlir
    npu.program arena 491520 {
    ```
    becomes
    ```
    remark: 26 launches in 4 bodies, 24 waits, critical path 20; 27 weights; 22 buffers of 1540096 bytes in an arena of 491520
    ```
  }];
}

#endif
