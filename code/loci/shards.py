"""Partial progress of a long step: one small file an item, so that a killed run continues where it stopped.

Shards live outside the declared outputs, because Snakemake deletes those before a rule runs. Their folder is named
after a hash of everything that determines their content; a shard of other code, settings or data is never read.
"""

import json
from pathlib import Path

from loci.codehash import code_hash
from loci.paths import ROOT
from loci.results import read_json, sha256_text, write_json


class Shards:
    """Finished items of one step: `get` and `put` by name."""

    def __init__(self, step: Path, determined_by: dict, root: Path | None = None):
        key = sha256_text(json.dumps([code_hash(Path(step).resolve()), determined_by], sort_keys=True))[:16]
        self.folder = (root or ROOT / "work") / Path(step).stem / key

    def get(self, name: str) -> dict | None:
        """The stored item, or None when it is not finished yet."""
        path = self._path(name)
        return read_json(path) if path.exists() else None

    def put(self, name: str, item: dict) -> dict:
        """Store an item, whole or not at all, and give it back."""
        write_json(self._path(name), item)
        return item

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
