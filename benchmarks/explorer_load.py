"""How long the explorer takes to load from a file in a headless Chromium, and to sort and to open an answer once it is there.

Every load starts a browser of its own, so nothing is warm but the machine's cache of files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loci.chromium import Browser
from loci.errors import UserError, run_step
from loci.paths import PAPER
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

_TIMED = "(() => {{ const start = performance.now(); {}; document.body.offsetHeight; return performance.now() - start; }})()"
_ACTIONS = {
    "sort_ms": "document.querySelectorAll('#table-matrix thead button')[3].click()",
    "filter_ms": "document.querySelector('input[name=told][value=both]').click()",
    "open_ms": "document.querySelector('#table-matrix td > button').click()",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--page", type=Path, default=PAPER / "explorer.html", help="page to load (HTML)")
    parser.add_argument("--loads", type=int, default=10, help="times that it is loaded")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def timed(page: Path) -> dict[str, float]:
    """Milliseconds of one load, until the load event has ended, and of what a reader does next."""
    with Browser() as browser:
        return {"load_ms": browser.open(page)} | {name: browser.run(_TIMED.format(done)) for name, done in _ACTIONS.items()}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.page.is_file():
        raise UserError(args.page, "no such file", "run `make figures`")
    provenance = Provenance(Path(__file__), {"page": args.page})
    spent = [timed(args.page) for _ in range(args.loads)]
    metrics = {}
    for name in spent[0]:
        found = [one[name] for one in spent]
        for share in (50, 95):
            entry = {"value": float(np.percentile(found, share)), "n": len(found), "source": args.out.name}
            metrics[f"bench.explorer.{name.removesuffix('_ms')}_ms_p{share}"] = entry
    metrics["bench.explorer.bytes"] = {"value": args.page.stat().st_size, "n": 1, "source": args.out.name}
    record = result("explorer_load", {"loads": args.loads}, None, rounded(metrics), rounded(spent), provenance.record())
    write_json(args.out, record)
    told = ", ".join(f"{key.rpartition('.')[2]} {entry['value']:.0f}" for key, entry in metrics.items())
    print(f"{args.out}: {told}")


if __name__ == "__main__":
    run_step(main)
