"""What writing has to withstand: other words, other people's facts in the same table, new values, deletions, other layers.

Each study writes a few tables of the same facts and asks them the same things, so that the tables of one study differ in one
respect alone.

| study | tables |
|---|---|
| wording | the bare statement; the same after writing contexts; the statement and a second wording together |
| domains | personal and medical facts of one person written together; apart and laid over; the personal ones alone |
| update | changed facts rewritten in place; the whole table written again; the old table as it was |
| deletion | rows of withdrawn facts dropped; the whole table written again; the old table as it was |
| layer | the rows' depth in the model, everything else as frozen |
"""

from dataclasses import dataclass

from loci.bench.matrix import Records
from loci.bench.score import contains_any, exact
from loci.bench.statistics import estimate
from loci.errors import UserError
from loci.memories.row_examples import Sentence
from loci.worlds.records import Fact, User

STUDIES = ("wording", "domains", "update", "deletion", "layer")


@dataclass(frozen=True)
class Asked:
    """One sentence to be completed. what: under which name it counts. stale: the value that must not be said any more."""

    what: str
    key: str
    trigger: str
    accepted: tuple[str, ...]
    context: str = ""
    stale: str = ""


def sentence_of(fact: Fact) -> Sentence:
    return Sentence(fact.trigger, fact.answer)


def reworded(fact: Fact) -> list[Sentence]:
    """The fact's other wordings that end with its answer, so that a row can complete them."""
    ending = f" {fact.answer}."
    found = [wording.removesuffix(ending) for wording in fact.wordings if wording.endswith(ending)]
    return [Sentence(trigger, fact.answer) for trigger in found]


def changed_facts(user: User) -> tuple[list[Fact], list[Fact], list[Fact]]:
    """(facts as first told that get another value, the facts they become, facts that are withdrawn); those told twice over
    count by their last state."""
    first, last = {fact.key: fact for fact in user.facts}, {fact.key: fact for fact in user.final_facts()}
    old = [fact for key, fact in first.items() if key in last and last[key] != fact]
    gone = [fact for key, fact in first.items() if key not in last]
    if not old or not gone:
        raise UserError(f"user {user.uid}", "has no update or no deletion", "give users with changes")
    return old, [last[fact.key] for fact in old], gone


def scores(answers: list[dict]) -> dict[str, Records]:
    """'<study>.<table>|<what>.exact' -> (user, question, right); '.stale' -> whether the old value was said."""
    out: dict[str, Records] = {}
    for answer in answers:
        name = f"{answer['study']}.{answer['table']}|{answer['what']}"
        one = (answer["uid"], answer["key"])
        if answer["accepted"]:
            right = exact(answer["prediction"], answer["accepted"], "statement")
            out.setdefault(f"{name}.exact", []).append((*one, right))
        if answer["stale"]:
            out.setdefault(f"{name}.stale", []).append((*one, contains_any(answer["prediction"], [answer["stale"]])))
    return out


def entries(answers: list[dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries stress.<study>.<table>.<base>.<what>.<measure>, intervals over users."""
    ledger = {}
    for name, records in scores(answers).items():
        table, _, measure = name.partition("|")
        ledger[f"stress.{table}.{base}.{measure}"] = estimate(records).entry(source)
    return ledger
