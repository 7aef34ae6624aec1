"""The text the models learn from, and the tokenizer learned from it.

The corpus is a folder with one UTF-8 file per novel, as `export-corpus` writes it. The end of every novel is held
out for validation, so that each novel is represented in both parts.
"""

import json
from itertools import groupby
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

NOVELS = ("prideprejudice", "sensesensibility", "emma", "mansfieldpark", "northangerabbey", "persuasion")
TRAINING_SHARE = 0.92
"""The part of a novel's paragraphs, from its beginning, that is trained on."""

VOCAB_SIZE = 4096
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")

# How Qwen2 and Qwen3 cut text into words before byte-pair merging: contractions, words with one leading character,
# single digits, punctuation, line ends, other white space.
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)

CHAT_TEMPLATE = (
    "{%- for message in messages %}\n"
    "    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n"
    "{%- endif %}\n"
)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, each on one line; headings in capitals are left out."""
    lines = text.split("\n")
    blocks = (" ".join(" ".join(group).split()) for filled, group in groupby(lines, key=bool) if filled)
    return [block for block in blocks if len(block) > 1 and not block.isupper()]


def read_novels(folder: Path) -> tuple[list[str], list[str]]:
    """The training part and the validation part of each novel."""
    training, validation = [], []
    for novel in NOVELS:
        parts = paragraphs((folder / f"{novel}.txt").read_text(encoding="utf-8"))
        cut = int(len(parts) * TRAINING_SHARE)
        training.append("\n\n".join(parts[:cut]))
        validation.append("\n\n".join(parts[cut:]))
    return training, validation


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Learns a byte-level BPE of VOCAB_SIZE tokens, the special ones last. The same texts give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    if tokenizer.get_vocab_size() != VOCAB_SIZE:
        raise SystemExit(f"the corpus gives {tokenizer.get_vocab_size()} tokens, not {VOCAB_SIZE}: is it complete?")
    return tokenizer


def encode_texts(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    """The ids of all texts in a row, each closed by the end-of-text token."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    return [token for text in texts for token in [*tokenizer.encode(text).ids, end]]


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Writes tokenizer.json, the older pair vocab.json and merges.txt, and tokenizer_config.json."""
    tokenizer.save(str(folder / "tokenizer.json"))
    bpe = json.loads(tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(bpe["vocab"], ensure_ascii=False), encoding="utf-8")
    merges = "".join(f"{left} {right}\n" for left, right in bpe["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "add_bos_token": False,
        "add_prefix_space": False,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
