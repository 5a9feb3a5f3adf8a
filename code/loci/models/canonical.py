"""Canonical tokens: which tokens an address takes for the same, told from the tokenizer's file alone.

Kept apart from the addresses themselves, which need torch: what is written about texts (how much two triggers end alike
in tokens) needs the tokens only.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path

from tokenizers import Tokenizer

from loci.errors import UserError

_WHITE_SPACE = re.compile(r"\s+")


def canonical_text(text: str) -> str:
    """NFKC, accents stripped, case folded, white space collapsed; leading and trailing space dropped unless alone."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    text = "".join(char for char in text if not unicodedata.combining(char)).casefold()
    return _WHITE_SPACE.sub(" ", text).strip() or (" " if text else "")


def canonical_map(size: int, special: Collection[int], decode: Callable[[int], str]) -> list[int]:
    """For each of `size` token ids, the smallest id with the same canonical text.

    A token that is only a piece of a character (it decodes to the replacement character) and a special token keep
    their own id: their text does not say what they are.
    """
    first_with: dict[str, int] = {}
    mapped = []
    for token_id in range(size):
        text = decode(token_id)
        if token_id in special or "�" in text or not text:
            mapped.append(token_id)
        else:
            mapped.append(first_with.setdefault(canonical_text(text), token_id))
    return mapped


def load_encoder(folder: Path) -> Callable[[str], list[int]]:
    """A function from a text to its canonical token ids, by the tokenizer.json of a model's folder; no model is read.

    Raises UserError where the file is missing or is not a tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(path, "no such file", "give the folder of a model, e.g. models/smollm2-135m")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as fault:  # the package raises no narrower class
        raise UserError(path, f"is not a tokenizer ({fault})", "make it again with code/steps/fetch_model.py") from None
    special = {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    same = canonical_map(
        tokenizer.get_vocab_size(), special, lambda token_id: tokenizer.decode([token_id], skip_special_tokens=False)
    )
    return lambda text: [same[token_id] for token_id in tokenizer.encode(text, add_special_tokens=False).ids]
