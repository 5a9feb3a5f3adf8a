"""Make timelines: people whose state changes slowly over thousands of events, and questions about now and about then."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.checks import require
from loci.worlds.timeline import TimelineQuestion, ask, build_timeline
from loci.worlds.timeline_files import save_events, save_questions


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--people", type=int, default=4, help="number of people, each with a timeline of their own")
    parser.add_argument("--length", type=int, default=10_000, help="length of a timeline (events)")
    parser.add_argument("--every", type=int, default=250, help="distance between times with questions (events)")
    parser.add_argument("--seed", type=int, default=0, help="seed of states, wordings and questions (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "timeline", help="folder for events and questions.json (path)")
    return parser.parse_args(argv)


def make_timelines(people: int, length: int, every: int, seed: int, out: Path) -> dict[str, list[TimelineQuestion]]:
    """Write every person's events into `out` and return the questions by person; UserError for a size below its least."""
    require(people >= 1, "people", f"is {people}", "make at least 1 person")
    require(1 <= every <= length, "every", f"is {every}", f"use a distance from 1 to the length, {length}")
    questions = {}
    for person in tqdm(range(people), desc="people", disable=people < 20):
        timeline = build_timeline(person, seed, length)
        save_events(out, timeline)
        questions[timeline.pid] = ask(timeline, range(every, length + 1, every), seed)
    return questions


def summary(questions: dict[str, list[TimelineQuestion]], length: int, out: Path) -> str:
    """One line for the person at the keyboard."""
    every = [question for of in questions.values() for question in of]
    now = sum(question.form == "now" for question in every)
    return (
        f"{out}: {len(questions)} timelines of {length} events; {now} questions about now and {len(every) - now} about then, "
        "each with its right answer, the stale one and the distance to the update in events"
    )


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    questions = make_timelines(args.people, args.length, args.every, args.seed, args.out)
    save_questions(args.out, questions, args.seed)
    print(summary(questions, args.length, args.out))


if __name__ == "__main__":
    run_step(main)
