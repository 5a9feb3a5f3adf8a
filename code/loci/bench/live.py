"""Live memory asked: what a frozen model answers from the state that a text left, and from what it should not be able to.

Arms. `state`: the user's own. `none`: nothing was read. `donor`: another user's, whose value of the asked attribute differs.
`shuffled`: the user's own with its numbers kept and moved: in each head's matrix the channels of keys are permuted, in the bank
the values against their keys. `matrices`: the bank is emptied; `bank`: the matrices are. `attention`: the plain decoder, which
reads the whole text again with each question.
"""

import time
from collections.abc import Sequence

import torch

from loci.models.gpt import GPT, Cache
from loci.models.live import LiveGPT, State
from loci.worlds.episodes import Episode, Words, numbers, vocabulary

ARMS = ("state", "none", "donor", "shuffled", "matrices", "bank")
PIECE = 256  # tokens read at once


@torch.no_grad()
def ingest(model: LiveGPT, tokens: torch.Tensor, state: State | None = None, piece: int = PIECE) -> State:
    """The state after tokens [B, T], read piece by piece after a state."""
    state = state or model.empty(tokens.shape[0])
    for part in tokens.split(piece, 1):
        _, state = model.read(part, state)
    return state


@torch.no_grad()
def said(model: LiveGPT, questions: Sequence[Words], state: State) -> list[str]:
    """The most likely word after each question [B], asked after its own row of the state; the state stays as it is."""
    longest = max(map(len, questions))
    tokens = torch.tensor([numbers(words) + [0] * (longest - len(words)) for words in questions])  # what follows is not seen
    hidden, _ = model.read(tokens, state)
    last = hidden[torch.arange(len(questions)), torch.tensor([len(words) - 1 for words in questions])]
    return [vocabulary()[at] for at in model.logits(last).argmax(-1)]


@torch.no_grad()
def said_after_all(model: GPT, tokens: torch.Tensor, questions: Sequence[Words]) -> list[str]:
    """As `said`, by a decoder that reads tokens [B, T] and then each question."""
    out = []
    for row, words in zip(tokens, questions, strict=True):
        whole = torch.cat([row, torch.tensor(numbers(words))])[None]
        out.append(vocabulary()[model.logits(model(whole)[0, -1]).argmax()])
    return out


def donors(episodes: Sequence[Episode]) -> list[int]:
    """For each episode the next one in which something else holds of the asked attribute."""
    found = []
    for at, one in enumerate(episodes):
        order = [(at + step) % len(episodes) for step in range(1, len(episodes))]
        other = (to for to in order if episodes[to].holds[one.asked.attribute] != one.asked.answer)
        found.append(next(other))
    return found


def changed(model: LiveGPT, state: State, arm: str, donor: Sequence[int], seed: int) -> State:
    """The states that an arm is asked with, from those that the texts left."""
    if arm == "state":
        return state
    if arm == "none":
        return model.empty(len(donor))
    if arm == "donor":
        return state.pick(torch.tensor(donor))
    if arm == "shuffled":
        generator = torch.Generator().manual_seed(seed)

        def moved(_at: int, name: str, part: torch.Tensor) -> torch.Tensor:
            if name == "memory":
                return part[:, :, torch.randperm(part.shape[2], generator=generator)]
            return part[:, torch.randperm(part.shape[1], generator=generator)] if name == "values" else part

        return state.each(moved)
    emptied = ("memory", "tail") if arm == "bank" else ("keys", "values", "index")
    left = state.each(lambda _at, name, part: torch.zeros_like(part) if name in emptied else part)
    return left if arm == "bank" else State(left.layers, 0)  # a bank after no tokens is empty


def answers(model: LiveGPT, plain: GPT, episodes: Sequence[Episode], seed: int) -> list[dict]:
    """Raw answers of every arm to the questions of episodes of one length."""
    tokens = torch.tensor([numbers(one.words) for one in episodes])
    questions, donor = [one.asked.words for one in episodes], donors(episodes)
    state = ingest(model, tokens)
    by_arm = {arm: said(model, questions, changed(model, state, arm, donor, seed)) for arm in ARMS}
    by_arm["attention"] = said_after_all(plain, tokens, questions)
    return [
        {"arm": arm, "seed": seed, "uid": one.uid, "gap": one.gap, "updates": one.updates, "attribute": one.asked.attribute,
         "question": len(one.asked.words), "answer": one.asked.answer, "earlier": list(one.asked.earlier),
         "donor": episodes[donor[at]].holds[one.asked.attribute], "said": found[at]}
        for arm, found in by_arm.items()
        for at, one in enumerate(episodes)
    ]  # fmt: skip


@torch.no_grad()
def costs(model: LiveGPT, plain: GPT, lengths: Sequence[int]) -> list[dict]:
    """Of one text of each length: bytes of what is kept, and tokens read a second, by the live model and by the plain one."""
    found = []
    for length in lengths:
        tokens = torch.randint(1, len(vocabulary()), (1, length), generator=torch.Generator().manual_seed(0))
        start = time.perf_counter()
        state = ingest(model, tokens)
        middle = time.perf_counter()
        cache = Cache()
        for part in tokens.split(PIECE, 1):
            plain(part, None, cache)
        end = time.perf_counter()
        kept = sum(part.numel() * part.element_size() for layer in cache.layers for part in layer)
        speeds = {"state_tokens_per_s": length / (middle - start), "attention_tokens_per_s": length / (end - middle)}
        found.append({"length": length, "state_bytes": state.bytes_each, "attention_bytes": kept, **speeds})
    return found
