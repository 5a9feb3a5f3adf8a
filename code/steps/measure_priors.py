"""How much of the bench can be answered without any memory? Two attackers that see only the questions.

They learn on generated users and answer the questions of as many generated users again, and of the users of files, such
as those that the bench asks. Whatever they get right above chance is not memory.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from loci.bench.statistics import wilson
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.canaries import MOST_USERS
from loci.worlds.people import iter_users, stored_keys
from loci.worlds.plans import WORLDS, load_world
from loci.worlds.priors import Gaps, Outcome, Probe, attack, is_at_chance, learn, probes_of
from loci.worlds.records import User, load_users

SPLIT = "test"  # attackers and victims draw from the same pools and wordings


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--users", type=Path, nargs="*", default=[], help="users whose test questions are attacked too (JSON)")
    parser.add_argument("--questions", type=int, default=5000, help="questions a family and world to learn from, and to score")
    parser.add_argument("--seed", type=int, default=1_000_003, help="seed of the generated users (integer), not that of --users")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def fill(users: Iterator[User], wanted: int) -> list[Probe]:
    """Questions of as many twins as it takes to have at least `wanted` of each family; always both twins' together."""
    by_family: dict[str, list[Probe]] = defaultdict(list)
    for twins in zip(users, users, strict=False):
        found: dict[str, list[Probe]] = defaultdict(list)
        for probe in (probe for user in twins for probe in probes_of(user)):
            found[probe.family].append(probe)
        for family, probes in found.items():
            if len(by_family[family]) < wanted:
                by_family[family] += probes
        if all(len(probes) >= wanted for probes in by_family.values()):
            break
    return [probe for probes in by_family.values() for probe in probes]


def generated(world: str, seed: int) -> Iterator[User]:
    """As many users as there can be, one after the other."""
    return iter_users(world, SPLIT, range(MOST_USERS), seed)


def victims_of(files: list[Path], seed: int) -> dict[str, list[Probe]]:
    """The test questions of users files by world; a UserError where attackers would learn from the same users."""
    found: dict[str, list[Probe]] = defaultdict(list)
    for path in files:
        for user in load_users(path):
            world = str(user.attrs.get("world", ""))
            if world not in WORLDS:
                raise UserError(
                    f"{path}: {user.uid}.attrs.world", f"'{world}' is not known", "make the users with make_people.py"
                )
            if user.split == SPLIT:
                found[world] += probes_of(user)
                if is_made_by(user, world, seed):
                    raise UserError(
                        "--seed", f"{seed} is the seed of {path}", "use another one, so that attackers learn on others"
                    )
    if not found:
        raise UserError("--users", "hold no test user", "make some with make_people.py")
    return found


def is_made_by(user: User, world: str, seed: int) -> bool:
    """Whether the user has the canaries that the user of that number gets from this seed."""
    number = re.fullmatch(r"[um](\d+)", user.uid)
    if not number:
        return False
    at = int(number[1])
    same = next(iter_users(world, SPLIT, range(at, at + 1), seed))
    told = {fact.key: fact.answer for fact in user.facts}
    return any(told.get(plan.key) == same.fact(plan.key).answer for plan in stored_keys(world) if plan.code)


def entry(outcome: Outcome, source: str) -> dict:
    """Ledger entry of one attacker."""
    value = outcome.right / outcome.n
    low, high = wilson(value, outcome.n)
    return {"value": value, "chance": outcome.chance, "n": outcome.n, "low": low, "high": high, "source": source}


def entries(outcomes: dict[str, dict[str, dict[str, Outcome]]], prefix: str, source: str) -> dict[str, dict]:
    """{world: {family: {attacker: outcome}}} -> entries of each attacker, each world, and the strongest on both worlds."""
    ledger: dict[str, dict] = {}
    pooled: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for world, families in outcomes.items():
        for family, attackers in families.items():
            ledger[f"{prefix}.{family}.{world}"] = entry(max(attackers.values(), key=lambda one: one.right), source)
            for attacker, outcome in attackers.items():
                ledger[f"{prefix}.{family}.{world}.{attacker}"] = entry(outcome, source)
                pooled[family][attacker].append(outcome)
    for family, attackers in pooled.items():
        sums = [_sum(parts) for parts in attackers.values()]
        ledger[f"{prefix}.{family}"] = entry(max(sums, key=lambda one: one.right), source)
    return ledger


def _sum(parts: list[Outcome]) -> Outcome:
    n = sum(part.n for part in parts)
    return Outcome(sum(part.right for part in parts), n, sum(part.n * part.chance for part in parts) / n)


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    if args.questions < 2:
        raise UserError("--questions", f"is {args.questions}", "use at least 2")
    provenance = Provenance(Path(__file__), {f"users.{at}": path for at, path in enumerate(args.users)})
    victims = victims_of(args.users, args.seed) if args.users else {}
    gaps = Gaps(load_world(world) for world in WORLDS)
    on_generated, on_files = {}, {}
    for world in tqdm(WORLDS, desc="attackers", unit="world"):
        users = generated(world, args.seed)
        attackers = learn(fill(users, args.questions), gaps)
        on_generated[world] = attack(attackers, fill(users, args.questions))
        if world in victims:
            on_files[world] = attack(attackers, victims[world])
    ledger = entries(on_generated, "worlds.prior", args.out.name) | entries(on_files, "worlds.prior_asked", args.out.name)
    config = {"questions": args.questions, "split": SPLIT, "users": [path.name for path in args.users]}
    record = provenance.record()
    record["packages"]["scikit-learn"] = version("scikit-learn")
    write_json(args.out, result("priors", config, args.seed, rounded(ledger), [], record))
    beyond = [key for key, one in ledger.items() if not is_at_chance(one["value"], one["low"], one["chance"])]
    verdict = f"beyond chance: {', '.join(beyond)}" if beyond else "questions alone tell nothing"
    print(f"{args.out}: {len(ledger)} numbers about what can be guessed; {verdict}")


if __name__ == "__main__":
    run_step(main)
