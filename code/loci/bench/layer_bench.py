"""One grafted base model with room for an adapter, asked under any layered condition: for studies beside the main run.

The main run (steps/ask_layered.py) reads each prompt once for all users; studies change what is stored, or who reads, from one
user to the next, and come here.
"""

from collections.abc import Sequence
from pathlib import Path

from loci.bench.layer_asking import ask, limits_of
from loci.bench.layer_prompts import batches
from loci.bench.layers import CONDITIONS, OWN_ADAPTER, prompt_under
from loci.bench.people import context_text, writing_contexts
from loci.bench.reader import Reader
from loci.bench.recited import write_recited
from loci.bench.told import query_of
from loci.bench.user_lora import Teaching
from loci.memories.base import Note
from loci.memories.registry import text_memory
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteReport, write_settings
from loci.memories.text_trace import TextMemory, TextTrace
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.worlds.records import Fact, Question, User


class LayerBench:
    """A base model, a slot for adapters of one shape, the graft, a row writer and, where retrieval is asked for, an index."""

    def __init__(self, settings: dict, spec: LoraSpec, encoder: Encoder | None = None, model: Path | None = None):
        self.settings, self.encoder = settings, encoder
        self.base = load_base(settings["base"]["name"], model)
        self.slot = LoraSlot(self.base, spec)
        self.graft = Graft(self.base.model, self.base.tokenizer, EngramSpec.of(settings["engram"]))
        self.writer, self.prompts = Writer(UpperStack(self.graft), self.base.tokenizer), Reader.load()
        self.limits = limits_of(settings, self.base.tokenizer)
        self._own_asked = Teaching(**settings["user_lora"]).knows_questions

    def write(self, facts: Sequence[Fact], name: str, recited: bool, seed: int) -> tuple[RowMap, WriteReport]:
        """Rows of one owner's facts with what the slot holds: behind the prompts of a reader that recites, or behind the
        writing contexts of the profile."""
        if recited:
            return write_recited(self.writer, facts, name, self.settings, seed)
        sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
        contexts = writing_contexts(self.settings["write"]["contexts_per_kind"], seed)
        return write_optimised("rows", self.writer, sentences, contexts, write_settings(self.settings["write"], len(facts)), seed)

    def index(self, facts: Sequence[Fact], name: str, lines: int) -> tuple[TextMemory, TextTrace]:
        """One owner's facts in the profile's index, which finds `lines` of them for a question."""
        memory = text_memory(self.settings["layered"]["index"], self.encoder, lines)
        return memory, memory.write(name, [Note(fact.key, fact.statement) for fact in facts])

    def lines(
        self, condition: str, user: User, facts: Sequence[Fact], questions: list[Question], depth: int = 0
    ) -> dict[str, tuple[str, ...]]:
        """What stands in the prompt of each question, the most relevant last: what the index finds among the facts
        (`depth` of them, 0 for the profile's number), or the needed ones. Nothing for conditions without lines."""
        what = CONDITIONS[condition].lines
        if what == "gold":
            told = {fact.key: fact.statement for fact in facts}
            return {one.qid: tuple(told[key] for key in one.required_fact_keys if key in told) for one in questions}
        if what != "best":
            return {}
        memory, trace = self.index(facts, user.uid, depth or self.settings["layered"]["lines"][CONDITIONS[condition].adapter])
        found = {one.qid: memory.recall(trace, query_of(one)) for one in questions}
        return {qid: recall.lines if recall.told else recall.lines[::-1] for qid, recall in found.items()}

    def answers(
        self,
        condition: str,
        user: User,
        facts: Sequence[Fact],
        questions: list[Question],
        rows: RowMap | None = None,
        depth: int = 0,
    ) -> list[dict]:
        """Raw answers of one user under one condition, in order of question id, with what the slot holds. rows: lie over the
        prompts where the condition has any. depth: lines that the index finds, 0 for the profile's number."""
        how = CONDITIONS[condition]
        told = {fact.key: fact.statement for fact in facts}
        lines = self.lines(condition, user, facts, questions, depth)
        prompts = []
        for one in questions:
            needed = [told[key] for key in one.required_fact_keys if key in told]
            context = context_text(one.context_id)
            text = prompt_under(how, one, lines.get(one.qid, ()), needed, self.prompts, context, self._own_asked)
            prompts.append((user, one, text))
        over = rows if how.rows and rows is not None else self.graft.empty_rows()
        out, size = [], self.settings["layered"]["batch"]
        for together, batch in batches({condition: prompts}, {condition: how}, self.base.tokenizer, size):
            said = ask(together, batch, {condition: how}, lambda _name, _uid: over, self.graft, self.base.tokenizer, self.limits)
            out += said["answers"]
        return sorted(out, key=lambda answer: answer["qid"])


def shape_of(settings: dict, adapter: str) -> LoraSpec:
    """The shape of a shared reader's adapter, or of the users' own."""
    if adapter == OWN_ADAPTER:
        return Teaching(**settings["user_lora"]).spec
    return LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"])
