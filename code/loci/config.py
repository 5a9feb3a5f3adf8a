"""Profiles: config/<name>.yaml, checked against config/schema.yaml; a wrong key is one clear line."""

import difflib
from pathlib import Path

import jsonschema
import yaml

from loci.errors import UserError
from loci.paths import CONFIG
from loci.results import read_text

SCHEMA_FILE = CONFIG / "schema.yaml"
_NOT_PROFILES = ("schema", "sweep_")  # how the names of the other files there begin


def profiles() -> list[str]:
    """Names of the profiles in config/."""
    return sorted(path.stem for path in CONFIG.glob("*.yaml") if not path.stem.startswith(_NOT_PROFILES))


def load_profile(name: str) -> dict:
    """The settings of a profile by name; UserError when there is none or a key is wrong."""
    if name not in profiles():
        raise UserError(f"profile {name!r}", "unknown", f"choose one of {', '.join(profiles())}")
    return load_config(CONFIG / f"{name}.yaml")


def load_config(path: Path) -> dict:
    """The settings of a profile file; UserError names the file, the key and the remedy."""
    try:
        settings = yaml.safe_load(read_text(path, "choose a file in config/"))
    except yaml.YAMLError as fault:
        raise UserError(path, f"invalid YAML ({' '.join(str(fault).split())})", "mend the file") from None
    schema = yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))
    faults = sorted(jsonschema.Draft202012Validator(schema).iter_errors(settings), key=lambda fault: list(map(str, fault.path)))
    if faults:
        raise _as_user_error(path, faults[0])
    return settings


def _as_user_error(path: Path, fault: jsonschema.ValidationError) -> UserError:
    where = ".".join(map(str, fault.absolute_path))
    if fault.validator == "additionalProperties":
        known = sorted(fault.schema["properties"])
        unknown = sorted(set(fault.instance) - set(known))[0]
        near = difflib.get_close_matches(unknown, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return UserError(f"{path}: {where + '.' if where else ''}{unknown}", "unknown key", remedy)
    if fault.validator == "required":
        return UserError(f"{path}: {where or 'top level'}", fault.message, "add it; config/schema.yaml describes every key")
    return UserError(f"{path}: {where or 'top level'}", fault.message, "config/schema.yaml describes every key")
