"""What a written row does inside the model: gate, value, what the layers above make of it, and where else it is felt.

Two things are inspected. *Tables*: all facts of a user, written as they are served, looked at where each fact is said. *One fact
alone*: rows and a low-rank adapter that both learnt the same bare sentence up to the same margin, read over the same texts, with
the trigger in the middle of a sentence: told (the answer follows) and open (something else does).

Series run over layers: entry k is the input of block k, the last one the output of the last block.
"""

import random
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.bench.statistics import estimate
from loci.bench.texts import FRAMES_FILE
from loci.memories.row_examples import EncodedSentence, Sentence, encode_sentence
from loci.memories.row_writer import WriteSettings
from loci.models.adapters import LoraSlot, LoraWeights
from loci.models.probing import Added, Probe, Streams, rank_of
from loci.models.rows import RowMap
from loci.models.tuning import CLIP, Example, marked_logits
from loci.results import read_json
from loci.worlds.records import Fact

PARTS = ("before", "trigger", "answer", "after")
OFFSETS = range(-6, 9)  # positions around the last token of a trigger
_WORTH = 0.1  # nats that writing must save before it is asked what saved them


@dataclass(frozen=True)
class Placed:
    """A sentence around a trigger. trigger_end: position of the trigger's last token. answer_end: position after the answer's
    last token; trigger_end + 1 where the answer is not said."""

    ids: list[int]
    trigger_end: int
    answer_end: int

    def part(self, name: str) -> slice:
        """Positions of one of `PARTS`."""
        ends = {"before": (0, self.trigger_end), "trigger": (self.trigger_end, self.trigger_end + 1)}
        ends |= {"answer": (self.trigger_end + 1, self.answer_end), "after": (self.answer_end, len(self.ids))}
        return slice(*ends[name])


def frame(fact: Fact, number: int, told: bool) -> tuple[str, str]:
    """(a text up to the end of the trigger, the whole text): the trigger within a sentence that begins and ends with something
    else. told: its answer stands in it. `number` chooses the frame."""
    frames = read_json(FRAMES_FILE, "restore it from the repository")
    lead, tail = (frames[part][number % len(frames[part])] for part in ("leads", "tails"))
    trigger = fact.trigger if fact.trigger.startswith("I ") else fact.trigger[0].lower() + fact.trigger[1:]
    shown = f"{lead} {trigger}"
    return shown, f"{shown} {fact.answer}. It is {tail}" if told else f"{shown} {tail}"


def in_the_middle(fact: Fact, number: int, told: bool, tokenizer) -> Placed:
    """The trigger within a sentence that begins and ends with something else, see `frame`."""
    shown, text = frame(fact, number, told)
    said = f"{shown} {fact.answer}" if told else shown
    encoded = tokenizer(text, return_offsets_mapping=True)
    ends = [end for _, end in encoded.offset_mapping]
    at, last = (max(place for place, end in enumerate(ends) if end <= len(text)) for text in (shown, said))
    return Placed(encoded.input_ids, at, last + 1)


def until_met(write: dict, most: int) -> WriteSettings:
    """A profile's `write` settings, but to convergence: every fact until it leads by the margin. most: steps, a guard that the
    report tells of."""
    return WriteSettings(write["rate"], write["batch"], write["margin"], most, write["init_scale"], most)


def telling(encoded: EncodedSentence, tokenizer) -> int:
    """Position of the first token of the answer that tells it from others: a number begins with a blank."""
    return next(at for at in range(encoded.answer_start, len(encoded.ids)) if tokenizer.decode(encoded.ids[at]).strip())


def fit_adapter(
    slot: LoraSlot, encoded: EncodedSentence, rate: float, margin: float, most: int, seed: int
) -> tuple[LoraWeights, int, bool]:
    """An adapter for one bare sentence: AdamW until every token of the answer, and the stop, leads every other token by `margin`.

    Returns it (the slot holds it too), the steps, and whether it came so far within `most` of them.
    """
    ids = (*encoded.ids, encoded.stop)
    example = Example(ids, tuple(at >= encoded.answer_start for at in range(len(ids))))
    slot.put(slot.new(seed))
    weights = list(slot.parameters.values())
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    step, met = 0, False
    while True:
        logits, wanted = marked_logits(slot.base.model, [example], 0)
        others = logits.detach().scatter(1, wanted[:, None], -torch.inf).amax(1)
        met = bool((logits.detach().gather(1, wanted[:, None])[:, 0] - others >= margin).all())
        if met or step == most:
            break
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits, wanted).backward()
        torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimiser.step()
        step += 1
    learnt = slot.get()
    slot.put(learnt)
    return learnt, step, met


def table_measures(
    probe: Probe, encoded: EncodedSentence, first: int, rows: RowMap, drawn: RowMap | None
) -> dict[str, float | list | None]:
    """One fact of a table in its bare sentence. first: position of the telling token. drawn: the rows before they were written;
    without them nothing is said of what gate and value save.

    value_rank: of that token in what the row alone encodes, W_V e seen through the final norm and the head; said_rank: in what
    the model says; direct_rank: where nothing but the value is carried up, no block having seen it. path.*: the share of the
    saved loss that one of gate and value saves where the other stays as drawn. along: share of the squared change above the
    graft that lies along what was added; grown: its length, in lengths of that.
    """
    at, token, ids = first - 1, encoded.ids[first], encoded.ids[:first]
    plain = probe.read(ids)
    now = probe.adds(rows, ids, plain.stream[probe.layer])
    read, carried = probe.read(ids, now.vectors), now.vectors[at]
    alone = probe.lens(carried)
    direct = probe.lens(plain.stream[-1, at] + carried)
    change = read.stream[probe.layer + 1 :, at] - plain.stream[probe.layer + 1 :, at]  # blocks above the graft
    out: dict[str, float | list | None] = {
        "gate.written": float(now.gate[at]),
        "gate.later": _mean_gate(probe, encoded, rows, first),
        "added_to_stream": float(carried.norm() / plain.stream[probe.layer, at].norm()),
        "value_rank": float(rank_of(alone, token)),
        "value_first": float(rank_of(alone, token) == 1),
        "direct_rank": float(rank_of(direct, token)),
        "direct_first": float(rank_of(direct, token) == 1),
        "said_rank": float(rank_of(read.logits[at], token)),
        "said_first": float(rank_of(read.logits[at], token) == 1),
        "plain_first": float(rank_of(plain.logits[at], token) == 1),
        "value_nats": -float(alone[token]),
        "direct_nats": -float(direct[token]),
        "said_nats": -float(read.log_probs[at, token]),
        "plain_nats": -float(plain.log_probs[at, token]),
        "along": [float(F.cosine_similarity(one, carried, 0).clamp_min(0) ** 2) for one in change],
        "grown": [float(one.norm() / carried.norm()) for one in change],
    }
    return out | (_paths(probe, now, probe.adds(drawn, ids, plain.stream[probe.layer]), ids, token) if drawn is not None else {})


def _paths(probe: Probe, now: Added, then: Added, ids: list[int], token: int) -> dict[str, float | None]:
    """The gate as drawn, and the shares of the saved loss that written value and written gate save each, where the other is as
    drawn. now, then: what the rows add as written and as drawn."""

    def loss(vectors: torch.Tensor) -> float:
        return -float(probe.read(ids, vectors).log_probs[-1, token])

    start, end = loss(then.vectors), loss(now.vectors)
    alone = {"value": then.gate[:, None] * now.value, "gate": now.gate[:, None] * then.value}
    shares = {
        f"path.{name}": (start - loss(vectors)) / (start - end) if start - end > _WORTH else None
        for name, vectors in alone.items()
    }
    return {"gate.drawn": float(then.gate[-1]), **shares}


def _mean_gate(probe: Probe, encoded: EncodedSentence, rows: RowMap, start: int) -> float | None:
    """Mean gate at the tokens of the answer from position `start` on, which read rows of their own; None where there is none."""
    plain = probe.read(encoded.ids)
    added = probe.adds(rows, encoded.ids, plain.stream[probe.layer])
    later = added.gate[start:][added.hit[start:]]
    return float(later.mean()) if len(later) else None


def gate_elsewhere(
    probe: Probe, rows: RowMap, own: torch.Tensor, streams: list[Streams], ids: list[list[int]]
) -> dict[str, float]:
    """The gate away from a fact. own: what its trigger's last token reads, [O * D].

    read: at positions of other texts that do read a row of the user's. laid: if the fact's own rows were read everywhere in them.
    """
    read: list[float] = []
    laid: list[float] = []
    for stream, tokens in zip(streams, ids, strict=True):
        below = stream.stream[probe.layer]
        added = probe.adds(rows, tokens, below)
        read += added.gate[added.hit].tolist()
        laid += probe.graft.gate(below, own.expand(len(tokens), -1)).tolist()
    return {"gate.laid_elsewhere": sum(laid) / len(laid)} | ({"gate.read_elsewhere": sum(read) / len(read)} if read else {})


def lens_series(probe: Probe, stream: torch.Tensor, token: int) -> dict[str, list[float]]:
    """What each layer would say of a token: stream [L + 1, d] -> log-probability in nats, and whether it is the first choice."""
    seen = probe.lens(stream)
    return {"nats": (-seen[:, token]).tolist(), "first": (seen.argmax(-1) == token).float().tolist()}


def effect(plain: Streams, moved: Streams, ids: list[int]) -> dict[str, torch.Tensor]:
    """How far a forward moved at every position. change: [L + 1, T], length of the change in lengths of the stream. kl: [T], nats
    from the plain model's next token to the other's. delta: [T - 1], nats that the text's own next token costs more."""
    change = (moved.stream - plain.stream).norm(dim=-1) / plain.stream.norm(dim=-1)
    kl = F.kl_div(moved.log_probs, plain.log_probs, log_target=True, reduction="none").sum(-1).clamp_min(0)
    own = torch.tensor(ids[1:])[:, None]
    delta = plain.log_probs[:-1].gather(1, own) - moved.log_probs[:-1].gather(1, own)
    return {"change": change, "kl": kl, "delta": delta[:, 0]}


def effect_parts(found: dict[str, torch.Tensor], placed: Placed) -> dict[str, float | list]:
    """Means over the parts of a sentence around a trigger, and the KL position by position around it (None outside)."""
    out: dict[str, float | list] = {}
    for name in PARTS:
        where = placed.part(name)
        if where.start < where.stop:
            out[f"{name}.change"] = found["change"][:, where].mean(1).tolist()
            out[f"{name}.kl"] = float(found["kl"][where].mean())
    tail = slice(placed.answer_end, len(placed.ids) - 1)  # predicted from within the tail alone
    out["after.delta"] = float(found["delta"][tail].mean())
    places = [placed.trigger_end + offset for offset in OFFSETS]
    out["kl_around"] = [float(found["kl"][at]) if 0 <= at < len(placed.ids) else None for at in places]
    return out


def overall(found: dict[str, torch.Tensor]) -> dict[str, float]:
    """Means over a whole text: change at the last layer, KL, and nats a token."""
    return {"change": float(found["change"][-1].mean()), "kl": float(found["kl"].mean()), "delta": float(found["delta"].mean())}


def says(moved: Streams, placed: Placed) -> bool:
    """Whether the answer of a told sentence is said, every token the first choice behind the true ones."""
    where = range(placed.trigger_end, placed.answer_end - 1)
    return all(int(moved.logits[at].argmax()) == placed.ids[at + 1] for at in where)


def entries(items: list[dict], prefix: str, source: str) -> dict[str, dict]:
    """Ledger entries <prefix>.<measure>, of a series <prefix>.<measure>.<k>. items: {"fact": id, "measures": {...}}, one for each
    fact and seed; seeds are averaged within a fact, intervals are over facts."""
    found: dict[str, list[tuple[str, str, float]]] = {}
    for item in items:
        for name, value in item["measures"].items():
            series = {f"{name}.{at}": one for at, one in enumerate(value)} if isinstance(value, list) else {name: value}
            for key, one in series.items():
                if one is not None:
                    found.setdefault(key, []).append((item["fact"], "", float(one)))
    return {f"{prefix}.{key}": estimate(each, proportion=_is_share(key)).entry(source) for key, each in sorted(found.items())}


def _is_share(key: str) -> bool:
    """Whether a measure counts cases: only then has a mean without spread an interval."""
    *_, before, last = ("", *key.split("."))
    return (before if last.isdigit() else last).endswith(("first", "says", "met", "exact", "kept"))


def chosen_facts(facts: tuple[Fact, ...], count: int, name: str) -> list[Fact]:
    """The same sample of a user's facts for every seed, in their order."""
    picked = set(random.Random(f"inside:{name}").sample([fact.key for fact in facts], min(count, len(facts))))
    return [fact for fact in facts if fact.key in picked]


def sentence_encoded(fact: Fact, tokenizer) -> EncodedSentence:
    return encode_sentence(tokenizer, "", Sentence(fact.trigger, fact.answer))


def means(series: list[dict[str, float]]) -> dict[str, float]:
    """Means of the same measures of several texts."""
    return {name: sum(one[name] for one in series) / len(series) for name in series[0]}
