"""Where writing works at all: rows at mentions ("my dentist"), distilled from the model with the facts in its prompt.

The student studies questions in wordings of their own set; it is asked in others. Reported: how often teacher and student are
right, what the student keeps of what the teacher knows, how far its answers are from the teacher's, and what the rows do to other
sentences with the same mention. --choose tries several layers on development users; the best of them is frozen in the profile.
A killed run continues with the next table.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from loci.bench.glass_box import chosen_facts, entries
from loci.bench.mention_asking import Asked, Asker, passing, questions_of, right
from loci.bench.people import asked_users
from loci.bench.side_effects import BaseTexts
from loci.bench.texts import chat
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.mention_rows import DistilSettings, Lessons, distil, first_table
from loci.memories.row_strategies import randomised
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.mentions import load_mentions, mentioned
from loci.worlds.records import Fact, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--choose", action="store_true", help="try every layer of the profile on development users")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Study:
    """One user's questions at one layer: what the teacher says is found once, for all seeds."""

    def __init__(self, base: Base, spec: EngramSpec, facts: list[Fact], settings: dict, asked: str):
        how = settings["inside"]["mentions"]
        self.graft = Graft(base.model, base.tokenizer, spec)
        self.upper, self.facts, self.tokenizer = UpperStack(self.graft), facts, base.tokenizer
        self.asker = Asker(self.graft, base.tokenizer, settings["matrix"])
        self.settings = DistilSettings(how["rate"], how["batch"], how["steps"], settings["write"]["init_scale"])
        self.sets = {"study": questions_of(facts, "study", how["study"]), asked: questions_of(facts, asked, how["asked"])}
        self.told = {name: self.asker.answers(questions) for name, questions in self.sets.items()}
        texts = [text for fact in facts for text in passing(fact)]
        self.passing = BaseTexts(self.upper, base.tokenizer, texts, settings["side_effects"]["max_tokens"])
        self.chat = BaseTexts(
            self.upper, base.tokenizer, chat(settings["side_effects"]["chat"]), settings["side_effects"]["max_tokens"]
        )

    @property
    def phrases(self) -> list[str]:
        return [load_mentions().phrases[fact.key] for fact in self.facts]

    def written(self, seed: int) -> tuple[RowMap, dict[str, list[float]]]:
        """Rows learnt from the study set, and divergences of all questions before and after, by "<set>.<when>"."""
        table = first_table(self.graft, self.tokenizer, self.phrases, self.settings, seed)
        ready = {
            name: Lessons(self.upper, self.asker.lessons(asked, self.told[name]), table) for name, asked in self.sets.items()
        }
        rows = distil(ready["study"], table, self.settings, seed)
        kl = {f"{name}.before": lessons.divergences(table.values * 0) for name, lessons in ready.items()}
        return rows, kl | {f"{name}.after": lessons.divergences(rows.values) for name, lessons in ready.items()}

    def said(self, asked: str, rows: RowMap, donor: RowMap, seed: int) -> dict[str, list[str]]:
        """What is answered to each question of a set, by condition."""
        tables = {"rows": rows, "random": randomised(rows, seed), "donor": donor, "none": self.graft.empty_rows()}
        tokens = {"teacher": self.told[asked]}
        tokens |= {name: self.asker.answers(self.sets[asked], table) for name, table in tables.items()}
        return {name: self.asker.said(answers) for name, answers in tokens.items()}

    def raw(self, asked: str, said: dict[str, list[str]]) -> list[list[dict]]:
        """Of every fact its questions with what each condition answered."""
        rows = [
            (one.key, {"question": one.text, "accepted": list(one.accepted), **{name: texts[at] for name, texts in said.items()}})
            for at, one in enumerate(self.sets[asked])
        ]
        return [[found for key, found in rows if key == fact.key] for fact in self.facts]

    def measures(self, asked: str, rows: RowMap, said: dict[str, list[str]], kl: dict[str, list[float]]) -> list[dict]:
        """Of every fact: shares right under each condition, kept of what the teacher knows, divergences, side effects."""
        correct = {name: right(self.sets[asked], texts) for name, texts in said.items()}
        studied = self.asker.said(self.asker.answers(self.sets["study"], rows))
        seen, effects, far = right(self.sets["study"], studied), self.passing.effects(rows), self.chat.effects(rows)
        each = len(effects) // len(self.facts)
        hit_rate = sum(one.hits for one in far) / sum(one.positions for one in far)
        out = []
        for at, fact in enumerate(self.facts):
            mine = {name: _of(fact, self.sets[name], list(range(len(self.sets[name])))) for name in self.sets}
            one = {f"{name}.exact": _mean([found[place] for place in mine[asked]]) for name, found in correct.items()}
            for name in ("teacher", "rows"):  # a mean over wordings says little of each
                one |= {f"{name}.wording{at}.exact": float(correct[name][place]) for at, place in enumerate(mine[asked])}
            one["rows_minus_donor.gain"] = one["rows.exact"] - one["donor.exact"]
            known = [place for place in mine[asked] if correct["teacher"][place]]
            kept = {name: found for name, found in correct.items() if name != "teacher" and known}
            one |= {f"{name}.kept": _mean([found[place] for place in known]) for name, found in kept.items()}
            one["rows.study_exact"] = _mean([seen[place] for place in mine["study"]])
            for name, found in kl.items():
                which, when = name.split(".")
                label = "study" if which == "study" else "asked"
                one[f"kl.{label}.{when}"] = _mean([found[place] for place in mine[which]])
            texts = effects[at * each : (at + 1) * each]
            one["passing.at_hits"] = _mean([text.delta_nats_at_hits for text in texts])
            one["passing.nats"] = _mean([text.delta_nats for text in texts])
            out.append(one | {"chat.hit_rate": hit_rate})
        return out


def _of(fact: Fact, questions: list[Asked], places: list[int]) -> list[int]:
    return [place for place in places if questions[place].key == fact.key]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def one_layer(
    layer: int, users: list[User], seeds: list[int], base: Base, settings: dict, asked: str, shards: Shards
) -> list[dict]:
    """All tables at one layer; another user's rows of the same seed are the control."""
    inside = settings["inside"]
    spec = replace(EngramSpec.of(settings["engram"]), layer=layer, orders=tuple(inside["mentions"]["orders"]))
    out = []
    facts = {user.uid: chosen_facts(tuple(mentioned(user.final_facts())), inside["facts"], "mentions") for user in users}
    studies: dict[str, Study] = {}
    for seed in seeds:
        name = f"l{layer}.s{seed}"
        part = shards.get(name)
        if part is None:
            for user in users:
                if user.uid not in studies:
                    studies[user.uid] = Study(base, spec, facts[user.uid], settings, asked)
            found = {uid: study.written(seed) for uid, study in studies.items()}
            items, uids = [], list(studies)
            for place, uid in enumerate(uids):
                rows, kl = found[uid]
                study, donor = studies[uid], found[uids[place - 1]][0]
                said = study.said(asked, rows, donor, seed)
                told = zip(facts[uid], study.measures(asked, rows, said, kl), study.raw(asked, said), strict=True)
                for fact, one, answers in told:
                    items.append({"fact": f"{uid}.{fact.key}", "seed": seed, "measures": rounded(one, 5), "answers": answers})
            part = shards.put(name, {"items": items})
        out += part["items"]
    for study in studies.values():
        study.graft.detach()
    return [{"layer": layer, **item} for item in out]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    inside, everybody = settings["inside"], load_users(args.users)
    how = inside["mentions"]
    pool = [user for user in everybody if user.split == "dev"] if args.choose else asked_users(everybody, settings)
    users = pool[: max(2, inside["users"])]
    if len(users) < 2:
        raise UserError(args.users, "holds fewer than two users to ask", "make more: another user's rows are the control")
    base, asked = load_base(settings["base"]["name"], args.model), "dev" if args.choose else "test"
    relevant = {name: settings[name] for name in ("base", "engram", "matrix", "side_effects")}
    relevant["inside"] = {name: inside[name] for name in ("users", "facts", "seeds", "mentions")}
    identity = {**relevant, "users": sha256_file(args.users), "model": base.model_sha256, "asked": asked}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    layers, seeds = (how["layers"], inside["seeds"][:1]) if args.choose else ([how["layer"]], inside["seeds"])
    items, metrics = [], {}
    for layer in tqdm(layers, desc="mentions", unit="layer"):
        found = one_layer(layer, users, seeds, base, settings, asked, shards)
        prefix = f"inside.mention_dev.{base.name}.l{layer}" if args.choose else f"inside.mention.{base.name}"
        metrics |= entries(found, prefix, args.out.name)
        items += found
    record = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("distil_mentions", relevant, None, rounded(metrics), items, record))
    kept = [f"{key.rpartition('.')[0]} {one['value']:.2f}" for key, one in metrics.items() if key.endswith("rows.kept")]
    print(f"{args.out}: kept of what the teacher answers: {', '.join(kept) or 'it answers nothing'}")


if __name__ == "__main__":
    run_step(main)
