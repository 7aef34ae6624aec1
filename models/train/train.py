#!/usr/bin/env python3
"""Trains the small models of this folder and writes their checkpoints and reference outputs.

    models/train/export-corpus corpus
    models/train/train.py --corpus corpus --out trained

needs torch and transformers 5. A model takes about a minute on one GPU. The tokenizer comes out the same every time;
the weights do not, because the length of the training is given in seconds and GPU sums have no fixed order.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

import corpus
import goldens

TRAINING_CONTEXT = 256
BATCH = 64
PEAK_LEARNING_RATE = 2e-3
FINAL_LEARNING_RATE_SHARE = 0.05
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.1
EMBEDDING_DROPOUT = 0.2
ATTENTION_DROPOUT = 0.1
GRADIENT_NORM = 1.0
EVALUATION_INTERVAL = 150
EVALUATION_TOKENS = 20_000
ROPE_THETA = 1_000_000.0
MAX_POSITIONS = 2048


@dataclass(frozen=True)
class Recipe:
    """A model: its architecture, its dimensions, and what its training and its files need besides."""

    config_class: type
    model_class: type
    dimensions: dict
    shard_size: str
    time_factor: float = 1.0
    """Share of --seconds-per-model; sparse models take more time per step."""
    balance_weight: float = 0.0
    """Weight of the loss that spreads the tokens over the experts; 0 for a dense model."""


DENSE = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=8,
             num_key_value_heads=4, tie_word_embeddings=True)

RECIPES = {
    "austen-qwen2": Recipe(Qwen2Config, Qwen2ForCausalLM, DENSE, shard_size="14MB"),
    "austen-qwen3": Recipe(Qwen3Config, Qwen3ForCausalLM, DENSE | dict(head_dim=64), shard_size="14MB"),
    "austen-qwen3-moe": Recipe(
        Qwen3MoeConfig,
        Qwen3MoeForCausalLM,
        DENSE | dict(head_dim=64, num_key_value_heads=2, tie_word_embeddings=False, moe_intermediate_size=64,
                     num_experts=16, num_experts_per_tok=4, norm_topk_prob=True, decoder_sparse_step=1,
                     router_aux_loss_coef=0.01),
        shard_size="9MB", time_factor=1.4, balance_weight=0.01),
}


def new_model(recipe: Recipe, end_of_text: int):
    """A model with random weights, ready to be trained."""
    torch.manual_seed(1)
    return recipe.model_class(recipe.config_class(
        **recipe.dimensions,
        vocab_size=corpus.VOCAB_SIZE,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        rms_norm_eps=1e-6,
        attention_dropout=ATTENTION_DROPOUT,
        bos_token_id=end_of_text,
        eos_token_id=end_of_text,
        pad_token_id=end_of_text,
    ))


def learning_rate(step: int, progress: float) -> float:
    """Linear warm-up by steps, times a cosine by the part of the time that is gone (0 to 1)."""
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    decay = FINAL_LEARNING_RATE_SHARE + (1 - FINAL_LEARNING_RATE_SHARE) * cosine
    return PEAK_LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * decay


def random_batch(ids: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """BATCH excerpts of the text, and the same excerpts one token later."""
    starts = torch.randint(len(ids) - TRAINING_CONTEXT, (BATCH, 1), generator=generator, device=ids.device)
    excerpts = ids[starts + torch.arange(TRAINING_CONTEXT + 1, device=ids.device)]
    return excerpts[:, :-1], excerpts[:, 1:]


def training_loss(model, recipe: Recipe, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the next token, with dropout on the embeddings, plus the experts' balance loss."""
    sparse = recipe.balance_weight > 0
    with torch.autocast(inputs.device.type, torch.bfloat16):
        embedded = F.dropout(model.get_input_embeddings()(inputs), EMBEDDING_DROPOUT)
        output = model(inputs_embeds=embedded, **({"output_router_logits": True} if sparse else {}))
    loss = F.cross_entropy(output.logits.float().flatten(0, 1), targets.flatten())
    return loss + recipe.balance_weight * output.aux_loss if sparse else loss


class BestWeights:
    """Remembers the weights that did best on the validation text, which a small corpus needs: training overfits."""

    def __init__(self, validation: torch.Tensor):
        self.validation = validation
        self.nll = math.inf
        self.step = 0
        self.weights = {}

    def look(self, model, step: int) -> None:
        model.eval()
        nll = goldens.mean_nll(model, self.validation)
        model.train()
        if nll < self.nll:
            self.nll, self.step = nll, step
            self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}


def train(name: str, model, recipe: Recipe, training: torch.Tensor, validation: torch.Tensor, seconds: float) -> None:
    """Trains for a number of seconds and leaves the model with the weights that did best on the validation text."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY, fused=True)
    generator = torch.Generator(training.device).manual_seed(2)
    best = BestWeights(validation[:EVALUATION_TOKENS])
    model.train()
    step, start = 0, time.monotonic()
    while (progress := (time.monotonic() - start) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress)
        loss = training_loss(model, recipe, *random_batch(training, generator))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
        optimizer.step()
        step += 1
        if step % EVALUATION_INTERVAL == 0:
            best.look(model, step)
    best.look(model, step)
    model.load_state_dict(best.weights)
    print(f"{name}: {step} steps, best validation NLL {best.nll:.4f} after step {best.step}", flush=True)


def rewrite_config(folder: Path) -> None:
    """Spells config.json as the checkpoints of 2024 and 2025 do, which is what most readers expect.

    transformers 5 gathers the rotary settings in `rope_parameters`, says `dtype`, and lists every layer's type.
    """
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.51.0"
    config.pop("layer_types", None)
    if "num_local_experts" in config:
        config["num_experts"] = config.pop("num_local_experts")
    file.write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n")


def save(model, recipe: Recipe, tokenizer, folder: Path) -> None:
    """Writes the checkpoint in bfloat16, its configuration and its tokenizer."""
    model.to(torch.bfloat16)
    model.config.attention_dropout = 0.0
    model.save_pretrained(folder, max_shard_size=recipe.shard_size)
    rewrite_config(folder)
    tokens = {f"{role}_token_id": getattr(model.config, f"{role}_token_id") for role in ("bos", "eos", "pad")}
    (folder / "generation_config.json").write_text(json.dumps(tokens, indent=1) + "\n")
    corpus.save_tokenizer(tokenizer, folder, MAX_POSITIONS)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder written by export-corpus")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where a folder per model is written")
    parser.add_argument("--only", choices=RECIPES, metavar="NAME", help=f"one model: {', '.join(RECIPES)}")
    parser.add_argument("--seconds-per-model", type=float, default=45, metavar="N", help="training time (default 45)")
    parser.add_argument("--device", default="cuda", help="where to train: cuda (default), cuda:1, cpu")
    options = parser.parse_args()
    if options.seconds_per_model <= 0:
        parser.error(f"--seconds-per-model: {options.seconds_per_model:g} is not above 0")
    missing = [novel for novel in corpus.NOVELS if not (options.corpus / f"{novel}.txt").is_file()]
    if missing:
        parser.error(f"--corpus: {options.corpus} has no {missing[0]}.txt; run export-corpus first")
    return options


def main() -> None:
    options = arguments()
    torch.backends.cuda.matmul.allow_tf32 = True
    texts, held_out = corpus.read_novels(options.corpus)
    tokenizer = corpus.train_tokenizer(texts)
    training = torch.tensor(corpus.encode_texts(tokenizer, texts), device=options.device)
    validation = torch.tensor(corpus.encode_texts(tokenizer, held_out), device=options.device)
    print(f"{len(training)} tokens to train on, {len(validation)} held out", flush=True)

    for name in [options.only] if options.only else RECIPES:
        recipe = RECIPES[name]
        model = new_model(recipe, tokenizer.token_to_id(corpus.END_OF_TEXT)).to(options.device)
        train(name, model, recipe, training, validation, options.seconds_per_model * recipe.time_factor)
        folder = options.out / name
        folder.mkdir(parents=True, exist_ok=True)
        save(model, recipe, tokenizer, folder)
        golden = goldens.write_goldens(folder, tokenizer, validation)
        print(f"{name}: {model.num_parameters()} parameters, "
              f"validation NLL {golden['validation_nll_fp32']:.5f} in float32", flush=True)
        for case in golden["cases"]:
            print(f"  {case['prompt']} ->{case['text']}", flush=True)


if __name__ == "__main__":
    main()
