"""What of a long stretch of work and talk still stands in a prompt of so many words: distillations, recall and stubs, one by one.

A person says what a timeline says, five things a day, and tools print between them. At the end it is asked what holds, what held,
which file a run named and which number it printed. Scored is whether an accepted answer stands in the assembled prompt: nothing
that is not there can be read, whoever reads.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from loci.bench.score import contains_any
from loci.memories.distilled import How, assembled, distil
from loci.memories.distilled_store import DistilledStore, Message
from loci.memories.lexical import STOP_WORDS
from loci.worlds.timeline import Timeline, ask, build_timeline
from loci.worlds.tool_output import ToolRun, tool_runs

A_DAY = 5  # messages
_BEGIN = datetime(2026, 1, 5, 9, 0)
SETS = ("now", "then", "file", "number")


@dataclass(frozen=True)
class Case:
    """A question at the end of an episode: accepted answers, and for "now" the stale ones."""

    person: str
    name: str
    kind: str
    text: str
    accepted: tuple[str, ...]
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """how: see `How`. recall: what a question finds is in the prompt. prune: what is older than the retention is gone."""

    how: How
    recall: bool = True
    prune: bool = False


_BASE = How()
CONDITIONS = {
    "sections": Condition(_BASE, recall=False),
    "flat": Condition(replace(_BASE, sections=False), recall=False),
    "bare_stub": Condition(replace(_BASE, annotate=False), recall=False),
    "sections_recall": Condition(_BASE),
    "flat_recall": Condition(replace(_BASE, sections=False)),
    "bare_stub_recall": Condition(replace(_BASE, annotate=False)),
    "archived": Condition(_BASE, prune=True),
    "deleted": Condition(replace(_BASE, archive=False), prune=True),
    "recent": Condition(replace(_BASE, shares=(0.0, 1.0)), recall=False),
    "recall_alone": Condition(replace(_BASE, shares=(0.0, 0.0))),
}
PAIRS = (
    ("sections", "flat"),
    ("sections", "bare_stub"),
    ("sections_recall", "flat_recall"),
    ("sections_recall", "bare_stub_recall"),
    ("archived", "deleted"),
    ("sections_recall", "recall_alone"),
)


def episode(person: int, seed: int, length: int, runs: int) -> tuple[list[Message], list[Case]]:
    """(messages in the order of telling, questions) of one person; tools run at random times."""
    timeline, rng = build_timeline(person, seed, length), random.Random(f"tools:{seed}:{person}")
    made = tool_runs(runs, rng)
    at = dict(zip(sorted(rng.sample(range(length), runs)), made, strict=True))
    messages = []
    for event in timeline.events:
        said = (_BEGIN + timedelta(days=event.t // A_DAY, minutes=40 * (event.t % A_DAY))).isoformat(timespec="minutes")
        messages.append(Message(f"e{event.t}", said[:10], "user", event.text, said))
        if run := at.get(event.t - 1):
            messages.append(Message(f"r{event.t}", said[:10], "tool", run.text, said))
    return messages, [*_about_life(timeline, length, seed), *_about_runs(timeline.pid, made)]


def _about_life(timeline: Timeline, length: int, seed: int) -> Iterator[Case]:
    """Questions of the last ten moments, about other attributes in turn, whose answers hold to the end."""
    for one in ask(timeline, range(max(1, length - 9), length + 1), seed):
        changed = any(event.kind == "update" and event.attribute == one.attribute for event in timeline.events[one.t :])
        if one.form == "then" or not changed:
            yield Case(timeline.pid, one.qid, one.form, one.text, one.accepted, one.stale)


def _about_runs(pid: str, runs: list[ToolRun]) -> Iterator[Case]:
    for run in runs:
        yield Case(pid, f"{run.ticket}.file", "file", f"Which file did the {run.tool} run for {run.ticket} name?", (run.path,))
        yield Case(
            pid, f"{run.ticket}.number", "number", f"Which number did the {run.tool} run for {run.ticket} print?", (run.number,)
        )


def store_of(messages: list[Message], condition: Condition) -> DistilledStore:
    """The store after everything was told, segment by segment."""
    store = DistilledStore(":memory:")
    for at in range(0, len(messages), condition.how.segment):
        segment = messages[at : at + condition.how.segment]
        store.add(segment)
        if len(segment) == condition.how.segment:
            distil(store, segment, condition.how)
    if condition.prune:
        store.prune(messages[-1].said)
    return store


def presence(
    store: DistilledStore, cases: list[Case], condition: Condition, budget: int
) -> Iterator[tuple[Case, bool, bool, int]]:
    """(case, an accepted answer stands in the prompt, a stale one does, words of the prompt)."""
    plain = None if condition.recall else assembled(store, "", budget, condition.how)
    for case in cases:
        text = assembled(store, case.text, budget, condition.how) if condition.recall else plain
        flat = " ".join(text.split())
        yield case, _stands(flat, case.accepted), _stands(flat, case.stale), len(text.split())


def found_by_two_words(store: DistilledStore, hits: int, rng: random.Random) -> Iterator[tuple[str, bool]]:
    """(id, whether recall finds it among so many) of every archived distillation, asked with two of its words that count."""
    for one in store.distillations(archived=True):
        content = sorted({word for word in re.findall(r"[A-Za-z]{4,}", one.text) if word.lower() not in STOP_WORDS})
        query = " ".join(rng.sample(content, 2))
        yield str(one.id), ("distillation", str(one.id)) in {(hit.kind, hit.key) for hit in store.recall(query, hits)}


def _stands(text: str, values: tuple[str, ...]) -> bool:
    """Files as they are written, everything else as words."""
    return any(value in text if "/" in value else contains_any(text, [value]) for value in values)
