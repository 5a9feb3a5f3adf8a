"""Tiny models over bytes, made in seconds: the smoke profile and the tests need no download.

They are trained on the English prose that CPython ships (pydoc_data.topics), long enough to spell words, not to know
anything. One thread and one seeded generator: the same seed, steps, Python and processor type give the same bytes.
"""

import platform
from pathlib import Path
from pydoc_data.topics import topics

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from loci.errors import UserError
from loci.models.base import quiet_transformers
from loci.models.fetch import new_folder
from loci.models.registry import MADE, write_manifest
from loci.results import sha256_text

_SPECIAL = ("<bos>", "<eos>", "<pad>")  # ids 256, 257, 258
_BATCH, _TOKENS = 16, 64
_LEARNING_RATE = 1e-2
_DISK_BYTES = 10_000_000


def make_tiny(out: Path, family: str = "llama", seed: int = 0, steps: int = 200) -> None:
    """Train a model of `family` ("llama", "gpt_neox" or "gemma3_text") for `steps` batches and save it to the folder `out`.

    Hidden width 64, 4 blocks, 4 heads (Llama: 2 key-value heads, tied embeddings; GPT-NeoX: parallel residual, untied;
    Gemma 3: one key-value head, three of the blocks see 24 tokens back), vocabulary 259. The encoder ("bert") has one block
    and stays as drawn: its vectors are alike where bytes are alike.
    Raises UserError for an unknown family or a folder that cannot be written.
    """
    name = next((name for name, of in MADE.items() if of == family), None)
    if name is None:
        raise UserError("family", f"{family!r} is unknown", f"choose one of {', '.join(MADE.values())}")
    quiet_transformers()
    tokenizer = byte_tokenizer()
    text = training_text()
    with new_folder(name, out, _DISK_BYTES) as (_, target):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the order of additions, and so the last bits, must not depend on the number of cores
        try:
            model = _train(family, torch.tensor(tokenizer(text).input_ids), seed, steps)
        finally:
            torch.set_num_threads(threads)
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        for path in target.iterdir():
            path.chmod(0o644)  # weights are written readable for the owner alone
        write_manifest(
            target,
            name,
            source="made",
            package=None,
            version=f"{family}, seed {seed}, {steps} steps, Python {platform.python_version()}",
            wheel_sha256=None,
            gguf_sha256=None,
            text_sha256=sha256_text(text),
            licence="Apache-2.0",
        )


def training_text() -> str:
    """About 0.7 MB of English technical prose, every topic closed by <eos>."""
    return "".join(f"{topics[key]}<eos>" for key in sorted(topics))


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose 256 first ids are the byte values, then <bos>, <eos> and <pad>; no merges, nothing added to a text."""
    vocabulary = {symbol: byte for byte, symbol in enumerate(_byte_symbols())}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(_SPECIAL))
    bos, eos, pad = _SPECIAL
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, eos_token=eos, pad_token=pad)


def _byte_symbols() -> list[str]:
    """GPT-2's printable stand-in for each byte: itself if printable Latin-1, else the next code point from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _train(family: str, tokens: torch.Tensor, seed: int, steps: int) -> PreTrainedModel:
    """A model drawn from `seed` and trained on random windows of `tokens` (token,); in eval mode."""
    with torch.random.fork_rng(devices=[]):  # initialisation draws from the global generator; leave that as it was
        torch.manual_seed(seed)
        model = _new_model(family).train()
    if family == "bert":
        return model.eval()
    draw = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=_LEARNING_RATE, total_steps=steps + 1, pct_start=0.1, cycle_momentum=False
    )
    for _ in range(steps):
        starts = torch.randint(len(tokens) - _TOKENS, (_BATCH,), generator=draw)
        batch = torch.stack([tokens[start : start + _TOKENS] for start in starts.tolist()])  # (batch, token)
        loss = model(input_ids=batch, labels=batch).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return model.eval()


def _new_model(family: str) -> PreTrainedModel:
    shape = {
        "vocab_size": 256 + len(_SPECIAL),
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": 8192,
        "bos_token_id": 256,
        "eos_token_id": 257,
        "pad_token_id": 258,
        "use_cache": True,
        "initializer_range": 0.1,  # the usual 0.02 is for widths near 1,000; here it costs 1 bit a byte after 200 steps
        "attn_implementation": "sdpa",
    }
    if family == "bert":
        shape |= {"num_hidden_layers": 1}  # thousands of questions are read one by one
        del shape["use_cache"]
        return BertModel(BertConfig(**shape), add_pooling_layer=False)
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2, tie_word_embeddings=True))
    if family == "gemma3_text":
        own = {"num_key_value_heads": 1, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 24}
        kinds = [*["sliding_attention"] * 3, "full_attention"]
        return Gemma3ForCausalLM(Gemma3TextConfig(**shape, **own, layer_types=kinds, tie_word_embeddings=True))
    return GPTNeoXForCausalLM(GPTNeoXConfig(**shape, use_parallel_residual=True, tie_word_embeddings=False))
