"""The server in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread

_ARMS = {"plain": "plain model", "rows": "rows", "lora_mixed": "adapters mixed in one batch"}


def serve_block(ledger: Ledger) -> list[str]:
    """What rows and batching do to speed, what is kept apart, and what survives a kill."""
    return [*_speed(ledger), *_safety(ledger), *_simulated(ledger)]


def _speed(ledger: Ledger) -> list[str]:
    sizes = sorted(int(part) for part in ledger.parts("serve.rows.c", ".requests_per_second"))
    if not sizes:
        return []
    told = []
    for arm, words in _ARMS.items():
        found = [(size, ledger.get(f"serve.{arm}.c{size}.requests_per_second")) for size in sizes]
        told.append(f"{words} " + ", ".join(f"{entry['value']:.2f} at {size}" for size, entry in found if entry))
    swapped = ledger["serve.lora_swapped.c1.requests_per_second"]["value"]
    tails = []
    for size in sizes:
        half, most = (ledger[f"serve.rows.c{size}.p{share}"]["value"] for share in (50, 99))
        tails.append(f"{size}: {half:.2f} / {most:.2f}")
    users = sorted(int(part) for part in ledger.parts("serve.rows.u", ".requests_per_second"))
    rows, lora = (ledger[f"serve.{arm}.bytes_per_user"]["value"] / 1000 for arm in ("rows", "lora"))
    alone, reading = (spread(ledger[f"serve.write.{when}.seconds"], 1) for when in ("alone", "reading"))
    return [
        f"- **Serving many users**, requests a second at so many at a time: {'; '.join(told)}; an adapter swapped in for each "
        f"request {swapped:.2f} at 1. Seconds of a request with rows, p50 / p99: {', '.join(tails)}. Rows of every user of the "
        f"batch cost {spread(ledger['serve.rows.overhead'])} of the plain model's time; batching gives "
        f"{spread(ledger['serve.rows.batching_gain'], 1)} times the requests of one at a time; {users[-1]:,} registered users "
        f"give {spread(ledger['serve.rows.scale_ratio'])} of the requests of {users[0]:,}. A user's rows take {rows:,.0f} kB, an "
        f"adapter {lora:,.0f} kB. A fact is written in {alone} s, while others read in {reading} s.",
        "- **The same bits alone and in any batch** cost a request that is served alone "
        f"{spread(ledger['serve.exact.cost_alone'])} of its time: no forward has one row.",
    ]


def _safety(ledger: Ledger) -> list[str]:
    lines = []
    for name in ("serve.rows.isolation", *_more(ledger, "serve.rows.isolation")):
        if f"{name}.differences" in ledger:
            differences, words = (ledger[f"{name}.{part}"] for part in ("differences", "other_tokens"))
            lines.append(
                f"- **Mixed answers that differ from the same request alone**: {differences['value']:g} of {differences['n']:,} "
                f"in a bit of any logit, {words['value']:g} in a token; another user's canary said "
                f"{spread(ledger[f'{name}.leaked'], 4)}; own facts right {spread(ledger[f'{name}.right'], 2)}."
            )
    for name in ("serve.kills", *_more(ledger, "serve.kills")):
        if f"{name}.lost" in ledger:
            lost, taken = ledger[f"{name}.lost"], ledger[f"{name}.acknowledged"]["value"]
            broken, unsaid = (ledger[f"{name}.{part}"]["value"] for part in ("broken", "unsaid"))
            lines.append(
                f"- **{lost['n']:,} kills while facts were written**: of {taken:,} acknowledged facts {lost['value']:g} lost, "
                f"{unsaid:g} half-written ones seen, {broken:g} stores that did not open."
            )
    return lines


def _simulated(ledger: Ledger) -> list[str]:
    found = [key.split(".") for key in ledger.keys() if key.startswith("serve.simulated.z") and key.endswith(".machines")]  # noqa: SIM118
    if not found:
        return []
    told = []
    for traffic in sorted({parts[2] for parts in found}):
        users = sorted(int(parts[3][1:]) for parts in found if parts[2] == traffic)
        each = [f"{ledger[f'serve.simulated.{traffic}.u{count}.machines']['value']:,.0f} for {count:,}" for count in users]
        told.append(f"exponent {traffic[1:].replace('_', '.')}: {', '.join(each)}")
    errors = [abs(ledger[key]["value"]) for key in ledger.keys() if key.startswith("serve.simulated.check.u")]  # noqa: SIM118
    largest = max(int(parts[3][1:]) for parts in found)
    size = ledger[f"serve.simulated.{found[0][2]}.u{largest}.bytes"]["value"] / 1e12
    return [
        f"- **Simulated**, machines of this kind under Zipf's traffic, {'; '.join(told)} users; rows of {largest:,} users take "
        f"{size:,.0f} TB. Of the measured numbers of users the fit misses the seconds of a request by {max(errors):.3f} at most."
    ]


def _more(ledger: Ledger, name: str) -> list[str]:
    """Longer runs of the same measurement: <name>.n<count>."""
    counts = {key.split(".")[len(name.split("."))] for key in ledger.keys() if key.startswith(f"{name}.n")}  # noqa: SIM118
    return [f"{name}.{count}" for count in sorted(counts) if count[1:].isdigit()]
