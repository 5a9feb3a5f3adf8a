"""The ledger: one flat table of every number, with n, interval and source, that figures, tables and claims read.

Keys are <experiment>.<memory>.<base>.<kind>.<measure>. A missing key is an error, never an empty box.
"""

from pathlib import Path

from loci.errors import UserError
from loci.results import SCHEMA, read_json, read_result, write_json


class Ledger:
    """Read access to a summary.json: `ledger["matrix.rows.….exact"]` is {"value", "n", "low", "high", "source"}."""

    def __init__(self, path: Path):
        record = read_json(path, "run snakemake, or `make promote` for the reference")
        if not isinstance(record, dict) or record.get("schema") != SCHEMA or "ledger" not in record:
            raise UserError(f"{path}: schema", f"is not a ledger of version {SCHEMA}", "make it again with collect_ledger.py")
        self._path, self._entries = path, record["ledger"]
        self._profile = record.get("profile")

    def __getitem__(self, key: str) -> dict:
        if key not in self._entries:
            raise UserError(f"{self._path}: {key}", "no such key", "run the rule that measures it, or mend the key")
        return self._entries[key]

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self._path

    @property
    def profile(self) -> str | None:
        """Whose settings made the results; None in a ledger that does not say."""
        return self._profile

    def get(self, key: str) -> dict | None:
        """The entry, or None where a cell was not measured."""
        return self._entries.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def keys(self) -> list[str]:
        """All keys, in the order of the file."""
        return list(self._entries)

    def parts(self, before: str, after: str) -> list[str]:
        """What stands between `before` and `after` in the keys that begin and end so, without a further dot."""
        found = (
            key[len(before) : len(key) - len(after)] for key in self._entries if key.startswith(before) and key.endswith(after)
        )
        return [part for part in found if part and "." not in part]

    def memories(self, experiment: str, base: str) -> list[str]:
        """Memory ids that an experiment reports for a base model, in the order of the file."""
        parts = (key.split(".") for key in self._entries)
        return list(dict.fromkeys(part[1] for part in parts if part[0] == experiment and len(part) > 3 and part[2] == base))


def spread(entry: dict, digits: int = 3) -> str:
    """A value with its interval: 0.981 [0.960, 1.000]."""
    # Adding zero takes the sign from a difference that is rounded to nothing.
    value, low, high = (f"{round(entry[part], digits) + 0.0:.{digits}f}" for part in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def collect(files: list[Path]) -> dict[str, dict]:
    """Ledger entries of several results files: their metrics that look like entries, and measured costs."""
    ledger: dict[str, dict] = {}
    for path in files:
        record = read_result(path)
        found = {**record["metrics"], **record["provenance"].get("costs", {})}
        for key, entry in found.items():
            if not isinstance(entry, dict) or "value" not in entry:
                continue
            if key in ledger:
                raise UserError(f"{path}: {key}", "already in the ledger from another file", "give each result once")
            ledger[key] = entry
    return dict(sorted(ledger.items()))


def write_ledger(path: Path, entries: dict[str, dict], profile: str | None = None) -> None:
    """summary.json with keys in order, and the profile of the run that it sums up."""
    write_json(path, {"schema": SCHEMA, **({"profile": profile} if profile else {}), "ledger": entries})
