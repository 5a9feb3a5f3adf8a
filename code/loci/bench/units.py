"""What suffixes are counted in: the canonical tokens of a model, or words where no tokenizer is at hand."""

from pathlib import Path

from loci.models.canonical import load_encoder
from loci.results import sha256_file
from loci.worlds.overlap import Encode, words


def suffix_units(folder: Path | None) -> tuple[Encode, dict[str, str]]:
    """How to cut a text into units, and the record of it for a file: name and hash of the tokenizer, or "words".

    folder: of a model, with its tokenizer.json. Raises UserError where that file is missing or unusable.
    """
    if folder is None:
        return words, {"name": "words"}
    return load_encoder(folder), {"name": folder.resolve().name, "sha256": sha256_file(folder / "tokenizer.json")}
