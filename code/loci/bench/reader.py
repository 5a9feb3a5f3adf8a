"""The reader's prompt: the same for every memory, the only thing that varies is what the memory put into it.

A question comes after worked examples, each with facts, a question and a short answer. A sentence to be completed comes
alone, after its preceding context if it has one; recalled lines stand in front of it. Every choice (wording, number of
examples, facts in each, order of lines) is in data/reader/prompt.json; how it was chosen: sweep_reader.py.
"""

from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json, sha256_text
from loci.worlds.records import Question

PROMPT_FILE = DATA / "reader" / "prompt.json"
EXAMPLES_FILE = DATA / "reader" / "examples.json"
ORDERS = ("best_first", "best_last", "told")
_REMEDY = "restore it from the repository"
_FIELDS = {
    "start": str,
    "facts_heading": str,
    "no_facts": str,
    "question": str,
    "question_first": bool,
    "answer": str,
    "gap": str,
    "end": str,
    "statement_heading": str,
    "examples": int,
    "not_known_examples": int,
    "facts_per_example": int,
    "order": str,
}


@dataclass(frozen=True)
class Reader:
    """How prompts are put together; `sha256` identifies choices and examples in every results file."""

    parts: dict
    examples: tuple[dict, ...]
    sha256: str

    @classmethod
    def load(cls, path: Path = PROMPT_FILE, changes: dict | None = None) -> "Reader":
        """The reader of a prompt file, with some of its choices changed; UserError for one that is missing or not known."""
        parts = {name: value for name, value in read_json(path, _REMEDY).items() if name not in ("schema", "about")}
        parts |= changes or {}
        for name in sorted(parts.keys() ^ _FIELDS.keys()):
            raise UserError(f"{path}: {name}", "missing" if name in _FIELDS else "not known", _REMEDY)
        for name, kind in _FIELDS.items():
            if type(parts[name]) is not kind:
                raise UserError(f"{path}: {name}", f"is no {kind.__name__}", _REMEDY)
        if parts["order"] not in ORDERS:
            raise UserError(f"{path}: order", f"'{parts['order']}' is not known", f"use one of {', '.join(ORDERS)}")
        examples = _chosen(read_json(EXAMPLES_FILE, _REMEDY)["examples"], parts)
        return cls(parts, examples, sha256_text(str((sorted(parts.items()), examples))))

    def arranged(self, lines: list[str], positions: list[int], told: bool) -> tuple[str, ...]:
        """Recalled lines in the order of the prompt. positions: when each was told. told: they stand in that order already."""
        if told or self.parts["order"] == "best_first":
            return tuple(lines)
        if self.parts["order"] == "best_last":
            return tuple(reversed(lines))
        return tuple(lines[at] for at in sorted(range(len(lines)), key=lambda at: positions[at]))

    def prompt(self, question: Question, lines: tuple[str, ...], context: str) -> str:
        """Text to be continued. lines: what was recalled. context: what precedes a midconv question, else ''."""
        if question.form == "statement":
            heading = (self.parts["statement_heading"],) if self.parts["statement_heading"] else ()
            facts = "\n".join((*heading, *lines, "", "")) if lines else ""
            return f"{facts}{context}{question.text}"
        return context + self._worked() + self._block(lines, question.text)

    def _worked(self) -> str:
        gap, end = self.parts["gap"], self.parts["end"]
        return "".join(
            f"{self._block(tuple(example['facts']), example['question'])}{gap}{example['answer']}{end}"
            for example in self.examples
        )

    def _block(self, lines: tuple[str, ...], question: str) -> str:
        facts = "\n".join(filter(None, (self.parts["facts_heading"], *(lines or (self.parts["no_facts"],)))))
        asked = self.parts["question"].format(question=question)
        middle = (asked, facts) if self.parts["question_first"] else (facts, asked)
        return self.parts["start"] + "\n".join((*middle, self.parts["answer"]))


def _chosen(authored: list[dict], parts: dict) -> tuple[dict, ...]:
    """The first examples with an answer and the first without one, as many as are wanted of each, in the file's order."""
    wanted = {True: parts["examples"] - parts["not_known_examples"], False: parts["not_known_examples"]}
    chosen = []
    for example in authored:
        known = bool(example["needed"])
        if wanted[known] > 0:
            wanted[known] -= 1
            facts = example["others"][: parts["facts_per_example"] - known]
            if known:
                facts.insert(min(example["place"], len(facts)), example["needed"])
            chosen.append({"facts": facts, "question": example["question"], "answer": example["answer"]})
    if any(wanted.values()):
        raise UserError(f"{EXAMPLES_FILE}", "holds too few examples", "ask for fewer, or author more")
    return tuple(chosen)
