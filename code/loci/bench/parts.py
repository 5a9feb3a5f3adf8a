"""Parts of long rules: a smaller grid, whose items must come out as they stand in the reference."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from loci.bench.agreement import Difference, Tolerance, differences
from loci.errors import UserError
from loci.results import read_text, write_bytes

PROFILE = "profile"  # in place of a file's name: the profile that is verified


def read_parts(path: Path, rule: str) -> dict[str, dict]:
    """{file: settings that take the place of others} of a rule; UserError where it has none."""
    found = yaml.safe_load(read_text(path, "restore it from the repository"))
    if rule not in found:
        raise UserError(f"RULE={rule}", f"has no part in {path.name}", f"leave PART out, or choose of {', '.join(found)}")
    return found[rule]


def lessened(settings: dict, changes: dict, where: str) -> dict:
    """Settings with changes laid over them; a list in the place of named entries keeps those. UserError for an unknown name."""
    out = dict(settings)
    for name, value in changes.items():
        place = f"{where}: {name}"
        if name not in settings:
            raise UserError(place, "is no setting there", f"use one of {', '.join(map(str, settings))}")
        old = settings[name]
        if isinstance(old, dict) and isinstance(value, dict):
            out[name] = lessened(old, value, place)
        elif isinstance(old, dict) and isinstance(value, list):
            unknown = [one for one in value if one not in old]
            if unknown:
                raise UserError(place, f"holds no {unknown[0]!r}", f"use some of {', '.join(map(str, old))}")
            out[name] = {one: old[one] for one in value}
        else:
            out[name] = value
    return out


def lay_part(config: Path, part: dict[str, dict], profile: str) -> None:
    """Turn a link to the folder of settings into a folder of links, in which the part's files are smaller ones."""
    source = config.resolve()
    config.unlink()
    config.mkdir()
    for path in source.iterdir():
        (config / path.name).symlink_to(path)
    for name, changes in part.items():
        target = config / (f"{profile}.yaml" if name == PROFILE else name)
        settings = yaml.safe_load(read_text(target, "name a file of config/"))
        target.unlink()
        text = yaml.safe_dump(lessened(settings, changes, target.name), sort_keys=False, allow_unicode=True)
        write_bytes(target, text.encode("utf-8"))


def items_apart(committed: Sequence, fresh: Sequence, allowed: Tolerance, where: str) -> list[Difference]:
    """Fresh items that agree with no committed one, each beside the committed one that is nearest to it; that none was made of
    some is a difference, too."""
    apart: list[Difference] = [] if fresh or not committed else [Difference(where, f"{len(committed)} of them", "nothing")]
    for at, item in enumerate(fresh):
        nearest = min((differences(old, item, allowed, f"{where}[{at}]") for old in committed), key=len, default=None)
        apart += [Difference(f"{where}[{at}]", "nothing", item)] if nearest is None else nearest
    return apart


def records_apart(
    committed: Sequence[dict], fresh: Sequence[dict], allowed: Tolerance, where: str
) -> tuple[float, list[Difference]]:
    """The share of fresh raw records that stand among the committed ones (0 of none), and what is wrong with it."""
    known = {json.dumps(one, sort_keys=True) for one in committed}
    missing = [one for one in fresh if json.dumps(one, sort_keys=True) not in known]
    share = 1 - len(missing) / len(fresh) if fresh else 0.0
    if share >= allowed.answers:
        return share, []
    return share, [
        Difference(f"{where} (share among the committed records)", 1.0, share),
        *[Difference(where, "nothing", one) for one in missing[:1]],
    ]
