"""The network of the side model: reads a window of words both ways and says, of each word, what fact it states and where to look
for the names.

Words enter as an embedding (known words), the sum of their pieces and their shape. Two convolutions see the neighbours, two
transformer layers the window. Behind them stand four linear readers: tags of names; the fact (none, or relation and tone); and
for subject and object a pointer each, the product of a question at the word with an answer at every word of the window, plus a
learnt number for how far back that is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loci.memories.side_words import BUCKETS, PADDING, TONES

NOTHING = 0  # the fact of a word that states none
_SHAPES, _TAGS, _DISTANCES = 6, 3, 20
_POINTERS = 2  # subject, object


@dataclass(frozen=True)
class Said:
    """Scores for a batch of windows. tags: [B, T, 3]; facts: [B, T, 1 + relations x tones]; states: [B, T, width]."""

    tags: Tensor
    facts: Tensor
    states: Tensor


class SideNetwork(nn.Module):
    """words: how many are known, PADDING and UNKNOWN among them. longest: words of the longest window."""

    def __init__(self, words: int, relations: int, width: int, longest: int):
        super().__init__()
        self.longest = longest
        self.word = nn.Embedding(words, width, padding_idx=PADDING)
        self.piece = nn.EmbeddingBag(BUCKETS, width, mode="sum", padding_idx=PADDING)
        self.shape = nn.Embedding(_SHAPES, width, padding_idx=PADDING)
        self.place = nn.Embedding(longest, width)
        self.near = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(2))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, batch_first=True, norm_first=True)
        self.far = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)
        self.tag = nn.Linear(width, _TAGS)
        self.fact = nn.Linear(width, 1 + relations * TONES)
        self.ask = nn.Linear(width, _POINTERS * width)
        self.answer = nn.Linear(width, _POINTERS * width)
        self.distance = nn.Parameter(torch.zeros(_POINTERS, 2 * _DISTANCES))
        for table in (self.word, self.piece, self.shape, self.place):
            nn.init.normal_(table.weight, std=0.1)
        with torch.no_grad():
            for table in (self.word, self.piece, self.shape):
                table.weight[PADDING].zero_()

    def forward(self, inputs: Tensor) -> Said:
        """inputs: int64 [B, T, 2 + pieces], words of 0 behind the end."""
        there = inputs[..., 0] != PADDING  # [B, T]
        pieces = self.piece(inputs[..., 2:].flatten(0, 1)).view(*there.shape, -1)
        # Places count from the end: what is new stands last in every window.
        back = there.flip(1).cumsum(1).flip(1).sub(1).clamp(min=0)
        read = self.word(inputs[..., 0]) + pieces + self.shape(inputs[..., 1]) + self.place(back)
        read = self.dropout(read) * there[..., None]
        for near in self.near:
            read = read + F.gelu(near(read.transpose(1, 2))).transpose(1, 2) * there[..., None]
        states = self.norm(self.far(read, src_key_padding_mask=~there))
        return Said(self.tag(states), self.fact(states), states)

    def pointers(self, states: Tensor, there: Tensor, row: Tensor, at: Tensor) -> Tensor:
        """Log-probabilities [A, 2, T] of where subject and object begin, for A words: `at` [A] of windows `row` [A]."""
        width = states.shape[-1]
        asked = self.ask(states[row, at]).view(-1, _POINTERS, width)
        answers = self.answer(states).view(*states.shape[:2], _POINTERS, width)[row]  # [A, T, 2, width]
        scores = torch.einsum("apw,atpw->apt", asked, answers) / width**0.5
        scores = scores + self.distance[:, self._bucket(at[:, None] - torch.arange(states.shape[1]))].transpose(0, 1)
        return scores.masked_fill(~there[row][:, None], -torch.inf).log_softmax(-1)

    @staticmethod
    def _bucket(back: Tensor) -> Tensor:
        """Which of the learnt numbers a distance takes: exact up to 7 words, then by the logarithm; ahead apart from back."""
        size = back.abs()
        coarse = 8 + (size.clamp(min=8).float() / 8).log2().mul(2).long()
        return torch.where(size < 8, size, coarse).clamp(max=_DISTANCES - 1) + _DISTANCES * (back < 0)
