"""Plain greedy completions up to the end of a line: of sentences under a table of rows, or by the base model alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loci.bench.decode import PromptBatch, newline_tokens
from loci.models.base import load_base
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap

_LINE = 8  # tokens of an answer of one line; "UPDATE 12" has four


@dataclass(frozen=True)
class Completion:
    """text: what was said, up to the end of the line. hits: n-grams read in the prompt."""

    text: str
    hits: int


def complete(graft: Graft, tokenizer, texts: list[str], rows: RowMap, matrix: dict) -> list[Completion]:
    """Completions of texts under one table, in their order; texts of like length share a batch. matrix: of a profile."""
    encoded = [tokenizer(text).input_ids for text in texts]
    order = sorted(range(len(texts)), key=lambda at: (len(encoded[at]), at))
    found: dict[int, Completion] = {}
    for start in range(0, len(order), matrix["batch"]):
        members = order[start : start + matrix["batch"]]
        prompts = [encoded[at] for at in members]
        batch = PromptBatch(graft, prompts, tokenizer.pad_token_id, newline_tokens(tokenizer), matrix["max_tokens"])
        for at, said in zip(members, batch.answer(RowBatch.shared(rows, len(members))), strict=True):
            text = tokenizer.decode(said.tokens, skip_special_tokens=True).partition("\n")[0].strip()
            found[at] = Completion(text, said.prompt_hits)
    return [found[at] for at in range(len(texts))]


def completer(settings: dict, folder: Path | None = None, tokens: int = 0) -> Callable[[str], str]:
    """prompt -> the base model's continuation, up to the end of the line, or of at most `tokens` tokens. settings: a profile.
    folder: of the model."""
    base = load_base(settings["base"]["name"], folder)
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    if not tokens:
        limits = {"batch": 1, "max_tokens": _LINE}
        return lambda prompt: complete(graft, base.tokenizer, [prompt], graft.empty_rows(), limits)[0].text
    ends = frozenset({base.tokenizer.eos_token_id})

    def continued(prompt: str) -> str:
        batch = PromptBatch(graft, [base.tokenizer(prompt).input_ids], base.tokenizer.pad_token_id, ends, tokens)
        said = batch.answer(RowBatch.shared(graft.empty_rows(), 1))[0]
        return base.tokenizer.decode(said.tokens, skip_special_tokens=True)

    return continued
