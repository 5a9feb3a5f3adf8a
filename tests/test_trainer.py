"""Training from scratch: packed text, checkpoints that go on bit for bit, several processes, and what stops it."""

import math
from itertools import pairwise

import pytest
import torch
from torch import distributed, multiprocessing

from loci.errors import UserError
from loci.models.bpe import SPECIAL, bytes_of, canonical_of, load_bpe, save_bpe, train_bpe
from loci.models.checkpoints import read_checkpoint
from loci.models.gpt import GPT, Shape
from loci.models.ngram_table import NgramTable, TableSpec
from loci.models.optimisers import Optimisers, Rates
from loci.models.packed import Batch, Packed, pack, windows_of
from loci.models.running import device_of
from loci.models.trainer import Schedule, Trainer, bits_per_byte

SHAPE = Shape(depth=2, width=32, heads=2, vocabulary=40, sequence=8)
STREAM = torch.randint(40, (200,), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
ABOUT = {"shape": [2, 32, 2, 40, 8], "seed": 0}
TEXTS = [
    f"{name} met {other} in {town}, und das war schön."
    for name in ("Ada", "Bo")
    for other in ("Cy", "Di")
    for town in ("Ulm", "Bern")
]


class Killed(Exception):
    """Stands for kill -9 between two steps."""


def trainer_of(kind: str = "muon", rank: int = 0, world: int = 1, rates: Rates | None = None) -> Trainer:
    torch.manual_seed(0)
    model = GPT(SHAPE)
    model.attached["1"] = NgramTable(TableSpec(layers=(1,), heads=2, slots=50, row_dim=4), 1, SHAPE.width, torch.arange(40), 0)
    return Trainer(model, Packed(STREAM, SHAPE.sequence, 4, 3, rank, world), Optimisers(model, kind, rates), ABOUT)


ON_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def wide_trainer(device: str, precision: str = "float32", compile_: bool = False, kind: str = "muon") -> Trainer:
    """A model with a table whose sizes are multiples of 16, on a device."""
    torch.manual_seed(0)
    shape = Shape(depth=2, width=64, heads=2, vocabulary=48, sequence=16)
    model = GPT(shape)
    model.attached["1"] = NgramTable(TableSpec(layers=(1,), heads=2, slots=50, row_dim=8), 1, shape.width, torch.arange(48), 0)
    model.to(device)
    return Trainer(model, Packed(STREAM, shape.sequence, 4, 3), Optimisers(model, kind), ABOUT, precision, compile_)


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(TEXTS, 290)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, kind):
    undisturbed = trainer_of(kind)
    wanted = undisturbed.train(Schedule(14))
    file = tmp_path / "half.safetensors"

    def kill(told) -> None:
        if told.step == 11:
            raise Killed

    with pytest.raises(Killed):
        trainer_of(kind).train(Schedule(14), file, 4, kill)
    seen, resumed = [], trainer_of(kind)
    assert resumed.train(Schedule(14), file, 4, lambda told: seen.append(told.step)) == wanted
    assert seen == list(range(9, 15)) and len(wanted) == 14
    assert all(torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(undisturbed).items())


@ON_CUDA
@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_gpu_learns_what_a_processor_learns(kind):
    """Muon multiplies in bfloat16 there."""
    found, wanted = (wide_trainer(device, kind=kind).train(Schedule(8)) for device in ("cuda", "cpu"))
    assert found == pytest.approx(wanted, abs=0.02 if kind == "muon" else 1e-3) and wanted[-1] < wanted[0] - 0.3


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_CUDA)])
@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_fewer_bits_learn_nearly_the_same(device, precision):
    found, wanted = (wide_trainer(device, bits).train(Schedule(8)) for bits in (precision, "float32"))
    assert found == pytest.approx(wanted, abs=0.1) and found != wanted and found[-1] < found[0] - 0.3


@pytest.mark.parametrize("weighted", [False, True])
def test_padding_counts_for_nothing_on_a_gpu(weighted):
    """The loss of a GPU, which has logits of padding too, against the one without; here on the CPU."""
    trainer = wide_trainer("cpu")
    batch = trainer.source.next()
    targets = batch.targets.clone()
    targets[0, 3:] = -1
    weights = (targets >= 0) * torch.rand(targets.shape) if weighted else None
    found, wanted = (loss(batch.tokens, targets, None, weights) for loss in (trainer._whole_loss, trainer._mean_loss))
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


@ON_CUDA
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # torch's own, of what compiles for it
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float8"])
def test_a_compiled_loss_is_the_same(precision):
    found, wanted = (wide_trainer("cuda", precision, compile_).train(Schedule(4)) for compile_ in (True, False))
    assert found == pytest.approx(wanted, abs=0.05)


@ON_CUDA
def test_a_killed_run_goes_on_on_a_gpu(tmp_path):
    file, wanted = tmp_path / "half.safetensors", wide_trainer("cuda").train(Schedule(10))

    def kill(told) -> None:
        if told.step == 7:
            raise Killed

    with pytest.raises(Killed):
        wide_trainer("cuda").train(Schedule(10), file, 3, kill)
    assert wide_trainer("cuda").train(Schedule(10), file, 3) == pytest.approx(wanted, abs=1e-3)


def test_a_device_that_is_not_there_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"device: cuda: is not there, or this torch was built without it; use --device cpu"):
            device_of("cuda")
    assert device_of("cpu") == torch.device("cpu")


def test_a_finished_run_does_nothing_more(tmp_path):
    file = tmp_path / "whole.safetensors"
    wanted = trainer_of().train(Schedule(4), file, 2)
    assert trainer_of().train(Schedule(4), file, 2, lambda told: pytest.fail(str(told))) == wanted


def test_rates_rise_stay_and_fall():
    schedule = Schedule(steps=100, warm=0.1, cool=0.4, last=0.1)
    shares = [schedule.share(step) for step in range(100)]
    assert shares[0] == pytest.approx(0.1) and shares[9] == 1.0 and shares[60] == pytest.approx(1.0)
    assert shares[99] == pytest.approx(0.1 + 0.9 / 40) and all(one >= other for one, other in pairwise(shares[9:]))


def test_every_window_comes_once_an_epoch():
    source, again = Packed(STREAM, 8, 4, 0), Packed(STREAM, 8, 4, 0)
    assert source.windows == 24
    found = [source.next() for _ in range(12)]
    firsts = [tuple(row.tolist()) for batch in found for row in batch.tokens]
    windows = {tuple(STREAM[at * 8 : at * 8 + 8].tolist()) for at in range(24)}
    assert set(firsts[:24]) == set(firsts[24:]) == windows and firsts[:24] != firsts[24:]
    assert all(torch.equal(batch.targets[:, :-1], batch.tokens[:, 1:]) for batch in found)
    again.position = {"epoch": 1, "batch": 2}
    assert torch.equal(again.next().tokens, found[8].tokens)


def test_processes_share_a_batch():
    whole, parts = Packed(STREAM, 8, 4, 0), [Packed(STREAM, 8, 4, 0, rank, 2) for rank in range(2)]
    for _ in range(3):
        assert torch.equal(torch.cat([part.next().tokens for part in parts]), whole.next().tokens)


def one_of_two(rank: int, folder: str) -> None:
    """Train as one of two gloo processes; the first one keeps its weights."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    trainer = trainer_of(rank=rank, world=2)
    losses = trainer.train(Schedule(5))
    torch.save({"losses": losses, "weights": weights_of(trainer)}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_learn_what_one_learns(tmp_path):
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    alone = trainer_of()
    losses = alone.train(Schedule(5))
    assert one["losses"] == other["losses"] == pytest.approx(losses, abs=1e-5)
    for name, value in weights_of(alone).items():
        assert torch.equal(one["weights"][name], other["weights"][name])
        assert torch.allclose(one["weights"][name], value, atol=2e-3), name


def test_a_diverging_loss_stops_the_run():
    rates = Rates(matrices=1e6, embedding=1e6, head=1e6, scalars=1e6)
    with pytest.raises(UserError, match=r"step \d+: the loss is [\d.]+|nan; lower the rates"):
        trainer_of("adamw", rates=rates).train(Schedule(10, warm=0.0))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    file = tmp_path / "half.safetensors"
    trainer_of().train(Schedule(2), file, 2)
    with pytest.raises(UserError, match=r"belongs to seed 0, not to 1; give the checkpoint of this training"):
        read_checkpoint(file, ABOUT | {"seed": 1})
    with pytest.raises(UserError, match=r"belongs to shape \[2, 32, 2, 40, 8\], not to \[2, 32, 2, 41, 8\]"):
        read_checkpoint(file, ABOUT | {"shape": [2, 32, 2, 41, 8]})
    whole = file.read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 3):
        file.write_bytes(whole[:size])
        with pytest.raises(UserError, match="is no checkpoint, or was cut short; delete it and train again"):
            read_checkpoint(file, ABOUT)
    with pytest.raises(UserError, match="no such file"):
        read_checkpoint(tmp_path / "none", ABOUT)


def test_bits_per_byte_by_hand():
    """Two tokens of one byte, one of three, a special one: the loss of the special one does not count."""
    torch.manual_seed(0)
    model = GPT(SHAPE)
    token_bytes = torch.tensor([0, 1, 3] + [1] * 37)
    batch = Batch(torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 2, 0, -1]]))
    losses = model.loss(batch.tokens, batch.targets).double()
    wanted = (losses[0] + losses[1]).item() / math.log(2) / 4
    assert bits_per_byte(model, [batch, batch], token_bytes) == pytest.approx(wanted, rel=1e-9)


def test_measuring_reads_the_first_windows():
    found = list(windows_of(STREAM, 8, 4, 6))
    assert [len(batch.tokens) for batch in found] == [4, 2] and torch.equal(found[1].tokens[1], STREAM[40:48].long())


def test_packed_text_is_the_text(tokenizer):
    stream = pack(iter(TEXTS), tokenizer)
    assert tokenizer.decode(stream.tolist(), skip_special_tokens=False).split("<|bos|>") == ["", *TEXTS]
    assert int(bytes_of(tokenizer)[stream.long()].sum()) == sum(len(text.encode()) for text in TEXTS)


def test_a_tokenizer_is_kept_and_read(tokenizer, tmp_path):
    save_bpe(tokenizer, tmp_path / "bpe.json")
    assert load_bpe(tmp_path / "bpe.json").to_str() == tokenizer.to_str()
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == list(range(len(SPECIAL)))
    same = canonical_of(tokenizer)
    assert len(same) == 290 and same[0] == 0 and (same <= torch.arange(290)).all()
    assert same[tokenizer.token_to_id("A")] == same[tokenizer.token_to_id("a")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: train_bpe(TEXTS, 100), r"vocabulary: is 100; give at least 261"),
        (lambda: train_bpe(TEXTS, 5000), r"corpus: has pieces for \d+ tokens, not for 5000; give more text"),
        (lambda: pack([], train_bpe(TEXTS, 290)), r"corpus: holds no document; make it with more words"),
        (lambda: Packed(STREAM, 64, 4, 0), r"corpus: has 3 windows of 64 tokens, a batch takes 4"),
        (lambda: Packed(STREAM, 8, 3, 0, 0, 2), r"training\.batch: 3 windows do not share evenly among 2 processes"),
        (
            lambda: Trainer(None, None, None, {}, "float16"),
            r"precision: float16: is not known; use one of float32, bfloat16, float8",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
