"""Chains with their labels, as a file: the users as `load_users` reads them, and how much each question overlaps.

An address reads the last n tokens only, so a composed statement that ends like a stored trigger is answered (rightly
or wrongly) without chaining. The label of a chained question is the length of that overlap, computed from the texts.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from loci.results import read_json, write_json
from loci.worlds.chains import Chain
from loci.worlds.checks import each, located, member
from loci.worlds.overlap import Encode, SuffixIndex, shared_suffix
from loci.worlds.records import SCHEMA, User, user_to_json


@dataclass(frozen=True, slots=True)
class Overlap:
    """Longest token suffixes that a chained question shares with stored triggers, in tokens (or words).

    first, second, distractor: at the end of the question, with the trigger of that fact. stored: at the end, with any
    trigger of the user. anywhere: a suffix of any trigger that stands anywhere in the question.
    """

    first: int
    second: int
    distractor: int
    stored: int
    anywhere: int


def label(user: User, chains: list[Chain], encode: Encode) -> dict[str, Overlap]:
    """By qid, the overlap of every chained question with what the user has stored (the chains' own facts among it)."""
    index = SuffixIndex(encode(fact.trigger) for fact in user.facts)
    labels = {}
    for chain in chains:
        own = [encode(fact.trigger) for fact in chain.facts]
        for question in chain.questions:
            if question.kind == "chained":
                ids = encode(question.text)
                shared = (shared_suffix(ids, trigger) for trigger in own)
                labels[question.qid] = Overlap(*shared, index.at_end(ids), index.anywhere(ids))
    return labels


def shares(overlaps: Iterable[Overlap]) -> dict[int, int]:
    """{k: how many share their last k tokens or more with a stored trigger}, for each k from 1 on that any reaches."""
    lengths = Counter(overlap.stored for overlap in overlaps)
    return {k: sum(count for length, count in lengths.items() if length >= k) for k in range(1, max(lengths, default=0) + 1)}


def save_chains(
    path: Path, users: list[User], chains: dict[str, list[Chain]], labels: dict[str, Overlap], about: dict[str, object]
) -> None:
    """Write one JSON file {"schema", …, "users", "chains"}: the users with their chains, and a row for each chain.

    chains: by user id. about: what the file says of itself, the tokenizer of the labels above all.
    """
    rows = [
        {
            "uid": uid,
            "cid": chain.cid,
            "pair": chain.pair,
            "form": chain.form,
            "bridge": chain.bridge,
            "overlap": {q.qid: asdict(labels[q.qid]) for q in chain.questions if q.qid in labels},
        }
        for uid, of_user in chains.items()
        for chain in of_user
    ]
    write_json(path, {"schema": SCHEMA, **about, "users": [user_to_json(user) for user in users], "chains": rows})


def load_labels(path: Path) -> dict[str, Overlap]:
    """By qid, the overlaps of all chained questions of a file that `save_chains` wrote."""
    return located(str(path), _labels, read_json(path, "run code/steps/make_chains.py"))


def _labels(obj: object) -> dict[str, Overlap]:
    return {qid: overlap for row in each(obj, "chains", _row) for qid, overlap in row.items()}


def _row(obj: object) -> dict[str, Overlap]:
    rows = member(obj, "overlap", dict)
    return {qid: located(f"overlap.{qid}", _overlap, row) for qid, row in rows.items()}


def _overlap(obj: object) -> Overlap:
    return Overlap(**{field.name: member(obj, field.name, int) for field in fields(Overlap)})
