"""A trained prefix of keys and values in front of a frozen language model (a "cartridge", Eyuboglu et al., arXiv 2506.06266).

It starts as the keys and values of the first tokens of the text, and is fitted in one of two ways: to the text itself, by the
loss of its next tokens, or to what the same model answers with the text in its prompt (self-study): the Kullback-Leibler
divergence of the two at each token of the answer. What stands before the prefix is constant and read once.

Shapes: P positions, E examples, T tokens, A answer tokens of all examples together, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.mem_vectors import Front
from loci.models.tuning import CLIP, Layers


@dataclass(frozen=True)
class Studied:
    """A question and the teacher's answer. ids: [T], both. answered: how many of the last of them are the answer. teacher: [A,
    V], logarithms of the teacher's probabilities of each token of it."""

    ids: tuple[int, ...]
    answered: int
    teacher: torch.Tensor


@torch.no_grad()
def first_layers(front: Front, ids: Sequence[int], positions: int) -> Layers:
    """Keys and values of the first `positions` tokens of a text behind the front; UserError where it has fewer."""
    if len(ids) < positions:
        raise UserError(
            "prefix.positions", f"is {positions}, the text has {len(ids)} tokens", "make it smaller, or tell more facts"
        )
    cache = front.cache(1)
    places = torch.arange(front.before, front.before + positions)[None]
    front.model.get_decoder()(
        input_ids=torch.tensor([list(ids[:positions])]), past_key_values=cache, position_ids=places, use_cache=True
    )
    return [(layer.keys[:, :, front.before :].clone(), layer.values[:, :, front.before :].clone()) for layer in cache.layers]


def fit_prefix(
    start: Layers, loss_at: Callable[[Layers, int], torch.Tensor], rate: float, steps: int
) -> tuple[Layers, list[float]]:
    """The prefix after `steps` of Adam, whose rate falls to zero along a line, and the loss of each. loss_at: of the prefix at a
    step."""
    layers = [tuple(part.detach().clone().requires_grad_(True) for part in layer) for layer in start]
    weights = [part for layer in layers for part in layer]
    optimiser, losses = torch.optim.Adam(weights, lr=rate), []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss = loss_at(layers, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimiser.step()
        losses.append(loss.item())
    return [tuple(part.detach() for part in layer) for layer in layers], losses


def next_token_loss(front: Front, ids: Sequence[int]) -> Callable[[Layers], torch.Tensor]:
    """Mean nats of a text behind the prefix; its first token is read, not predicted."""
    tokens = torch.tensor([list(ids)])

    def loss_at(layers: Layers) -> torch.Tensor:
        hidden = front.behind(layers).hidden(front.embedding(tokens[:, :-1]))
        return F.cross_entropy(front.model.get_output_embeddings()(hidden)[0], tokens[0, 1:])

    return loss_at


def study_loss(front: Front, studied: Sequence[Studied], batch: int, seed: int) -> Callable[[Layers, int], torch.Tensor]:
    """Mean divergence from the teacher, over the answers' tokens of a batch that is drawn at each step."""
    orders = torch.Generator().manual_seed(seed)

    def loss_at(layers: Layers, _step: int) -> torch.Tensor:
        chosen = [studied[at] for at in torch.randperm(len(studied), generator=orders)[:batch].tolist()]
        said = answer_logits(front.behind(layers), [(one.ids, one.answered) for one in chosen])
        wanted = torch.cat([one.teacher for one in chosen])
        return F.kl_div(said.log_softmax(-1), wanted, reduction="batchmean", log_target=True)

    return loss_at


def answer_logits(front: Front, examples: Sequence[tuple[Sequence[int], int]]) -> torch.Tensor:
    """Logits [A, V] before the last `answered` tokens of each of E examples (ids, answered)."""
    width = max(len(ids) for ids, _ in examples) - 1  # the last token is never read
    read = torch.tensor([[*ids[:-1], *[ids[-1]] * (width - len(ids) + 1)] for ids, _ in examples])
    hidden = front.hidden(front.embedding(read))
    return front.model.get_output_embeddings()(
        torch.cat([hidden[at, len(ids) - 1 - answered : len(ids) - 1] for at, (ids, answered) in enumerate(examples)])
    )


@torch.no_grad()
def study(
    front: Front, seen: Sequence[Sequence[int]], questions: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[Studied]:
    """What a teacher that has seen a text of its own before each question makes of the answers; the student sees the question."""
    whole = [((*text, *question, *answer), len(answer)) for text, question, answer in zip(seen, questions, answers, strict=True)]
    logs = answer_logits(front, whole).log_softmax(-1).split([answered for _, answered in whole])
    return [
        Studied((*question, *answer), len(answer), log) for question, answer, log in zip(questions, answers, logs, strict=True)
    ]


def nbytes(layers: Layers) -> int:
    """Bytes of a prefix in float32."""
    return sum(part.numel() * part.element_size() for layer in layers for part in layer)
