"""[mem] vectors: K trainable input vectors in front of a frozen language model that make it say one text, token by token.

After "Cramming 1568 tokens into a single vector and back again" (Kuratov et al., arXiv 2502.13063), many texts at once.
Its recipe is one setting: a new draw for each length, the first token neither trained nor scored. Ours scores it too, lets a
vector of one length start the next one, may put a few constant tokens in front, the same for all texts, whose keys and values
are read once, and may weigh tokens by how unsure the model still is of them (focal loss, Lin et al., arXiv 1708.02002). A
text that is exact leaves the batch; what is kept is the vector whose accuracy was measured, never one step later.

Shapes: B texts, K vectors, d width, P constant tokens, L tokens of a text, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F
from transformers import DynamicCache

from loci.errors import UserError
from loci.models.tuning import Layers


@dataclass(frozen=True)
class MemSettings:
    """vectors: K. rate, betas, decay: AdamW's. steps: at most, for each text and length. patience: steps without progress,
    a better accuracy or a lower loss, after which a text is given up at a length. first: token 1 is trained and scored. scale: of
    the first draw, in standard deviations of the embedding matrix. focus: each token's nats are weighted by (1 - its
    probability) to this power; 0 for plain cross-entropy."""

    vectors: int
    rate: float
    steps: int
    patience: int
    betas: tuple[float, float] = (0.9, 0.9)
    decay: float = 0.01
    first: bool = True
    scale: float = 1.0
    focus: float = 0.0

    @classmethod
    def of(cls, vectors: int, settings: dict) -> "MemSettings":
        """For K vectors, as a profile's `mem` says."""
        return cls(vectors, **{name: settings[name] for name in FITTED})


FITTED = ("rate", "scale", "focus", "steps", "patience")  # what of a profile's `mem` says how vectors are fitted
_FALL = 0.97  # of the lowest loss so far: what is less has made progress
# Its steps are 5,000, its patience 2,000 without a better accuracy.
PUBLISHED = {"rate": 0.01, "betas": (0.9, 0.9), "decay": 0.01, "first": False, "scale": 1.0}


@dataclass(frozen=True)
class Crammed:
    """What came out for one text at one length. vectors: [K, d]. right: bool [L], of each token under teacher forcing. nats: [L],
    cross-entropy of each token behind these vectors. steps: that were taken at this length, to no avail or not."""

    vectors: torch.Tensor
    right: torch.Tensor
    nats: torch.Tensor
    steps: int


class Front:
    """A frozen model and what stands before everything else: constant tokens, or keys and values that were trained."""

    @torch.no_grad()
    def __init__(self, model, constant: Sequence[int] = ()):
        self.model, self.embedding, self.layers, self.before = model, model.get_input_embeddings(), [], 0
        self.next = None  # logits [1, V] of the first token behind the constant ones
        if constant:
            cache = DynamicCache()
            read = model.get_decoder()(input_ids=torch.tensor([list(constant)]), past_key_values=cache, use_cache=True)
            self.layers: Layers = [(layer.keys, layer.values) for layer in cache.layers]
            self.next, self.before = model.get_output_embeddings()(read.last_hidden_state[:, -1]), len(constant)

    def behind(self, layers: Layers) -> "Front":
        """This front with keys and values [1, H, P, head] of each layer behind it; gradients reach these."""
        front = Front(self.model)
        front.layers = layers
        if self.layers:
            front.layers = [tuple(map(_joined, old, new)) for old, new in zip(self.layers, layers, strict=True)]
        front.before = self.before + layers[0][0].shape[2]
        return front

    def cache(self, batch: int) -> DynamicCache:
        """Keys and values of the front for so many texts."""
        cache = DynamicCache()
        for at, layer in enumerate(self.layers):
            cache.update(*(part.expand(batch, -1, -1, -1) for part in layer), at)
        return cache

    def hidden(self, inputs: torch.Tensor) -> torch.Tensor:
        """Last hidden states [B, T, d] of inputs [B, T, d]; what pads them stands behind them."""
        places = torch.arange(self.before, self.before + inputs.shape[1])[None].expand(len(inputs), -1)
        read = {"past_key_values": self.cache(len(inputs)), "use_cache": True} if self.layers else {"use_cache": False}
        return self.model.get_decoder()(inputs_embeds=inputs, position_ids=places, **read).last_hidden_state

    def logits(self, vectors: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits [B, L, V] before each token of texts [B, L] behind vectors [B, K, d]; the last token is never read."""
        hidden = self.hidden(torch.cat([vectors, self.embedding(ids[:, :-1])], 1))
        return self.model.get_output_embeddings()(hidden[:, vectors.shape[1] - 1 :])

    @torch.no_grad()
    def bare_nats(self, ids: torch.Tensor) -> torch.Tensor:
        """Cross-entropy [B, L] of each token of texts [B, L] without vectors. The first follows the constant tokens; where there
        are none, the model says nothing about it, and it counts as drawn evenly from the vocabulary."""
        rest = self.model.get_output_embeddings()(self.hidden(self.embedding(ids[:, :-1])))
        even = rest.new_zeros(1, rest.shape[-1])
        first = (even if self.next is None else self.next).expand(len(ids), -1)[:, None]
        return F.cross_entropy(torch.cat([first, rest], 1).transpose(1, 2), ids, reduction="none")

    def draw(self, texts: int, settings: MemSettings, seed: int) -> torch.Tensor:
        """Vectors [B, K, d] to start from: noise as wide as the embedding matrix, times `scale`."""
        width = self.embedding.embedding_dim
        noise = torch.randn(texts, settings.vectors, width, generator=torch.Generator().manual_seed(seed))
        return noise * self.embedding.weight.std() * settings.scale

    def check(self, tokens: int, vectors: int, what: str) -> None:
        """UserError for a text of so many tokens that does not fit behind `vectors` vectors."""
        room = self.model.config.max_position_embeddings - self.before - vectors
        if tokens > room:
            raise UserError(what, f"has {tokens} tokens, {room} fit in the model's window", "cut it, or compress it in pieces")
        if tokens < 1:
            raise UserError(what, "has no tokens", "give a text")


def _joined(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    return torch.cat([old, new], 2)


def cram(
    front: Front,
    texts: Sequence[Sequence[int]],
    settings: MemSettings,
    start: torch.Tensor,
    watch: Callable[[int], None] = lambda _tokens: None,
    left: Sequence[int] | None = None,
) -> list[Crammed]:
    """Vectors for texts, all at once, from `start` [B, K, d] on. watch: told tokens that each step read. left: steps that each
    text may still take, where that is less than `steps`.

    Each text ends as soon as it is exact, after its steps, or after `patience` steps without progress.
    """
    lengths, skipped = torch.tensor([len(text) for text in texts]), int(not settings.first)
    for text in texts:
        front.check(len(text), settings.vectors, "text")
    ids = torch.tensor([[*text, *[text[-1]] * (int(lengths.max()) - len(text))] for text in texts])  # padding is never scored
    scored = torch.arange(ids.shape[1]) < lengths[:, None]
    scored[:, :skipped] = False
    at, most = torch.arange(len(texts)), torch.tensor([min(settings.steps, one) for one in left or [settings.steps] * len(texts)])
    best: list[Crammed | None] = [None] * len(texts)
    score, lowest = torch.full((len(texts),), -1), torch.full((len(texts),), torch.inf)
    better, taken = (torch.zeros(len(texts), dtype=torch.int64) for _ in range(2))  # step of the last progress; steps in all
    adam = Adam(start.clone(), settings)
    for step in range(settings.steps + 1):
        vectors = adam.values.detach().requires_grad_(True)
        logits = front.logits(vectors, ids[at])
        nats = F.cross_entropy(logits.transpose(1, 2), ids[at], reduction="none")  # [B', L]
        right = logits.detach().argmax(-1) == ids[at]
        watch(right.numel())
        found = (right & scored[at]).sum(1)
        for place in (found > score[at]).nonzero().flatten().tolist():
            text = int(at[place])
            kept = slice(0, int(lengths[text]))
            best[text] = Crammed(vectors[place].detach().clone(), right[place, kept], nats[place, kept].detach(), 0)
            score[text], better[text] = found[place], step
        means = (nats.detach() * scored[at]).sum(1) / scored[at].sum(1)
        fallen = means < _FALL * lowest[at]
        better[at[fallen]], lowest[at[fallen]], taken[at] = step, means[fallen], step
        open_ = (found < scored[at].sum(1)) & (step - better[at] < settings.patience) & (step < most[at])
        if not bool(open_.any()):
            break
        unsure = (1 - (-nats.detach()).exp()) ** settings.focus
        losses = (nats * unsure * scored[at]).sum(1) / scored[at].sum(1)
        (gradient,) = torch.autograd.grad(losses[open_].sum(), vectors)
        adam.step(gradient)
        if not bool(open_.all()):
            at = at[open_]
            adam.keep(open_)
    return [replace(one, steps=int(steps)) for one, steps in zip(best, taken, strict=True)]


def begin(
    front: Front,
    texts: Sequence[Sequence[int]],
    settings: MemSettings,
    seed: int,
    within: int,
    again: int,
    watch: Callable[[int], None] = lambda _tokens: None,
) -> list[Crammed]:
    """Vectors from a first draw for short texts. What is not exact after `within` steps is drawn anew, at most `again` times;
    steps of every draw count. Where no draw is exact the last one is kept."""
    found: list[Crammed | None] = [None] * len(texts)
    for draw in range(again + 1):
        left = [at for at, one in enumerate(found) if not (one and bool(one.right.all()))]
        if not left:
            break
        start = front.draw(len(texts), settings, seed + draw)[left]
        most = None if draw == again else [within] * len(left)
        crammed = cram(front, [texts[at] for at in left], settings, start, watch, most)
        for at, one in zip(left, crammed, strict=True):
            found[at] = replace(one, steps=one.steps + (found[at].steps if found[at] else 0))
    return found


def grow(
    front: Front,
    texts: Sequence[Sequence[int]],
    settings: MemSettings,
    start: torch.Tensor,
    by: int,
    watch: Callable[[int], None] = lambda _tokens: None,
) -> Iterator[tuple[int, list[Crammed]]]:
    """(length, vectors of the texts cut to it), `by` tokens longer each time, until all texts are whole. The vectors of one
    length start the next one. A text that is whole stays as it is."""
    found: list[Crammed | None] = [None] * len(texts)
    for length in range(by, by + max(map(len, texts)), by):
        grown = [at for at, text in enumerate(texts) if len(text) > length - by]
        first = torch.stack([found[at].vectors if found[at] else start[at] for at in grown])
        crammed = cram(front, [texts[at][:length] for at in grown], settings, first, watch)
        for at, one in zip(grown, crammed, strict=True):
            found[at] = replace(one, steps=one.steps + (found[at].steps if found[at] else 0))
        yield length, list(found)


class Adam:
    """AdamW over vectors [B, K, d] of texts that leave one by one; each text's vectors move as they would alone."""

    def __init__(self, values: torch.Tensor, settings: MemSettings):
        self.values, self._how, self._steps = values, settings, 0
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)

    def step(self, gradient: torch.Tensor) -> None:
        self._steps += 1
        first, second = self._how.betas
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self._square / (1 - second**self._steps)).sqrt_().add_(1e-8)
        self.values = self.values * (1 - self._how.rate * self._how.decay)
        self.values.addcdiv_(self._mean / (1 - first**self._steps), size, value=-self._how.rate)

    def keep(self, chosen: torch.Tensor) -> None:
        self.values, self._mean, self._square = (part[chosen] for part in (self.values, self._mean, self._square))


@torch.no_grad()
def greedy(front: Front, inputs: Sequence[torch.Tensor], most: int, ends: Set[int] = frozenset()) -> list[list[int]]:
    """What the model says behind each of B inputs [T_i, d]: at most `most` tokens, up to and without one of `ends`."""
    width, batch = max(map(len, inputs)), len(inputs)
    lengths = torch.tensor([len(one) for one in inputs])
    padded = torch.stack([F.pad(one, (0, 0, width - len(one), 0)) for one in inputs])
    mask = (torch.arange(width) >= width - lengths[:, None]).long()
    places = front.before + (mask.cumsum(1) - 1).clamp_min(0)
    mask = torch.cat([mask.new_ones(batch, front.before), mask], 1)
    cache, said = front.cache(batch), [[] for _ in inputs]
    open_ = torch.ones(batch, dtype=torch.bool)
    for _ in range(most):
        read = front.model.get_decoder()(
            inputs_embeds=padded, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
        )
        token = front.model.get_output_embeddings()(read.last_hidden_state[:, -1]).argmax(-1)
        open_ &= ~torch.isin(token, torch.tensor(sorted(ends), dtype=torch.int64))
        if not bool(open_.any()):
            break
        for at in open_.nonzero().flatten().tolist():
            said[at].append(int(token[at]))
        padded, places = front.embedding(token)[:, None], places[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(batch, 1)], 1)
    return said
