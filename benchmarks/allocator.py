"""What the workflow's allocator settings bring: one batch of prompts read with and without them, in turn, in new processes.

Prompts are the needed facts of development users among others, in the frozen reader prompt; the model answers a batch of them.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loci.bench.asking import answer_unit, prompt_of
from loci.bench.decode import newline_tokens
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.paths import CONFIG, ROOT
from loci.worlds.people import build_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG / "laptop.yaml", help="profile")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--prompts", type=int, default=64, help="prompts of the batch")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each setting")
    parser.add_argument("--once", action="store_true", help="read the batch once, as set in this process, and print seconds")
    return parser.parse_args(argv)


def allocator_settings() -> dict[str, str]:
    """The MALLOC_ variables of the Snakefile's shell prefix."""
    return dict(re.findall(r"(MALLOC_\w+)=(\d+)", (ROOT / "Snakefile").read_text(encoding="utf-8")))


def seconds_of_a_batch(args: argparse.Namespace) -> float:
    """Wall seconds of one batch, the model already loaded."""
    settings = load_config(args.config)
    use_threads(settings["threads"])
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    prompts = []
    for user in build_users(count=1 + args.prompts // 20, dev=1 + args.prompts // 20, seed=0):
        for question in [one for one in user.questions if one.kind == "direct"]:
            keys = [*question.required_fact_keys, *(fact.key for fact in user.facts[:4])]
            record = {"lines": [user.fact(key).statement for key in keys], "positions": list(range(len(keys))), "told": True}
            prompts.append(prompt_of(record, question, reader, "", base.tokenizer, settings["matrix"]["window"]))
    start = time.perf_counter()
    ends = newline_tokens(base.tokenizer)
    answer_unit(prompts[: args.prompts], graft, base.tokenizer.pad_token_id, ends, settings["matrix"]["max_tokens"])
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.once:
        print(json.dumps(seconds_of_a_batch(args)))
        return
    command = [sys.executable, __file__, "--once", "--config", str(args.config), "--prompts", str(args.prompts)]
    command += ["--model", str(args.model)] if args.model else []
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    spent: dict[str, list[float]] = {"plain": [], "workflow": []}
    for _ in range(args.repeats):
        for name, more in (("plain", {}), ("workflow", allocator_settings())):
            done = subprocess.run(command, env={**plain, **more}, capture_output=True, text=True, check=True)
            spent[name].append(json.loads(done.stdout))
    medians = {name: statistics.median(found) for name, found in spent.items()}
    print(json.dumps({name: [round(one, 2) for one in found] for name, found in spent.items()}))
    print(f"median of {args.repeats}: {medians['plain']:.2f} s plain, {medians['workflow']:.2f} s as the workflow sets it")


if __name__ == "__main__":
    run_step(main)
