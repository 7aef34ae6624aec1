//===- LlmAttrs.td - attributes and types of the llm dialect ----------------------------------===//
#ifndef VINCI_IR_LLM_LLMATTRS_TD
#define VINCI_IR_LLM_LLMATTRS_TD

include "ir/llm/LlmBase.td"
include "ir/llm/LlmShardAttrs.td"
include "mlir/IR/TensorEncoding.td"

class Llm_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Llm_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Llm_DimsAttr : Llm_Attr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "The names of a tensor's dynamic dimensions.";
  let description = [{
    The encoding of a tensor type: one entry per `?` of the shape, in order. An entry is a symbolic dimension of a step
    or a multiple of one:

    | name | value in a step |
    |---|---|
    | `tokens` | tokens of the step, over all sequences |
    | `sequences` | sequences of the step |
    | `logit_rows` | rows that logits are computed for |
    | `token_shares` | a rank's share of the tokens: ceil(tokens / `token_shares` of `llm.limits`) |
    | `tokens*8` | eight times `tokens`: the rows of a mixture of experts with top_k 8 |

    ```mlir
    tensor<?x256xbf16, #llm.dims<["tokens"]>>
    tensor<?x128xbf16, #llm.dims<["tokens*8"]>>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"::vinci::llm::DimExpr", "one per dynamic dimension">:$names);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Llm_IntListParameter : ArrayRefParameter<"int64_t"> {
  let parser = "::vinci::llm::parseIntList($_parser)";
  let printer = "::vinci::llm::printIntList($_printer, $_self)";
}

/// `0.7`, absent or an f64.
def Llm_RealParameter : OptionalParameter<"::mlir::FloatAttr"> {
  let printer = "::vinci::llm::printReal($_printer, $_self)";
}

def Llm_GenerationAttr : Llm_Attr<"Generation", "generation"> {
  let summary = "What generation needs to know of a model.";
  let description = [{
    The special token ids and the sampling defaults of generation_config.json; of a deployment, the chat template that takes
    the place of the tokenizer's, and the load that it is measured under: prompts and the most tokens of each; or else how
    long prompts and outputs are (`runtime/support/lengths.h`), how many requests there are and how many of them at a time.
    What is absent was not said.

    ```mlir
    #llm.generation<eos_token_ids = [2, 5], bos_token_id = 1, do_sample = true, temperature = 0.7, top_k = 20, top_p = 0.8>
    ```
  }];
  let parameters = (ins
    Llm_IntListParameter:$eos_token_ids,
    OptionalParameter<"::std::optional<int64_t>">:$bos_token_id,
    OptionalParameter<"::std::optional<int64_t>">:$pad_token_id,
    OptionalParameter<"::mlir::BoolAttr">:$do_sample,
    Llm_RealParameter:$temperature,
    OptionalParameter<"::std::optional<int64_t>">:$top_k,
    Llm_RealParameter:$top_p,
    Llm_RealParameter:$repetition_penalty,
    OptionalParameter<"::mlir::StringAttr">:$chat_template,
    OptionalParameter<"::mlir::ArrayAttr", "strings">:$prompts,
    OptionalParameter<"::std::optional<int64_t>">:$max_tokens,
    OptionalParameter<"::mlir::StringAttr">:$input_tokens,
    OptionalParameter<"::mlir::StringAttr">:$output_tokens,
    OptionalParameter<"::std::optional<int64_t>">:$requests,
    OptionalParameter<"::std::optional<int64_t>">:$concurrency);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Llm_ModelAttr : Llm_Attr<"Model", "model"> {
  let summary = "What the model is: the facts that a plan keeps.";
  let description = [{
    Carried by the module as `llm.model`. `architecture` is the `model_type` of config.json, `dtype` the element type of
    weights and activations, `parameters` the number of weight elements.

    ```mlir
    #llm.model<name = "austen-qwen3", architecture = "qwen3", vocab_size = 4096, hidden_size = 256,
               num_hidden_layers = 8, max_position_embeddings = 2048, dtype = bf16, parameters = 7348480,
               generation = <eos_token_ids = [0]>>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"for display">:$name,
    StringRefParameter<"model_type">:$architecture,
    "int64_t":$vocab_size,
    "int64_t":$hidden_size,
    "int64_t":$num_hidden_layers,
    "int64_t":$max_position_embeddings,
    "::mlir::Type":$dtype,
    "int64_t":$parameters,
    "::vinci::llm::GenerationAttr":$generation,
    OptionalParameter<"::std::optional<int64_t>", "of all ranks together">:$num_key_value_heads);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Llm_LimitsAttr : Llm_Attr<"Limits", "limits"> {
  let summary = "How large a step may become.";
  let description = [{
    Carried by the module as `llm.limits`. A step has at most `max_tokens_per_step` tokens, and `max_logit_rows` rows of logits
    (as many as tokens if it is not there), in at most `max_batch` sequences of at most `max_seq_len` tokens; the KV cache of a layer has `kv_blocks` blocks of
    `block_size` tokens. With `token_shares`, n, ranks divide the rows of a step among them (`scatter-tokens`): rank i of n has
    those from i * ceil(tokens / n) on, and computes ceil(tokens / n) of them whether they are there or not; nobody reads the
    others.

    ```mlir
    #llm.limits<max_seq_len = 2048, max_tokens_per_step = 512, max_batch = 8, kv_blocks = 64, block_size = 128>
    ```
  }];
  let parameters = (ins
    "int64_t":$max_seq_len,
    "int64_t":$max_tokens_per_step,
    "int64_t":$max_batch,
    "int64_t":$kv_blocks,
    "int64_t":$block_size,
    OptionalParameter<"::std::optional<int64_t>">:$token_shares,
    OptionalParameter<"::std::optional<int64_t>">:$max_logit_rows);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [AttrBuilder<(ins "int64_t":$maxSeqLen, "int64_t":$maxTokensPerStep, "int64_t":$maxBatch,
                                   "int64_t":$kvBlocks, "int64_t":$blockSize), [{
    return $_get($_ctxt, maxSeqLen, maxTokensPerStep, maxBatch, kvBlocks, blockSize, ::std::nullopt, ::std::nullopt);
  }]>];
  let extraClassDeclaration = [{
    /// Entries of a row of block tables: ceil(max_seq_len / block_size).
    int64_t getMaxBlocksPerSequence() const {
      return (getMaxSeqLen() + getBlockSize() - 1) / getBlockSize();
    }
    /// The largest value of a symbol.
    int64_t getBound(Symbol symbol) const {
      if (symbol == Symbol::LogitRows && getMaxLogitRows())
        return *getMaxLogitRows();
      const int64_t shares = symbol == Symbol::TokenShares ? getTokenShares().value_or(1) : 1;
      return symbol == Symbol::Sequences ? getMaxBatch() : (getMaxTokensPerStep() + shares - 1) / shares;
    }
  }];
}

def Llm_PrecisionAttr : Llm_Attr<"Precision", "precision"> {
  let summary = "In which element type each region of the model computes.";
  let description = [{
    Carried by the module as `llm.precision`; a module without it says nothing. The types stand on the ops as well, which
    is what lowering follows:

    | region | stands on |
    |---|---|
    | `compute` | activations and the KV cache: inputs of `matmul`, `rms_norm`, `rope`, `attention` |
    | `layernorm` | `rms_norm .. in` |
    | `softmax` | `attention .. softmax` |
    | `rotary` | the table of `rope_table` and `rope` |
    | `parameters` | weights |

    `layernorm`, `softmax` and `rotary` are each f32 or `compute`; `parameters` is `compute`, which is the `dtype` of
    `llm.model`. Logits and the routing of experts are f32 under every policy.

    With `keep_origin = true` the verifier compares every op of the table, and every `npu.launch` that such an op has
    become, with the policy: a pass that changes a type fails.

    ```mlir
    #llm.precision<compute = f16, layernorm = f16, softmax = f16, rotary = f16, parameters = f16, keep_origin = true>
    ```
  }];
  let parameters = (ins
    "::mlir::Type":$compute,
    "::mlir::Type":$layernorm,
    "::mlir::Type":$softmax,
    "::mlir::Type":$rotary,
    "::mlir::Type":$parameters,
    "::mlir::BoolAttr":$keep_origin);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::mlir::Type getTypeOf(PrecisionRegion region) const;
  }];
}

def Llm_KvCacheType : TypeDef<Llm_Dialect, "KvCache"> {
  let mnemonic = "kv_cache";
  let summary = "The paged KV cache of one layer.";
  let description = [{
    Keys and values of one layer for all sequences, in blocks of `block_size` tokens (`llm.limits`). The value stands for
    the cache's *contents*: `llm.kv_append` takes one and returns the next, so that the order of writing and reading is in
    the data flow.

    ```mlir
    !llm.kv_cache<2x64xbf16>    // num_key_value_heads x head_dim x element type
    ```
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$head_dim, "::mlir::Type":$element_type);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
