"""The process that writes rows, so that reading goes on: jobs come in on standard input, rows go out on standard output.

A job is computed, never stored, here: whatever happens to this process, the store is as it was. Facts are learnt beside
the others of their user, whose rows do not move; where that fails the user's table is written anew. Every new fact is
asked before it counts as written; one that is not said is left out, with a reason.
"""

import json
import os
import pickle
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from loci.bench.decode import PromptBatch
from loci.bench.people import writing_contexts
from loci.memories.row_changes import forgotten, updated
from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack
from loci.serve.store import Job, Refused
from loci.serve.traces import from_bytes, to_bytes

NOT_LEARNT = "not learnt beside the user's other facts; word it differently"
_SEED = 0
_FEW = 16  # facts: as many steps are allowed for fewer, because the settings count steps of whole batches


@dataclass(frozen=True)
class Settings:
    """base, engram and write: sections of a profile. model: folder of the base. about: what rows are stored with."""

    base: str
    model: str
    engram: dict
    write: dict
    about: dict[str, str]


class Scribe:
    """Turns jobs into rows."""

    def __init__(self, writer: Writer, write: dict, about: dict[str, str]):
        self._writer, self._write, self._about = writer, write, about
        self._contexts = writing_contexts(write["contexts_per_kind"], _SEED)

    def settle(self, job: Job, trace: bytes | None) -> tuple[bytes, dict[int, str]]:
        """The user's rows after a job, and reasons of the facts that could not be written, by id."""
        graft, failed = self._writer.upper.graft, {}
        stored = graft.empty_rows() if trace is None else from_bytes(trace, self._about)
        rows = stored.with_values(stored.values.float())
        kept, old = ([Sentence(*pair) for pair in pairs] for pairs in (job.kept, job.old))
        new = dict(zip(job.ids, (Sentence(*pair) for pair in job.new), strict=True))
        while True:
            written = self._beside(rows, kept, old, list(new.values()))
            wrong = [number for number, sentence in new.items() if not self._says(written, [sentence])]
            if not wrong:
                return to_bytes(written, self._about), failed
            anew = self._anew([*kept, *new.values()])
            if self._says(anew, [*kept, *new.values()]):
                return to_bytes(anew, self._about), failed
            for number in wrong:
                failed[number] = NOT_LEARNT
                del new[number]
            kept, old = self._without_failed(kept, old, job, failed)

    @staticmethod
    def _without_failed(kept: list, old: list, job: Job, failed: dict[int, str]) -> tuple[list[Sentence], list[Sentence]]:
        """A change that failed leaves the value that was: its old sentence stays."""
        statements = {statement for number, (statement, _) in zip(job.ids, job.new, strict=True) if number in failed}
        stay = [sentence for sentence in old if sentence.trigger in statements]
        return [*kept, *stay], [sentence for sentence in old if sentence not in stay]

    def _beside(self, rows: RowMap, kept: list[Sentence], old: list[Sentence], new: list[Sentence]) -> RowMap:
        if not new:
            changed = forgotten(self._writer, rows, kept, old) if old else rows
        else:
            how = write_settings(self._write, max(len(new), _FEW))
            changed, _ = updated(self._writer, rows, kept, old, new, self._contexts, how, _SEED)
        return _halved(changed)

    def _anew(self, sentences: list[Sentence]) -> RowMap:
        how = write_settings(self._write, max(len(sentences), _FEW))
        return _halved(write_optimised("rows", self._writer, sentences, self._contexts, how, _SEED)[0])

    def _says(self, rows: RowMap, sentences: list[Sentence]) -> bool:
        """Whether every one of the sentences is completed with its whole answer."""
        encoded = [encode_sentence(self._writer.tokenizer, "", sentence) for sentence in sentences]
        longest = max(len(one.ids) - one.answer_start for one in encoded)
        prompts = [one.ids[: one.answer_start] for one in encoded]
        batch = PromptBatch(self._writer.upper.graft, prompts, self._writer.tokenizer.pad_token_id, set(), longest)
        said = batch.answer(RowBatch.shared(rows, len(prompts)))
        pairs = zip(said, encoded, strict=True)
        return all(one.tokens[: len(item.ids) - item.answer_start] == item.ids[item.answer_start :] for one, item in pairs)


def _halved(rows: RowMap) -> RowMap:
    """As it will be stored."""
    return rows.with_values(rows.values.half().float())


def load_scribe(settings: Settings) -> Scribe:
    """A scribe with a base model of its own."""
    base = load_base(settings.base, Path(settings.model) if settings.model else None)
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings.engram))
    return Scribe(Writer(UpperStack(graft), base.tokenizer), settings.write, settings.about)


def main() -> None:
    """Answer each (job, trace) on standard input with (trace, failed), or with the words of a fault; end with the input."""
    os.nice(5)  # reading comes first
    use_threads(1)
    torch.manual_seed(_SEED)
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may stand among the answers
    scribe = load_scribe(Settings(**json.loads(sys.argv[1])))
    pickle.dump("ready", out)
    out.flush()
    while True:
        try:
            job, trace = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = scribe.settle(job, trace)
        except Refused as refusal:
            answer = refusal.message
        except Exception:  # a fault of ours must not stop other users' writes
            traceback.print_exc()
            answer = "the writer failed; the server's log says how"
        pickle.dump(answer, out)
        out.flush()


if __name__ == "__main__":
    main()
