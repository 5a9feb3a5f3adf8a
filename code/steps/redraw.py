"""Draw all figures and tables again from the reference, and write their numbers into the texts: `make figures`, in one process.

Prints each command as it could be given alone; every file comes out the same either way.
"""

import argparse
import contextlib
import importlib.util
import io
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.errors import run_step
from loci.paths import REFERENCE, ROOT

OF_BASE = (
    *("recall", "matrix", "budget", "growth", "layered", "layered_growth", "firing", "density", "sharing"),
    *("mem", "inside", "elsewhere"),
)
OF_LEDGER = ("pretrain", "capacity", "windowed", "extraction", "locomo", "judges", "distilled", "live", "serve")
_REFERENCE = REFERENCE.relative_to(ROOT)
_CONFIG = "config/laptop.yaml"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are shown")
    return parser.parse_args(argv)


def commands(base: str) -> list[list[str]]:
    """[name of the script, arguments …] of every drawing and writing step, in their order; paths from the project's folder on."""
    ledger, studies = ["--ledger", str(_REFERENCE / "summary.json")], _found("sweeps/shared.*.json")
    told, claims = [*ledger, "--base", base], str(_REFERENCE / "claims.json")
    worlds = [word for name in ("worlds", "priors", "locomo") for word in (f"--{name}", f"{_REFERENCE}/worlds/{name}.json")]
    reader, lora = f"{_REFERENCE}/sweeps/reader.json", f"{_REFERENCE}/sweeps/lora.json"
    drawn = {name: told for name in OF_BASE} | {name: ledger for name in OF_LEDGER}
    drawn |= {"reader": ["--study", reader], "lora": ["--config", _CONFIG, "--study", lora]}
    drawn |= {"shared": ["--studies", *studies], "worlds": worlds}
    raw = {
        "--matrix": [f"{_REFERENCE}/matrix/answers.{base}.{part}.jsonl.gz" for part in ("facts", "dialogue", "rows")],
        "--recalls": [f"{_REFERENCE}/matrix/recalls.{part}.jsonl.gz" for part in ("facts", "dialogue")],
        "--layered": _found(f"layered/answers.{base}.*.jsonl.gz"),
        "--locomo": [f"{_REFERENCE}/locomo/answers.{base}.jsonl.gz", *_found("locomo/rows.*.jsonl.gz")],
        "--verdicts": [f"{_REFERENCE}/locomo/verdicts.{base}.jsonl.gz"],
    }
    answers = [word for option, paths in raw.items() for word in (option, *paths)]
    return [
        *(
            [f"draw_{name}.py", *options, "--out", f"paper/figures/{name}.pdf", f"paper/figures/{name}.png"]
            for name, options in drawn.items()
        ),
        ["make_matrix_table.py", *told, "--out", "paper/tables/matrix.tex"],
        ["make_choice_table.py", *told, "--out", "paper/tables/choice.tex"],
        ["make_paper.py", *told, "--numbers", "paper/numbers.tex"],
        ["check_claims.py", *ledger, "--out", claims, "--table", "paper/tables/claims.tex"],
        ["write_findings.py", *ledger, "--claims", claims, "--base", base],
        ["write_captions.py", *told, "--studies", reader, lora, *studies, "--out", "paper/captions"],
        ["make_explorer.py", "--config", _CONFIG, *ledger, "--claims", claims, *answers, "--out", "paper/explorer.html"],
    ]


def _found(pattern: str) -> list[str]:
    """Files of the reference, in order of name."""
    return [str(path.relative_to(ROOT)) for path in sorted(REFERENCE.glob(pattern))]


def run(script: str, arguments: list[str]) -> None:
    """The `main` of a step beside this one."""
    path = Path(__file__).parent / script
    spec = importlib.util.spec_from_file_location(f"loci_step_{path.stem}", path)
    step = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(step)
    step.main([str(ROOT / one) if "/" in one else one for one in arguments])


def main(argv: Sequence[str] | None = None) -> None:
    args, started = parse_args(argv), time.perf_counter()
    made = commands(args.base)
    for script, *arguments in tqdm(made, desc="redraw", unit="step"):
        tqdm.write(shlex.join(["python", f"code/steps/{script}", *arguments]))
        with contextlib.redirect_stdout(io.StringIO()) as said:  # the bar stays on its own line
            run(script, arguments)
        tqdm.write(said.getvalue().strip())
    print(
        f"paper/: {len(made)} steps redrew figures, tables and numbers from {_REFERENCE} in {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    run_step(main)
