"""The layered conditions: which adapter, which rows and which lines in the prompt stand behind an answer.

Letters a to i are those of the published artifact (User as Engram, arXiv 2606.19172); the rest are ours. Rows are written on
the base model, those of the reciting reader with it attached. `donor` means another user's, the control for content.
"""

from dataclasses import dataclass

from loci.bench.lessons import asked
from loci.bench.reader import Reader
from loci.worlds.records import Question

BASE, OWN_ADAPTER = "base", "user"


@dataclass(frozen=True)
class Condition:
    """adapter: "base" for none, a shared reader's name, or "user" for the user's own. rows: "", "own" or "donor". lines: what
    stands in the prompt: "", "gold", "all", or "top1", "top3", "best" of the index. forced: the true recitation is given."""

    adapter: str
    rows: str = ""
    lines: str = ""
    forced: bool = False


CONDITIONS = {
    "a": Condition(BASE),
    "b": Condition(OWN_ADAPTER),
    "c": Condition(BASE, rows="own"),
    "d": Condition(OWN_ADAPTER, rows="own"),
    "e": Condition("answer"),
    "f": Condition("answer", rows="own"),
    "s": Condition("answer", rows="donor"),
    "g": Condition(BASE, lines="top1"),
    "h": Condition(BASE, lines="top3"),
    "i": Condition(BASE, lines="all"),
    "j": Condition("recite", lines="best"),
    "ja": Condition("answer", lines="best"),
    "ke": Condition("recite"),
    "k": Condition("recite", rows="own"),
    "ks": Condition("recite", rows="donor"),
    "kgold": Condition("recite", forced=True),
    "gold": Condition("recite", lines="gold"),
    "golda": Condition("answer", lines="gold"),
    "gold0": Condition(BASE, lines="gold"),
}


def of_adapter(adapter: str) -> dict[str, Condition]:
    """The conditions that are asked with one adapter, by id."""
    return {name: condition for name, condition in CONDITIONS.items() if condition.adapter == adapter}


def thinks(condition: Condition) -> bool:
    """Whether the reader recites and reasons before it answers."""
    return condition.adapter == "recite"


def prompt_under(
    condition: Condition,
    question: Question,
    lines: tuple[str, ...],
    needed: list[str],
    reader: Reader,
    context: str,
    own_asked: bool,
) -> str:
    """The text to be continued. lines: what the condition puts into the prompt, the most relevant last. needed: the
    statements that the question needs, which a forced recitation consists of. own_asked: the users' own adapters have
    learnt to answer questions.

    A sentence to be completed is asked alike under all adapters; a question in the form that the adapter has learnt, or
    behind the reader's examples where there is none.
    """
    plain = condition.adapter == BASE or (condition.adapter == OWN_ADAPTER and not own_asked)
    if question.form == "statement" or plain:
        return reader.prompt(question, lines, context)
    text = context + asked(question.text, lines, thinks(condition))
    return f"{text} {' '.join(needed)}" if condition.forced and needed else text
