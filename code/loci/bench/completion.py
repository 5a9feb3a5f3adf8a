"""Plain greedy completions by the base model, for memories that ask a language model while they are told something."""

from collections.abc import Callable
from pathlib import Path

from loci.bench.decode import PromptBatch, newline_tokens
from loci.models.base import load_base
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch

_TOKENS = 8  # of an answer; "UPDATE 12" has four


def completer(settings: dict, folder: Path | None = None) -> Callable[[str], str]:
    """prompt -> the base model's continuation up to the end of the line. settings: a profile. folder: of the model."""
    base = load_base(settings["base"]["name"], folder)
    graft, ends = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"])), newline_tokens(base.tokenizer)

    def complete(prompt: str) -> str:
        ids = base.tokenizer(prompt, add_special_tokens=False).input_ids
        batch = PromptBatch(graft, [ids], base.tokenizer.pad_token_id, ends, _TOKENS)
        answer = batch.answer(RowBatch.shared(graft.empty_rows(), 1))[0]
        return base.tokenizer.decode(answer.tokens, skip_special_tokens=True)

    return complete
