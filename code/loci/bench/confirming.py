"""Files that were made again, compared with the committed ones; what agreed can be noted beside the reference."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from loci.bench.agreement import Difference, Tolerance, answers_apart, differences, tolerance_of
from loci.bench.claims import changes, check, load_claims
from loci.bench.ledger import Ledger, collect, write_ledger
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


def compare(rule: str, committed: Path, fresh: Path, now: Code) -> tuple[str, list[Difference]]:
    """What can be said of a file of a rule that agrees, and where it does not."""
    torch = fresh.suffix != ".json" or uses_torch(read_result(fresh)["provenance"]["step"], now)
    allowed = tolerance_of(rule, torch)
    found, apart = _compared(committed, fresh, allowed)
    return f"{found}; tolerance: {allowed.name}; " + (f"{len(apart)} places differ" if apart else "agrees"), apart


def _compared(committed: Path, fresh: Path, allowed: Tolerance) -> tuple[str, list[Difference]]:
    if fresh.suffix == ".jsonl":
        text = gzip.decompress(committed.read_bytes()) if committed.suffix == ".gz" else committed.read_bytes()
        old, new = ([json.loads(line) for line in content.splitlines()] for content in (text, fresh.read_bytes()))
        share, found = answers_apart(old, new, allowed, fresh.name)
        return f"{share:.4f} of {len(old):,} records equal", found
    old, new = read_result(committed), read_result(fresh)
    return f"{len(new['metrics']):,} metrics", differences(old, new, allowed)


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


def record(reference: Path, agreed: Sequence[Path], now: Code) -> None:
    """Note what was made again and agreed: hash of the committed file, and of all that its step reaches."""
    path = reference / VERIFIED
    noted = read_json(path) if path.exists() else {}
    for file in agreed:
        step = read_result(file)["provenance"]["step"]
        noted[str(file.relative_to(reference))] = {"sha256": sha256_file(file), "reach": reach_hash(script_of(step, now), now)}
    write_json(path, dict(sorted(noted.items())))
