"""What a language model is asked when it judges: rules, worked examples, and one case; as one text, or as messages of a chat."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json, sha256_text

_FILE = DATA / "locomo" / "judge_prompts.json"
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Pair:
    """One answer to one question beside its gold answer: all that a judge sees."""

    question: str
    gold: str
    answer: str


@dataclass(frozen=True)
class JudgePrompt:
    """A frozen prompt; `sha256` identifies all of its words in results and caches."""

    name: str
    rules: str
    examples: tuple[tuple[Pair, str], ...]
    case: str
    right: str
    wrong: str
    remind: str
    sha256: str

    def beginning(self) -> str:
        """Rules and worked examples, up to where the case begins."""
        worked = "".join(f"{self.asked(pair)} {verdict}\n\n" for pair, verdict in self.examples)
        return f"{self.rules}\n\n{worked}"

    def asked(self, pair: Pair) -> str:
        """The case, up to where the verdict begins."""
        return self.case.format(question=pair.question, gold=pair.gold, answer=pair.answer or "(nothing)")

    def messages(self, pair: Pair) -> list[dict[str, str]]:
        """The same as messages: rules from the system, examples and the case in turns."""
        turns = [{"role": "system", "content": self.rules}]
        for example, verdict in self.examples:
            turns += [{"role": "user", "content": self.asked(example)}, {"role": "assistant", "content": verdict}]
        return [*turns, {"role": "user", "content": self.asked(pair)}]

    def read(self, reply: str) -> bool | None:
        """The verdict with which a reply begins, behind "verdict:" at most, as in JSON too; None for any other prose."""
        said = _WORD.findall(reply.lower())
        first = next(iter(said[1:] if said[:1] == ["verdict"] else said), "")
        return {self.right: True, self.wrong: False}.get(first)


@cache
def judge_prompt(name: str) -> JudgePrompt:
    """A prompt of the data file; UserError for a name that it does not have."""
    found = read_json(_FILE, "restore it from the repository")
    if name not in found["prompts"]:
        raise UserError(f"judge prompt {name}", "is not known", f"use one of {', '.join(found['prompts'])}")
    about = found["prompts"][name]
    shared = {part: found[part] for part in ("case", "right", "wrong", "remind")}
    examples = tuple((Pair(one["question"], one["gold"], one["answer"]), one["verdict"]) for one in about["examples"])
    return JudgePrompt(name, about["rules"], examples, **shared, sha256=sha256_text(str((about, sorted(shared.items())))))


def distinct(pairs: Sequence[Pair]) -> list[Pair]:
    """Each pair once, in order: memories often give the same answer."""
    return list(dict.fromkeys(pairs))
