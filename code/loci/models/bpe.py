"""A byte-level BPE tokenizer, trained on the corpus that a model is trained on (package tokenizers)."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from loci.errors import UserError
from loci.models.canonical import canonical_map
from loci.results import write_bytes

BOS = "<|bos|>"
TRIPLETS = ("<|triplet_start|>", "<|triplet_end|>")  # around triplets that a model says itself
ASKED = ("<|question|>", "<|answer|>")
SPECIAL = (BOS, *TRIPLETS, *ASKED)
_BYTES = 256


def train_bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer with `vocabulary` ids, special tokens first, then the 256 bytes; every text can be written in it.

    Raises UserError where the vocabulary has no room, or the texts do not have that many pieces in them.
    """
    if vocabulary < len(SPECIAL) + _BYTES:
        raise UserError("vocabulary", f"is {vocabulary}", f"give at least {len(SPECIAL) + _BYTES}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocabulary:
        found = tokenizer.get_vocab_size()
        raise UserError(
            "corpus", f"has pieces for {found} tokens, not for {vocabulary}", "give more text, or a smaller vocabulary"
        )
    return tokenizer


def save_bpe(tokenizer: Tokenizer, path: Path) -> None:
    """Write the tokenizer as JSON, whole or not at all."""
    write_bytes(path, tokenizer.to_str().encode())


def load_bpe(path: Path) -> Tokenizer:
    """Read a tokenizer that `save_bpe` wrote; UserError for another file."""
    if not Path(path).is_file():
        raise UserError(path, "no such file", "train the tokenizer first")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as fault:  # the package raises no narrower class
        raise UserError(path, f"is not a tokenizer ({fault})", "train it again") from None
    missing = [token for token in SPECIAL if tokenizer.token_to_id(token) is None]
    if missing:
        raise UserError(path, f"has no {missing[0]}", "train it again")
    return tokenizer


def bytes_of(tokenizer: Tokenizer) -> torch.Tensor:
    """How many bytes of text each token stands for, 0 for special ones: int64 [V]."""
    size = tokenizer.get_vocab_size()
    return torch.tensor([0 if (token := tokenizer.id_to_token(at)) in SPECIAL else len(token) for at in range(size)])


def canonical_of(tokenizer: Tokenizer) -> torch.Tensor:
    """For each token id the smallest one with the same canonical text: int64 [V]."""
    special = {tokenizer.token_to_id(token) for token in SPECIAL}
    return torch.tensor(
        canonical_map(
            tokenizer.get_vocab_size(), special, lambda token_id: tokenizer.decode([token_id], skip_special_tokens=False)
        )
    )
