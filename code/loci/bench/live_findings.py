"""Live memory in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread

_CONTROLS = {
    "none": "no state",
    "donor": "another user's",
    "shuffled": "its own shuffled",
    "matrices": "the bank emptied",
    "bank": "the matrices emptied",
    "attention": "plain attention over the whole text",
}
_LEARNERS = {"delta": "delta rule", "linear": "linear attention", "attention": "plain attention"}


def live_block(ledger: Ledger) -> list[str]:
    """What a frozen model says of its state, near and far, with the controls, and the sweep of rates where it was run."""
    gaps = sorted(int(part) for part in ledger.parts("live.state.g", ".current.exact"))
    lines = []
    if gaps:
        own = ledger["live.state.current.exact"]
        last = [part for part in ledger.parts("live.state.s", ".current.exact") if part.isdigit()]
        apart = ", ".join(f"{ledger[f'live.state.s{seed}.g{gaps[-1]}.current.exact']['value']:.2f}" for seed in sorted(last))
        far = ", ".join(f"{gap:,}: {ledger[f'live.state.g{gap}.current.exact']['value']:.2f}" for gap in gaps)
        controls = ", ".join(f"{words} {spread(ledger[f'live.{arm}.current.exact'], 2)}" for arm, words in _CONTROLS.items())
        lengths = sorted(int(part) for part in ledger.parts("live.state.n", ".bytes"))
        size, whole = (ledger[f"live.{name}.n{lengths[-1]}.bytes"]["value"] / 1024 for name in ("state", "attention"))
        lines.append(
            f"- **Live memory** (small model, frozen; n = {own['n']:,}): with its own state it says the present value in "
            f"{spread(own, 2)} (by words since the telling, {far}), a stale one in {spread(ledger['live.state.stale.rate'], 2)}; "
            f"after {gaps[-1]:,} words the trainings are apart, {apart}. "
            f"{controls[0].upper()}{controls[1:]}; the question-only prior {ledger['live.prior.current.exact']['value']:.2f}. In "
            f"{ledger['live.bank.reach']['value']:.2f} of the questions the telling is still in the bank. The state takes "
            f"{size:.0f} KiB at any length, keys and values of plain attention {whole:.0f} KiB after {lengths[-1]:,} words."
        )
    pairs = sorted(int(part) for part in ledger.parts("mqar.delta.p", ".best"))
    if pairs:
        told = []
        for name, words in _LEARNERS.items():
            if f"mqar.{name}.p{pairs[-1]}.best" in ledger:
                best, worst = (ledger[f"mqar.{name}.p{pairs[-1]}.{which}"] for which in ("best", "worst"))
                told.append(f"{words} {best['value']:.2f} (worst {worst['value']:.2f})")
        rates = ledger[f"mqar.delta.p{pairs[-1]}.best"]["n"]
        lines.append(f"- **Recall of {pairs[-1]} pairs**, at the best of {rates} learning rates: {'; '.join(told)}.")
    return lines
