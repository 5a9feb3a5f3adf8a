"""How many lines an index should find for a reader: chosen on development users, as the number with which it answers best."""

from collections.abc import Sequence

from loci.bench.layer_bench import LayerBench
from loci.bench.score import exact
from loci.worlds.records import Fact, Question, User

KINDS = ("paraphrase", "indirect")  # both count alike


def lines_chosen(
    bench: LayerBench, condition: str, asked: Sequence[tuple[User, Sequence[Fact], list[Question]]], depths: Sequence[int]
) -> dict:
    """{"lines": ..., "tried": {lines: mean share exact}} of a condition that retrieves, asked with the reader in the slot; the
    smallest of equal numbers. asked: users with what is stored of them and their questions, of which `KINDS` count."""
    right: dict[int, dict[str, list[bool]]] = {depth: {kind: [] for kind in KINDS} for depth in depths}
    for user, facts, questions in asked:
        known = {one.qid: one for one in questions if one.kind in KINDS}
        for depth in depths:
            for said in bench.answers(condition, user, facts, list(known.values()), depth=depth):
                one = known[said["qid"]]
                right[depth][one.kind].append(exact(said["prediction"], one.accepted, one.form))
    tried = {depth: sum(sum(part) / len(part) for part in found.values()) / len(KINDS) for depth, found in right.items()}
    return {"lines": max(tried, key=lambda depth: (tried[depth], -depth)), "tried": {str(depth): tried[depth] for depth in tried}}
