"""A state on disk: one safetensors file a text, which names its format and the model whose weights wrote it.

Written whole or not at all, and given back to the last bit. A state of another model, of another format or cut short is refused.
"""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from loci.errors import UserError
from loci.models.live import LiveGPT, State
from loci.results import write_bytes

FORMAT = "loci-live-1"


def identity_of(model: LiveGPT) -> str:
    """Hex SHA-256 of a model: its specification, and every weight by name, shape and value."""
    digest = hashlib.sha256(repr((model.shape, model.spec)).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_state(path: Path, state: State, model: LiveGPT) -> None:
    """Write the state of one text (a batch of one)."""
    tensors = {f"{at}.{name}": part.contiguous() for at, kept in enumerate(state.layers) for name, part in kept.items()}
    about = {"format": FORMAT, "model": identity_of(model), "seen": state.seen}
    write_bytes(path, save(tensors, {"loci": json.dumps(about)}))  # one entry: several come in any order, and bytes differ


def read_state(path: Path, model: LiveGPT) -> State:
    """Read a state; UserError for a file that is missing, is none, is cut short, or belongs to another model or format."""
    if not Path(path).is_file():
        raise UserError(path, "no such state", "ingest a text first, or name another")
    try:
        with safe_open(path, "pt") as stream:
            stated = json.loads((stream.metadata() or {}).get("loci", "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a dict
    except SafetensorError:
        raise UserError(path, "is no state, or was cut short", "ingest the text again") from None
    if stated.get("format") != FORMAT:
        raise UserError(path, f"is of format {stated.get('format')}, not {FORMAT}", "ingest the text again")
    if stated["model"] != (wanted := identity_of(model)):
        what = f"belongs to model {stated['model'][:12]}, not to {wanted[:12]}"
        raise UserError(path, what, "give the model that ingested it, or ingest the text again")
    empty = model.empty(1)
    layers = tuple({name: tensors[f"{at}.{name}"] for name in kept} for at, kept in enumerate(empty.layers))
    return State(layers, stated["seen"])


class Store:
    """States of many texts in a folder, one file an id."""

    def __init__(self, folder: Path, model: LiveGPT):
        self.folder, self.model = Path(folder), model

    def path(self, name: str) -> Path:
        """The file of an id; UserError for one that cannot name a file."""
        if not name or not all(mark.isalnum() or mark in "._-" for mark in name) or name.startswith("."):
            raise UserError(f"id {name!r}", "cannot name a state", "use letters, digits, '.', '_' and '-'")
        return self.folder / f"{name}.safetensors"

    def get(self, name: str) -> State:
        """The state of an id; UserError for an id that is not known."""
        if not self.path(name).is_file():
            raise UserError(f"{self.folder}: {name}", "unknown id", "ingest a text under it first, or name another")
        return read_state(self.path(name), self.model)

    def put(self, name: str, state: State) -> Path:
        """Keep the state of an id, in place of the one before."""
        write_state(self.path(name), state, self.model)
        return self.path(name)

    def __contains__(self, name: str) -> bool:
        return self.path(name).is_file()
