"""Rows elsewhere: on another base, beside another domain's, over a hundred tokens, and against tuning weights instead.

Four studies. transfer: a table carried to other projections and to a base that was trained further, as it is, through a fitted
linear map, and refitted from there, beside rows written there from nothing. stack: two domains in one table, alone, laid over,
with salted addresses; the second is another world's (other triggers) or another user's (the same triggers). long: a hundred
tokens behind the trigger, and behind the whole sentence as text; is the fact said, does the text repeat itself, how likely is
it to the base. tuned: the same facts by tuning all weights, or rows with their projections, up to the same margin.

Facts of test users, written from bare sentences. --choose tries several rates of tuning on development users instead; those that
say most facts and, of equals, move unrelated text least are frozen in the profile. A killed run continues with the next table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.glass_box import chosen_facts, entries
from loci.bench.people import asked_users, donors
from loci.bench.rows_elsewhere import Bench, long, stack, transfer, tuned
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.people import iter_users
from loci.worlds.records import User, load_users

STUDIES = ("transfer", "stack", "long", "tuned")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--choose", action="store_true", help="try every rate of tuning on development users")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def one_study(bench: Bench, study: str, user: User, donor: User, patient: User, seed: int) -> list[dict]:
    """{"fact", "seed", "measures"} of the user's facts, with the texts that were said where there are some."""
    inside, texts = bench.settings["inside"], None
    facts = chosen_facts(user.final_facts(), inside["facts"], user.uid)
    keys = [fact.key for fact in facts]
    if study == "transfer":
        found = transfer(bench, user, seed, facts)
    elif study == "stack":
        same = [fact for fact in donor.final_facts() if fact.key in keys]
        apart = chosen_facts(patient.final_facts(), len(facts), patient.uid)
        if len(same) < len(facts):  # a fact that the other user withdrew has no counterpart
            facts = [fact for fact in facts if fact.key in {one.key for one in same}]
        found = stack(bench, facts, {"disjoint": apart[: len(facts)], "shared": same}, seed)
    elif study == "long":
        found, texts = long(bench, facts, bench.how["tokens"], seed)
    else:
        found = tuned(bench, facts, seed, bench.how["rates"])
    pairs = zip(facts, found, strict=True)
    records = [{"fact": f"{user.uid}.{fact.key}", "seed": seed, "measures": rounded(one, 5)} for fact, one in pairs]
    return [record | {"texts": one} for record, one in zip(records, texts, strict=True)] if texts else records


def tried(bench: Bench, users: list[User], seed: int, shards: Shards) -> list[dict]:
    """What each rate of tuning says of development users' facts, and what it does to unrelated text."""
    items = []
    plan = [(user, at, rates) for user in users for at, rates in enumerate(bench.how["tried"])]
    for user, at, rates in tqdm(plan, desc="tune", unit="table"):
        name = f"tried.{user.uid}.{at}"
        part = shards.get(name)
        if part is None:
            facts = chosen_facts(user.final_facts(), bench.settings["inside"]["facts"], user.uid)
            found = tuned(bench, facts, seed, rates)
            part = shards.put(name, {"items": [rounded(one, 5) for one in found]})
        items += [{"uid": user.uid, "rates": rates, "measures": one} for one in part["items"]]
    return items


def best_rates(items: list[dict], source: str) -> dict:
    """Ledger entries: of each part the rate with which most facts are said; of equals the one that moves unrelated text least."""
    best = {}
    for part in items[0]["rates"]:
        rank = {}
        for rate in dict.fromkeys(one["rates"][part] for one in items):
            of = [one["measures"] for one in items if one["rates"][part] == rate]
            said, moved = (sum(one[f"{part}.{measure}"] for one in of) / len(of) for measure in ("bare.says", "unrelated.kl"))
            rank[rate] = (-said, moved, rate)
        entry = {"value": min(rank, key=rank.get), "n": len({one["uid"] for one in items}), "source": source}
        best[f"inside.chosen.{part}.rate"] = entry
    return best


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    inside, everybody = settings["inside"], load_users(args.users)
    asked = [user for user in everybody if user.split == "dev"] if args.choose else asked_users(everybody, settings)
    users, donor = asked[: inside["users"]], donors(asked)
    base = load_base(settings["base"]["name"], args.model)
    relevant = {name: settings[name] for name in ("base", "people", "engram", "write", "side_effects")}
    relevant["inside"] = {name: inside[name] for name in ("users", "facts", "seeds", "texts", "adapter", "depths", "moved")}
    identity = {**relevant, "users": sha256_file(args.users), "model": base.model_sha256, "choose": args.choose}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    if args.choose:
        items = tried(Bench(base, settings), users, inside["seeds"][0], shards)
        metrics, record = best_rates(items, args.out.name), provenance.record() | {"model_sha256": base.model_sha256}
        write_json(args.out, result("move_rows", relevant, None, metrics, items, record))
        print(
            f"{args.out}: inside.moved.rates: " + ", ".join(f"{key.split('.')[2]} {of['value']}" for key, of in metrics.items())
        )
        return
    bench, metrics, items = None, {}, []
    patients = list(iter_users("medical", "test", range(len(users)), settings["people"]["seed"]))
    plan = [(study, seed, place) for study in STUDIES for seed in inside["seeds"] for place in range(len(users))]
    found: dict[str, list[dict]] = {study: [] for study in STUDIES}
    for study, seed, place in tqdm(plan, desc="move", unit="table"):
        user = users[place]
        name = f"{study}.{user.uid}.s{seed}"
        part = shards.get(name)
        if part is None:
            bench = bench or Bench(base, settings)
            part = shards.put(name, {"items": one_study(bench, study, user, donor[user.uid], patients[place], seed)})
        found[study] += part["items"]
    for study, records in found.items():
        metrics |= entries(records, f"inside.{study}.{base.name}", args.out.name)
        items += [{"study": study, **record} for record in records]
    record = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("move_rows", relevant, None, rounded(metrics), items, record))
    as_is, mapped = (metrics[f"inside.transfer.{base.name}.tuned.{how}.says"]["value"] for how in ("as_is", "mapped"))
    print(f"{args.out}: rows on a base that was trained further say {as_is:.2f} of the facts as they are, {mapped:.2f} mapped")


if __name__ == "__main__":
    run_step(main)
