"""Which results are of other code than the present one, and what has changed since.

A result is *current* where its code hash is that of the present code; *untouched* where the hash differs and everything that
its step can reach is the same, definition by definition, as in the commit that made it; *confirmed* where it was made again
with the present code and agreed (verify.py --record), *confirmed in part* where some of its items were; and *stale* otherwise,
with the reason.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from loci.definitions import Code, commits, history
from loci.results import read_json, read_result, sha256_file

CURRENT, UNTOUCHED, CONFIRMED, IN_PART, STALE = STATES = ("current", "untouched", "confirmed", "confirmed in part", "stale")
VERIFIED = "verified.json"  # beside the parts of a reference: what was made again and agreed
_NEAR = 60  # commits after the named one in which uncommitted code is looked for
_NAMED = 3  # definitions of a module that a reason names


@dataclass(frozen=True)
class Standing:
    """Where one result stands: its path within the reference, its step, one of `STATES`, and why it is stale or how large
    the part is that was made again."""

    path: str
    step: str
    state: str
    reason: str = ""


def script_of(step: str, code: Code) -> str | None:
    """Path of a step's script from the root on; None where there is none any more."""
    return next((path for path in (f"code/steps/{step}", f"benchmarks/{step}") if code.text(path) is not None), None)


def reach_hash(script: str, code: Code) -> str:
    """Hash of all definitions that a script reaches."""
    lines = [f"{name}\0{tree}" for name, tree in sorted(code.definitions(script).items())]
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()[:16]


def standings(reference: Path, now: Code, root: Path) -> list[Standing]:
    """Every results file of a reference folder, in order of name."""
    records = {path: read_result(path)["provenance"] for path in sorted(reference.glob("*/*.json"))}
    verified = read_json(reference / VERIFIED) if (reference / VERIFIED).exists() else {}
    old = {path: about for path, about in records.items() if about["code_hash"] != _hash_now(about["step"], now)}
    known = commits(sorted({_commit(about) for about in old.values() if about["git_commit"]}), root)
    found, cache = [], {}
    for path, about in records.items():
        name = str(path.relative_to(reference))
        if path not in old:
            found.append(Standing(name, about["step"], CURRENT))
            continue
        script, again = script_of(about["step"], now), verified.get(name, {})
        if script and again.get("sha256") == sha256_file(path) and again["reach"] == reach_hash(script, now):
            made, of = again.get("items", (1, 1))
            whole = made == of
            found.append(Standing(name, about["step"], CONFIRMED if whole else IN_PART, "" if whole else f"{made} of {of} items"))
            continue
        key = (about["step"], about["git_commit"], about["code_hash"])
        if key not in cache:
            cache[key] = _reason(about, script, now, known, root)
        found.append(Standing(name, about["step"], STALE if cache[key] else UNTOUCHED, cache[key]))
    return found


def why_stale(about: dict, now: Code, root: Path) -> str:
    """What has changed since a result with this provenance was made; empty where nothing that its step reaches has."""
    if about["code_hash"] == _hash_now(about["step"], now):
        return ""
    known = commits([_commit(about)] if about["git_commit"] else [], root)
    return _reason(about, script_of(about["step"], now), now, known, root)


def _hash_now(step: str, now: Code) -> str | None:
    script = script_of(step, now)
    return now.hash(script) if script else None


def _commit(about: dict) -> str:
    return (about["git_commit"] or "").rstrip("+")


def _reason(about: dict, script: str | None, now: Code, known: dict[str, Code], root: Path) -> str:
    """What has changed since a result was made; empty where nothing that it reaches has."""
    if script is None:
        return "its script is gone"
    then = known.get(_commit(about))
    if then is None:
        return "the commit that made it is not in this clone"
    if then.hash(script) != about["code_hash"]:
        then = _committed_later(about, script, root)
        if then is None:
            return "made by code that was never committed"
    return changed(script, then, now)


def _committed_later(about: dict, script: str, root: Path) -> Code | None:
    """The code of the first commit after the named one that has the hash; a result of uncommitted code names the one before."""
    order = history(root)
    before = order.index(_commit(about)) if _commit(about) in order else len(order)
    later = commits(order[max(0, before - _NEAR) : before], root)
    return next((code for code in reversed(later.values()) if code.hash(script) == about["code_hash"]), None)


def changed(script: str, then: Code, now: Code) -> str:
    """Modules whose reached definitions differ between two states, with the first of these."""
    old, new = then.definitions(script), now.definitions(script)
    by_module: dict[str, list[str]] = defaultdict(list)
    for label in sorted(old.keys() | new.keys()):
        if old.get(label) != new.get(label):
            module, _, name = label.rpartition(".")
            by_module[module or script].append(name)
    parts = []
    for module, names in sorted(by_module.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{module.removeprefix('loci.')} ({', '.join(names[:_NAMED])}{more})")
    return "; ".join(parts)


def stale_block(found: list[Standing], most: int = 6) -> list[str]:
    """Counts, and the stale results by step and reason, for REPRODUCE.md; of a long reason the first `most` modules."""
    counts = ", ".join(f"{sum(one.state == state for one in found)} {state}" for state in STATES)
    lines = [f"Of {len(found)} reference results: {counts}."]
    in_part = [f"`{one.path}` ({one.reason})" for one in found if one.state == IN_PART]
    if in_part:
        lines += ["", f"Confirmed in part: {', '.join(in_part)}."]
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        if one.state == STALE:
            groups[one.step, one.reason].append(one.path)
    if groups:
        lines += ["", "| step | stale results | changed since, as far as the step reaches it |", "|---|---|---|"]
    for (step, reason), paths in sorted(groups.items()):
        parts = reason.split("; ")
        more = f"; and {len(parts) - most} modules more" if len(parts) > most else ""
        lines.append(f"| `{step}` | {', '.join(f'`{path}`' for path in paths)} | {'; '.join(parts[:most])}{more} |")
    return lines
