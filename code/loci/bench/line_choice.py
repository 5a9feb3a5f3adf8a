"""How many lines an index should find for a reader: chosen on development users, as the number with which it answers best."""

from collections.abc import Mapping, Sequence

from loci.bench.layer_bench import LayerBench
from loci.bench.score import exact
from loci.worlds.records import Fact, Question, User

KINDS = ("paraphrase", "indirect")  # both count alike


def share_right(
    bench: LayerBench, condition: str, asked: Sequence[tuple[User, Sequence[Fact], list[Question]]], depth: int
) -> float:
    """Share answered exactly under a condition that retrieves `depth` lines, asked with the reader in the slot: the mean over
    `KINDS`. asked: users with what is stored of them and their questions."""
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for user, facts, questions in asked:
        known = {one.qid: one for one in questions if one.kind in KINDS}
        for said in bench.answers(condition, user, facts, list(known.values()), depth=depth):
            one = known[said["qid"]]
            right[one.kind].append(exact(said["prediction"], one.accepted, one.form))
    return sum(sum(part) / len(part) for part in right.values()) / len(KINDS)


def best_depth(tried: Mapping[int, float]) -> int:
    """The number of lines with the greatest share; the smallest of equal ones."""
    return max(tried, key=lambda depth: (tried[depth], -depth))
