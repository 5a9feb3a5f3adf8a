"""The reader's prompt: the same for every memory, the only thing that varies is what the memory put into it.

A question comes after five examples, each with facts, a question and a short answer. A sentence to be completed comes
alone, after its preceding context if it has one; recalled sentences stand in front of it under a heading.
"""

from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json, sha256_text
from loci.worlds.records import Question

PROMPT_FILE = DATA / "reader" / "prompt.json"
_FIELDS = {"facts_heading", "no_facts", "question", "answer", "not_known", "examples"}


@dataclass(frozen=True)
class Reader:
    """Prompt parts as authored; `sha256` identifies them in every answer."""

    parts: dict
    sha256: str

    @classmethod
    def load(cls, path: Path = PROMPT_FILE) -> "Reader":
        parts = read_json(path, "restore it from the repository")
        missing = _FIELDS - parts.keys()
        if missing:
            raise UserError(f"{path}: {', '.join(sorted(missing))}", "missing", "restore it from the repository")
        return cls(parts, sha256_text(str(sorted(parts.items()))))

    def prompt(self, question: Question, sentences: tuple[str, ...], context: str) -> str:
        """Text to be continued. sentences: recalled facts. context: what precedes a midconv question, else ''."""
        if question.form == "statement":
            facts = "\n".join((self.parts["facts_heading"], *sentences, "", "")) if sentences else ""
            return f"{facts}{context}{question.text}"
        examples = (
            f"{self._block(tuple(example['facts']), example['question'])} {example['answer']}\n\n"
            for example in self.parts["examples"]
        )
        return context + "".join(examples) + self._block(sentences, question.text)

    def _block(self, sentences: tuple[str, ...], question: str) -> str:
        facts = "\n".join(sentences or (self.parts["no_facts"],))
        asked = self.parts["question"].format(question=question)
        return "\n".join((self.parts["facts_heading"], facts, asked, self.parts["answer"]))
