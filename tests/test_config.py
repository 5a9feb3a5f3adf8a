"""Settings: every key of the schema is explained, and what is explained exists."""

import re

import yaml

from loci.config import SCHEMA_FILE
from loci.paths import CONFIG


def keys_of(schema: dict, before: str = "") -> set[str]:
    """Dotted names of all settings of a schema; one whose own keys are free counts as one."""
    found = set()
    for name, part in schema["properties"].items():
        inner = part.get("properties")
        found |= keys_of(part, f"{before}{name}.") if inner else {f"{before}{name}"}
    return found


def explained() -> set[str]:
    """Dotted names in the first column of the table; `.dev` goes on where the name before it began."""
    found = set()
    for line in (CONFIG / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            names = re.findall(r"`([\w.<>]+)`", line.split("|")[1])
            parent = names[0].rpartition(".")[0]
            found |= {f"{parent}{name}" if name.startswith(".") else name for name in names}
    return found


def test_every_setting_is_explained():
    settings = keys_of(yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8")))
    families = {
        "reader.lessons.": "reader.lessons",
        "zone.lessons.": "zone.lessons",
        "finder.lessons.": "finder.lessons",
        "matrix.questions.": "matrix.questions.<kind>",
        "density.variants.": "density.variants",
        "closed_form_scale.": "closed_form_scale.<strategy>",
    }
    wanted = {next((family for start, family in families.items() if name.startswith(start)), name) for name in settings}
    assert wanted == explained()
