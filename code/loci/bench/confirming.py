"""Files that were made again, compared with the committed ones; what agreed can be noted beside the reference."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from loci.bench.agreement import Difference, Tolerance, answers_apart, differences, tolerance_of
from loci.bench.claims import changes, check, load_claims
from loci.bench.ledger import Ledger, collect, write_ledger
from loci.bench.parts import items_apart, records_apart
from loci.bench.staleness import VERIFIED, reach_hash, script_of
from loci.definitions import Code
from loci.results import read_json, read_result, sha256_file, write_json

_SHOWN = 12  # differences that are printed


def committed_file(reference: Path, results: Path, path: Path) -> Path | None:
    """The committed counterpart of a file of the results; None where none is committed."""
    if results not in path.parents:
        return None
    plain = reference / path.relative_to(results)
    packed = plain.with_name(f"{plain.name}.gz")
    return plain if plain.exists() else packed if packed.exists() else None


def compare(rule: str, committed: Path, fresh: Path, now: Code, part: bool = False) -> tuple[str, list[Difference]]:
    """What can be said of a file of a rule that agrees, and where it does not. part: the fresh file has some items or raw records
    of the committed one, and these are compared."""
    torch = fresh.suffix != ".json" or uses_torch(read_result(fresh)["provenance"]["step"], now)
    allowed = tolerance_of(rule, torch)
    found, apart = (_compared_in_part if part else _compared)(committed, fresh, allowed)
    return f"{found}; tolerance: {allowed.name}; " + (f"{len(apart)} places differ" if apart else "agrees"), apart


def _compared(committed: Path, fresh: Path, allowed: Tolerance) -> tuple[str, list[Difference]]:
    if fresh.suffix == ".jsonl":
        old, new = _records(committed), _records(fresh)
        share, found = answers_apart(old, new, allowed, fresh.name)
        return f"{share:.4f} of {len(old):,} records equal", found
    old, new = read_result(committed), read_result(fresh)
    return f"{len(new['metrics']):,} metrics", differences(old, new, allowed)


def _compared_in_part(committed: Path, fresh: Path, allowed: Tolerance) -> tuple[str, list[Difference]]:
    if fresh.suffix == ".jsonl":
        old, new = _records(committed), _records(fresh)
        share, found = records_apart(old, new, allowed, fresh.name)
        return f"{share:.4f} of {len(new):,} records among the {len(old):,} committed ones", found
    old, new = read_result(committed)["items"], read_result(fresh)["items"]
    return f"{len(new):,} of {len(old):,} items", items_apart(old, new, allowed, "items")


def _records(path: Path) -> list[dict]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def uses_torch(step: str, now: Code) -> bool:
    """Whether a step reaches torch."""
    script = script_of(step, now)
    if script is None:
        return True
    texts = [now.text(script), *(now.text(f"code/{name.replace('.', '/')}.py") or "" for name in now.modules(script))]
    return any("import torch" in text or "from torch" in text for text in texts)


def print_differences(found: Sequence[Difference]) -> None:
    """The first of them, one a line."""
    for one in found[:_SHOWN]:
        print(f"  {one}")
    if len(found) > _SHOWN:
        print(f"  and {len(found) - _SHOWN} more")


def changed_claims(reference: Path, claims: Path, profile: str, fresh: Sequence[Path], folder: Path) -> list[str]:
    """Claims whose outcome the fresh results change. folder: for a ledger that is used here only."""
    ledger = Ledger(reference / "summary.json")
    entries = {key: ledger[key] for key in ledger.keys()}  # noqa: SIM118
    entries |= {key: entry for key, entry in collect(fresh).items() if key in entries}
    write_ledger(folder / "summary.json", entries, profile)
    asked = load_claims(claims)
    return changes(check(asked, ledger, profile), check(asked, Ledger(folder / "summary.json"), profile))


def record(reference: Path, agreed: Sequence[Path], now: Code, items: dict[Path, int] | None = None) -> None:
    """Note what was made again and agreed: hash of the committed file, and of all that its step reaches. items: how many of its
    items agreed, of files of which a part was made; a file that has agreed whole stays so."""
    path = reference / VERIFIED
    noted = read_json(path) if path.exists() else {}
    for file in agreed:
        about = read_result(file)
        name, found = str(file.relative_to(reference)), {"sha256": sha256_file(file)}
        found["reach"] = reach_hash(script_of(about["provenance"]["step"], now), now)
        if noted.get(name) != found:
            noted[name] = found | ({"items": [items[file], len(about["items"])]} if items else {})
    write_json(path, dict(sorted(noted.items())))
