"""The reproducibility checklist, filled from what the reference results say about how they were made."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loci.results import read_result


def checklist_block(files: Sequence[Path]) -> list[str]:
    """Lines in Markdown from the provenance of results files; those of one profile are expected."""
    records = [read_result(path) for path in files]
    made = [record["provenance"] for record in records]
    packages: dict[str, Counter] = {}
    for about in made:
        for name, version in about["packages"].items():
            if version:
                packages.setdefault(name, Counter())[version] += 1
    seeds = sorted({record["seed"] for record in records if record["seed"] is not None})
    models = sorted({about["model_sha256"][:12] for about in made if "model_sha256" in about})
    hours = sum(about["wall_seconds"] for about in made) / 3600
    peak = max(about["peak_memory_bytes"] for about in made) / 1e9
    cards = Counter(str(about["gpu"] or "none") for about in made)
    unclean = sum(1 for about in made if not about["git_commit"] or about["git_commit"].endswith("+"))
    return [
        "| asked | answer |",
        "|---|---|",
        f"| Are all results from released code? | {len(made)} results, each with the hash of the code that made it; "
        f"{unclean} from a checkout with edits that were not committed at that moment |",
        f"| Which commits? | {len({about['git_commit'] for about in made})}, named in each result |",
        f"| Which software? | Python {_told(Counter(about['python'] for about in made))}; "
        f"{'; '.join(f'{name} {_told(found)}' for name, found in sorted(packages.items()))}; all others in requirements.txt |",
        f"| Which machine? | {_told(Counter(about['cpu'] for about in made))}; GPU: {_told(cards)} |",
        f"| How much computation? | {hours:.1f} hours of wall time over all results, sweeps and timings among them; "
        f"peak memory {peak:.1f} GB |",
        f"| Which seeds? | {', '.join(map(str, seeds))}; what a seed redraws: docs/bench.md |",
        f"| Which models? | SHA-256 of weights: {', '.join(models)}; pinned in code/loci/models/registry.py |",
        "| Were test users used for choices? | no: `make sweeps` asks development users; exceptions stand in docs/LOG.md |",
        "| Are there intervals? | 95 % over users, texts or conversations in every entry that is a mean; n in every entry |",
        "| Are negative results reported? | yes: docs/findings.md, the claims that fail, docs/LOG.md |",
        "| Are data and licences named? | docs/datasheet.md, docs/model_cards.md; LOCOMO is not included |",
    ]


def _told(found: Counter) -> str:
    """Values with how often each occurs, the most frequent first; one value alone without its count."""
    if len(found) == 1:
        return str(next(iter(found)))
    return ", ".join(f"{value} ({count})" for value, count in sorted(found.items(), key=lambda one: (-one[1], one[0])))
