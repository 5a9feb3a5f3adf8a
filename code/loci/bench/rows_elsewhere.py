"""Four studies of rows that are not where, or not alone where, they were written; see the step move_rows.

The other base is this one trained further: a low-rank adapter, taught one pass over texts that no fact stands in, stays in its
slot.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from loci.bench.decode import PromptBatch
from loci.bench.glass_box import effect, in_the_middle, means, overall, says, until_met
from loci.bench.moving import TARGETS, bare, carried, explained, fitted_map, repeated, tune_model, tune_table
from loci.bench.score import contains_any
from loci.bench.tenants import salted
from loci.bench.texts import unrelated_texts
from loci.bench.user_lora import texts_to_keep
from loci.memories.row_examples import ContextExamples, EncodedSentence, Sentence, encode_sentence
from loci.memories.row_strategies import Writer, addresses_of, write_optimised
from loci.memories.row_writer import initial_rows, optimise
from loci.models.adapters import LoraSlot, LoraSpec, LoraWeights
from loci.models.addressing import Addressing
from loci.models.base import Base
from loci.models.engram import EngramSpec, Graft
from loci.models.probing import Probe, Streams
from loci.models.rows import RowBatch, RowMap, laid_over
from loci.models.suffix import CachedSequences, find_rows
from loci.models.tuning import TuneSettings, tune
from loci.models.upper import UpperStack
from loci.worlds.records import Fact, User

_RIDGE = 0.1
_SOON = 20  # tokens behind a trigger; what is said later is not the answer any more


class Bench:
    """The base, its graft, and what both are read with. other: the graft's twin with other projections and addresses."""

    def __init__(self, base: Base, settings: dict):
        self.base, self.settings, self.how = base, settings, settings["inside"]["moved"]
        # Before anything is attached: the base's own tensors by name, and the one copy whose weights may be tuned.
        self._frozen, self._whole = base.model.state_dict(), copy.deepcopy(base.model)
        self.tokenizer, spec = base.tokenizer, EngramSpec.of(settings["engram"])
        self.slot = LoraSlot(base, LoraSpec(settings["inside"]["adapter"]["rank"], settings["inside"]["adapter"]["targets"]))
        self.further = self._trained_further()
        self.graft, self.other = (Graft(base.model, base.tokenizer, replace(spec, seed=spec.seed + at)) for at in range(2))
        self.most = settings["inside"]["depths"]["most"]

    def untuned(self):
        """The copy of the base whose weights may be tuned, as they were: always the same one, for copies are freed late."""
        self._whole.load_state_dict(self._frozen)
        return self._whole

    def _trained_further(self) -> LoraWeights:
        """An adapter that makes the base another one: a pass over texts that no fact stands in."""
        texts = texts_to_keep(self.tokenizer, self.settings["side_effects"]["max_tokens"])
        adapter, _ = tune(self.slot, texts, TuneSettings(self.how["further_rate"], 1, 512), 0, self.tokenizer.pad_token_id)
        self.slot.put(None)
        return adapter

    def encoded(self, facts: Sequence[Fact]) -> list[EncodedSentence]:
        return [encode_sentence(self.tokenizer, "", Sentence(fact.trigger, fact.answer)) for fact in facts]

    def written(self, graft: Graft, facts: Sequence[Fact], seed: int) -> tuple[RowMap, int]:
        """Rows of bare sentences, to convergence, and the steps that they took."""
        sentences, how = [Sentence(fact.trigger, fact.answer) for fact in facts], until_met(self.settings["write"], self.most)
        writer = Writer(UpperStack(graft), self.tokenizer)
        rows, report = write_optimised("rows_joint", writer, sentences, [], how, seed)
        return rows, report.steps

    def said(self, graft: Graft, rows: RowMap, facts: Sequence[Fact]) -> list[float]:
        """Of each fact: whether its bare sentence is completed, every token the first choice."""
        probe, out = Probe(graft), []
        for one in self.encoded(facts):
            plain = probe.read(one.ids)
            moved = probe.read(one.ids, probe.adds(rows, one.ids, plain.stream[probe.layer]).vectors)
            out.append(float(says(moved, bare(one))))
        return out


def transfer(bench: Bench, user: User, seed: int, facts: list[Fact]) -> list[dict]:
    """facts: whose recall is measured; the map is fitted on rows of all others of the user."""
    everything = list(user.final_facts())
    others = [fact for fact in everything if fact not in facts]
    rows, _ = bench.written(bench.graft, everything, seed)
    out: list[dict] = [{} for _ in facts]
    for target in TARGETS:
        graft = bench.other if target == "projections" else bench.graft
        bench.slot.put(bench.further if target == "tuned" else None)
        try:
            native, steps = bench.written(graft, everything, seed)
            moved = carried(rows, bench.graft, graft, bench.encoded(everything))
            learnt, asked = (addresses_of(graft, bench.encoded(part)) for part in (others, facts))
            learnt = learnt[~torch.isin(learnt, asked)]
            pair = [table.values[table.find(learnt)] for table in (moved, native)]
            mapped = moved.with_values(moved.values @ fitted_map(*pair, _RIDGE))
            whole = {"native": native, "as_is": moved, "mapped": mapped, "none": graft.empty_rows()}
            for name, table in whole.items():
                for one, said in zip(out, bench.said(graft, table, facts), strict=True):
                    one[f"{target}.{name}.says"] = said
            again = refitted(bench, graft, moved, everything, seed)
            at = [table.find(asked) for table in (mapped, native)]
            share = explained(mapped.values[at[0]], native.values[at[1]])
            for one in out:
                one |= {f"{target}.native.steps": steps, f"{target}.refitted.steps": again, f"{target}.mapped.explained": share}
        finally:
            bench.slot.put(None)
    return out


def refitted(bench: Bench, graft: Graft, start: RowMap, facts: Sequence[Fact], seed: int) -> int:
    """Steps until rows that begin as `start` say all facts."""
    encoded, upper = bench.encoded(facts), UpperStack(graft)
    group = ContextExamples(CachedSequences(upper, [one.ids for one in encoded]), encoded, start)
    how, generator = until_met(bench.settings["write"], bench.most), torch.Generator().manual_seed(seed)
    head = graft.model.get_output_embeddings()
    return optimise([group], len(facts), start, how, generator, head)[1].steps


def stack(bench: Bench, facts: list[Fact], further: dict[str, list[Fact]], seed: int) -> list[dict]:
    """further: name -> the second domain's facts. What is laid over stands where both write one address."""
    own, _ = bench.written(bench.graft, facts, seed)
    out = [{"alone.first.says": said} for said in bench.said(bench.graft, own, facts)]
    for name, second in further.items():
        theirs, _ = bench.written(bench.graft, second, seed)
        both = laid_over([own, theirs])
        salts = [Addressing.salt_of(at) for at in range(2)]
        mixed = laid_over([salted(table, salt) for table, salt in zip((own, theirs), salts, strict=True)])
        unsalted = [salted(mixed, salt) for salt in salts]  # what a reader with each salt looks up
        shared = float(torch.isin(own.addresses, theirs.addresses).float().mean())
        for part, table, asked in (
            ("stacked.first", both, facts),
            ("stacked.second", both, second),
            ("salted.first", unsalted[0], facts),
            ("salted.second", unsalted[1], second),
            ("unread.first", mixed, facts),
        ):
            for one, said in zip(out, bench.said(bench.graft, table, asked), strict=True):
                one[f"{name}.{part}.says"] = said
        for one in out:
            one[f"{name}.shared_rows"] = shared
    return out


def long(bench: Bench, facts: list[Fact], number: int, seed: int) -> tuple[list[dict], list[dict[str, str]]]:
    """Measures and texts of each fact: `number` tokens, greedily, behind its trigger and behind its whole sentence.

    Text that begins with an answer goes on differently from text that begins with anything else, so rows and none are told
    apart fairly where both go on from the answer (told).
    """
    rows, _ = bench.written(bench.graft, facts, seed)
    nothing, out, texts = bench.graft.empty_rows(), [{} for _ in facts], [{} for _ in facts]
    for told in (False, True):
        prompts = [one.ids if told else one.ids[: one.answer_start] for one in bench.encoded(facts)]
        for arm, table in (("rows", rows), ("none", nothing)):
            name = f"told.{arm}" if told else arm
            for place, found in enumerate(_gone_on(bench, rows, table, prompts, number)):
                text = found.pop("text")
                found |= {} if told else {"used.says": float(contains_any(text, facts[place].accepted))}
                out[place] |= {f"{name}.{measure}": value for measure, value in found.items()}
                texts[place][name] = text
    for one in out:
        one |= {f"{which}delta_nats": one[f"{which}rows.nats"] - one[f"{which}none.nats"] for which in ("", "told.")}
        one["told.delta_repeated"] = one["told.rows.repeated"] - one["told.none.repeated"]
    return out, texts


def _gone_on(bench: Bench, rows: RowMap, table: RowMap, prompts: list[list[int]], number: int) -> list[dict]:
    """Of each prompt the text that follows with `table`, how likely it is to the base, and how often it meets `rows`."""
    ends, probe, out = frozenset({bench.tokenizer.eos_token_id}), Probe(bench.graft), []
    batch = PromptBatch(bench.graft, prompts, bench.tokenizer.pad_token_id, ends, number)
    for prompt, said in zip(prompts, batch.answer(RowBatch.shared(table, len(prompts))), strict=True):
        whole = [*prompt, *said.tokens]
        found = probe.read(whole).log_probs[len(prompt) - 1 : -1]
        nats = -found.gather(1, torch.tensor(said.tokens)[:, None]) if said.tokens else found.new_zeros(1, 1)
        hits = find_rows(bench.graft, rows, whole)[len(prompt) :] >= 0
        measures = {
            "text": bench.tokenizer.decode(said.tokens),
            "repeated": repeated(said.tokens),
            "nats": float(nats.mean()),
            "nats_later": float(nats[_SOON:].mean()) if len(nats) > _SOON else None,
            "tokens": float(len(said.tokens)),
            "hits_later": float(hits.any(-1).sum()),
        }
        out.append(measures)
    return out


def tuned(bench: Bench, facts: list[Fact], seed: int, rates: dict[str, float]) -> list[dict]:
    """Rows, rows with their projections, all weights: what each says, and what each does to unrelated text. rates: of `table`
    and `model`."""
    margin, encoded = bench.settings["write"]["margin"], bench.encoded(facts)
    limit, count = bench.settings["side_effects"]["max_tokens"], bench.settings["inside"]["texts"]
    texts = [
        bench.tokenizer(text).input_ids[:limit]
        for kind in unrelated_texts({"prose": count, "chat": count}).values()
        for text in kind
    ]
    probe, base = Probe(bench.graft), bench.base
    rows, steps = bench.written(bench.graft, facts, seed)
    own = Graft(base.model, base.tokenizer, bench.graft.spec)  # its projections are tuned
    drawn = initial_rows(rows.addresses, rows.values.shape[1], bench.settings["write"]["init_scale"], _drawn_by(seed))
    table, table_steps, table_met = tune_table(own, drawn, encoded, rates["table"], margin, bench.most)
    whole = bench.untuned()
    model_steps, model_met = tune_model(whole, encoded, rates["model"], margin, bench.most)
    tuned_whole = Graft(whole, base.tokenizer, own.spec)
    readers = {"rows": (probe, rows), "table": (Probe(own), table), "model": (Probe(tuned_whole), None)}
    costs = {"rows": (steps, True), "table": (table_steps, table_met), "model": (model_steps, model_met)}
    for graft in (own, tuned_whole):
        graft.detach()
    out: list[dict] = [{} for _ in facts]
    plain = [probe.read(ids) for ids in texts]
    for name, (reader, made) in readers.items():

        def read(ids: list[int], reader=reader, made=made) -> Streams:
            found = reader.read(ids)
            return found if made is None else reader.read(ids, reader.adds(made, ids, found.stream[reader.layer]).vectors)

        others = means([overall(effect(before, read(ids), ids)) for before, ids in zip(plain, texts, strict=True)])
        for number, (one, fact, sentence) in enumerate(zip(out, facts, encoded, strict=True)):
            middle = in_the_middle(fact, number, True, bench.tokenizer)
            one |= {f"{name}.bare.says": float(says(read(sentence.ids), bare(sentence)))}
            one |= {f"{name}.middle.says": float(says(read(middle.ids), middle))}
            one |= {f"{name}.unrelated.{measure}": value for measure, value in others.items()}
            one |= {f"{name}.steps": costs[name][0], f"{name}.met": float(costs[name][1])}
    return out


def _drawn_by(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
