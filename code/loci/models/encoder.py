"""Sentence vectors and token vectors of texts, computed once a text.

A sentence's vector is the mean of its token vectors, scaled to length 1 (as all-MiniLM-L6-v2 was trained to be used); token
vectors, for late interaction, are scaled to length 1 each, without special tokens.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from loci.models.base import load_encoder
from loci.models.registry import WEIGHTS, verify
from loci.paths import MODELS

_BATCH = 64  # texts read at once, of like length
_LONGEST = 256  # tokens; what all-MiniLM-L6-v2 was trained on, longer texts are cut


@dataclass(eq=False)
class Encoder:
    """A frozen encoder and what it has encoded so far. `sha256` identifies its weights in every index.

    query_ms: milliseconds that each question took when it was read, alone, for the first time.
    """

    model: torch.nn.Module
    tokenizer: object
    sha256: str
    _sentences: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    query_ms: list[float] = field(default_factory=list, repr=False)
    _tokens: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _queries: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, name: str, folder: Path | None = None) -> "Encoder":
        """The encoder in models/<name> or `folder`; UserError that names the fetch command where it is missing."""
        model, tokenizer = load_encoder(name, folder)
        return cls(model, tokenizer, verify(Path(folder or MODELS / name), name)["files"][WEIGHTS])

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of length 1, float32 [N, D]."""
        for text, sentence, _ in self._read_all([text for text in dict.fromkeys(texts) if text not in self._sentences]):
            self._sentences[text] = sentence
        return np.stack([self._sentences[text] for text in texts]) if texts else np.zeros((0, self.width), np.float32)

    def tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """For each text its token vectors of length 1, float32 [T, D]."""
        for text, _, tokens in self._read_all([text for text in dict.fromkeys(texts) if text not in self._tokens]):
            self._tokens[text] = tokens
        return [self._tokens[text] for text in texts]

    @torch.inference_mode()
    def words(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """For each sentence, given as words, their vectors of length 1 in the middle layer and the last, float16 [words, 2 D].

        A word that is cut into several tokens has the mean of theirs. Nothing is kept.
        """
        found: list[np.ndarray] = [np.zeros((0, 2 * self.width), np.float16)] * len(sentences)
        order = sorted((at for at, words in enumerate(sentences) if words), key=lambda at: len(sentences[at]))
        how = {"is_split_into_words": True, "padding": True, "truncation": True, "max_length": _LONGEST}
        for first in range(0, len(order), _BATCH):
            part = order[first : first + _BATCH]
            batch = self.tokenizer([list(sentences[at]) for at in part], return_tensors="pt", **how)
            layers = self.model(**batch, output_hidden_states=True).hidden_states
            both = (layers[len(layers) // 2], layers[-1])
            hidden = torch.cat([torch.nn.functional.normalize(one, dim=-1) for one in both], dim=-1)
            for row, at in enumerate(part):
                places = np.array([-1 if word is None else word for word in batch.word_ids(row)])
                total, inside = np.zeros((len(sentences[at]), hidden.shape[2]), np.float32), places >= 0
                np.add.at(total, places[inside], hidden[row, inside].numpy())
                counts = np.bincount(places[inside], minlength=len(total))
                found[at] = (total / np.maximum(counts, 1)[:, None]).astype(np.float16)
        return found

    def query(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """(sentence vector [D], token vectors [T, D]) of a question, read alone as it comes."""
        if text not in self._queries:
            start = time.perf_counter()
            self._queries[text] = self._read([text])[0][1:]
            self.query_ms.append(1000 * (time.perf_counter() - start))
        return self._queries[text]

    def _read_all(self, texts: list[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        texts.sort(key=lambda text: (len(text), text))  # like lengths together: padding is work
        for at in range(0, len(texts), _BATCH):
            yield from self._read(texts[at : at + _BATCH])

    @torch.inference_mode()
    def _read(self, texts: list[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
        how = {"padding": True, "truncation": True, "max_length": _LONGEST, "return_special_tokens_mask": True}
        batch = self.tokenizer(texts, return_tensors="pt", **how)
        words = (batch.pop("special_tokens_mask") == 0).numpy()  # [B, T], padding counts as special
        hidden = self.model(**batch).last_hidden_state  # [B, T, D]
        mask = batch.attention_mask[..., None].to(hidden.dtype)
        sentences = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()
        hidden = torch.nn.functional.normalize(hidden, dim=-1).numpy()
        return [(text, sentences[at].copy(), hidden[at, words[at]]) for at, text in enumerate(texts)]
