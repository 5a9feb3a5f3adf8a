"""What each way to keep a user's facts does to everything else: Δ bits per byte of other text, answers of common knowledge.

Rows on the base model (c), the shared readers alone (e, ke), rows over the reciting reader (k), and every user's own adapter (b).
Text: prose, other people's chat, and other users' stored sentences, which bear the triggers.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.contamination import TextsBefore, common_answers, common_knowledge, entries_of
from loci.bench.people import asked_users
from loci.bench.recited import RECITED
from loci.bench.side_effects import BaseTexts, summary
from loci.bench.texts import other_sentences, unrelated_texts
from loci.bench.traces import load_traces
from loci.bench.user_lora import Teaching
from loci.config import load_config
from loci.errors import run_step
from loci.models.adapters import LoraSlot, LoraSpec, LoraWeights
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    needed = {"type": Path, "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--config", **needed, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--recite", **needed, help="the reciting reader, by train_reader.py (safetensors)")
    parser.add_argument("--answer", **needed, help="the answering reader, by train_reader.py (safetensors)")
    parser.add_argument("--rows", **needed, help="rows on the base model: result of write_rows.py (JSON)")
    parser.add_argument("--recited", **needed, help="rows for the reciting reader: result of write_recited.py (JSON)")
    parser.add_argument("--tuned", **needed, help="the users' own adapters: result of tune_users.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", **needed, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Bench:
    """One slot beside the base model, the texts as the base model reads them, and the questions of common knowledge."""

    def __init__(self, settings: dict, spec: LoraSpec, users: list[User], model: Path | None):
        self.base = load_base(settings["base"]["name"], model)
        self.slot, self._limits = LoraSlot(self.base, spec), settings["side_effects"]
        self.graft = Graft(self.base.model, self.base.tokenizer, EngramSpec.of(settings["engram"]))
        # The first user's texts serve all: the sentences are other users' in any case, and most share their triggers.
        self._texts = {**unrelated_texts(self._limits), "triggers": other_sentences(users, users[0], self._limits["others"])}
        self._before = TextsBefore(self.slot, self._texts, self._limits["max_tokens"])
        self._known, self._most = common_knowledge(), settings["matrix"]["max_tokens"]
        self._read: dict[str, BaseTexts] = {}

    def measure(self, condition: str, uid: str, weights: LoraWeights | None, rows: RowMap | None = None) -> dict:
        """Δ bits per byte by kind of text, and the answers of common knowledge, under an adapter and rows."""
        delta = self._before.under(weights)
        for kind, effect in self._effects(rows).items() if rows is not None else ():
            delta[kind] += effect
        answers = common_answers(self.graft, self.base.tokenizer, self._known, rows or self.graft.empty_rows(), self._most)
        return {"condition": condition, "uid": uid, "delta": delta, "answers": answers}

    def _effects(self, rows: RowMap) -> dict[str, float]:
        """Δ of rows over the adapter in the slot; one adapter's texts are read once, so call for one adapter at a time."""
        if not self._read:
            upper, most = UpperStack(self.graft), self._limits["max_tokens"]
            self._read = {kind: BaseTexts(upper, self.base.tokenizer, found, most) for kind, found in self._texts.items()}
        return {kind: summary(texts.effects(rows))["dbpb"] for kind, texts in self._read.items()}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    names = ("users", "recite", "answer", "rows", "recited", "tuned")
    provenance = Provenance(Path(__file__), {name: getattr(args, name) for name in names})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody, spec = load_users(args.users), EngramSpec.of(settings["engram"])
    users = asked_users(everybody, settings)
    relevant = {name: settings[name] for name in ("base", "engram", "matrix", "reader", "user_lora", "side_effects")}
    identity = {**relevant, **{name: sha256_file(getattr(args, name)) for name in names}}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    shared = LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"])
    about = settings["base"]["name"]
    rows = load_traces(args.rows, spec.about(about), read_result(args.rows)["seed"])
    recited = load_traces(args.recited, spec.about(about), read_result(args.recited)["seed"])
    tuned = {item["uid"]: args.tuned.parent / item["adapter"] for item in read_result(args.tuned)["items"]}
    # (what is measured, its slot, [(condition, user, adapter file, rows)]): a slot serves adapters of one shape.
    plan = [
        ("base", shared, [("a", "", None, None), *(("c", user.uid, None, rows[user.uid, "rows"]) for user in users)]),
        ("answer", shared, [("e", "", args.answer, None)]),
        ("recite", shared, [("ke", "", args.recite, None), *(("k", u.uid, args.recite, recited[u.uid, RECITED]) for u in users)]),
        ("user", Teaching(**settings["user_lora"]).spec, [("b", user.uid, tuned[user.uid], None) for user in users]),
    ]
    items: list[dict] = []
    for name, lora, cases in tqdm(plan, desc="contamination", unit="adapter"):
        bench = None
        for condition, uid, adapter, own in tqdm(cases, desc=name, unit="case", leave=False):
            part = shards.get(f"{condition}.{uid}")
            if part is None:
                bench = bench or Bench(settings, lora, users, args.model)
                weights = bench.slot.load(adapter) if adapter else None
                part = shards.put(f"{condition}.{uid}", bench.measure(condition, uid, weights, own))
            items.append(part)
    metrics = entries_of(items, about, args.out.name)
    write_json(args.out, result("contamination", relevant, None, rounded(metrics, 6), rounded(items, 6), provenance.record()))
    print(f"{args.out}: Δ bits per byte and common knowledge under {len({item['condition'] for item in items})} conditions")


if __name__ == "__main__":
    run_step(main)
