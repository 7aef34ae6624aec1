"""What a reader of the checkpoints must reproduce: the loss on held-out text and the greedy way on from five prompts.

The reference computes in float32 on the CPU with the bfloat16 weights as they are stored.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForCausalLM

PROMPTS = (
    "It is a truth universally acknowledged, that",
    "Emma Woodhouse, handsome, clever, and rich,",
    "The family of",
    '"My dear Mr. Bennet," said his lady to him one day,',
    "Captain Wentworth",
)
NEW_TOKENS = 48
VALIDATION_TOKENS = 8192
WINDOW = 512


@torch.no_grad()
def mean_nll(model, ids: torch.Tensor, window: int = WINDOW) -> float:
    """Mean negative log-likelihood per token, in nats.

    The ids are cut into windows of `window` predictions that do not see each other; the first id is only context.
    """
    total = 0.0
    for start in range(0, len(ids) - 1, window):
        piece = ids[start : start + window + 1]
        logits = model(piece[None, :-1]).logits[0].float()
        total += F.cross_entropy(logits, piece[1:], reduction="sum").item()
    return total / (len(ids) - 1)


def rounded(values: torch.Tensor, digits: int) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


@torch.no_grad()
def greedy_case(model, tokenizer, prompt: str) -> dict:
    """The prompt's logits, and the NEW_TOKENS most likely ids one after the other.

    `greedy_margin` is the distance between the two best logits at each step: where it is small, another order of
    summation may rightly choose the other token.
    """
    ids = tokenizer.encode(prompt).ids
    prompt_logits = model(torch.tensor([ids])).logits[0]
    sequence, margins = list(ids), []
    for _ in range(NEW_TOKENS):
        best = model(torch.tensor([sequence])).logits[0, -1].topk(2)
        margins.append(best.values[0] - best.values[1])
        sequence.append(best.indices[0].item())
    greedy = sequence[len(ids) :]
    return {
        "prompt": prompt,
        "ids": ids,
        "greedy": greedy,
        "greedy_margin": rounded(torch.stack(margins), 5),
        "text": tokenizer.decode(greedy),
        "last_logits": rounded(prompt_logits[-1], 5),
        "logsumexp_per_position": rounded(prompt_logits.logsumexp(-1), 6),
    }


def write_goldens(folder: Path, tokenizer, validation: torch.Tensor) -> dict:
    """Writes validation_ids.json and golden.json for the checkpoint in a folder; returns the latter's content.

    The checkpoint is read back from its files, so that what is measured is what was written.
    """
    validation = validation[: VALIDATION_TOKENS + 1]
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    golden = {
        "reference": f"transformers {transformers.__version__}, fp32 arithmetic on the bf16 weights, "
                     "eager attention, CPU",
        "validation_nll_fp32": mean_nll(reference, validation.cpu()),
    }
    if validation.is_cuda:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval().to(validation.device)
        golden["validation_nll_bf16_gpu"] = mean_nll(model, validation)
    golden |= {
        "validation_tokens": len(validation) - 1,
        "validation_window": WINDOW,
        "cases": [greedy_case(reference, tokenizer, prompt) for prompt in PROMPTS],
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    (folder / "validation_ids.json").write_text(json.dumps(validation.tolist()) + "\n")
    return golden
