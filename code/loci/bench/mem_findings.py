"""[mem] vectors and trained prefixes in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread

_ASKED = (
    ("mem", "a vector in the place of the needed fact"),
    ("mem_other", "another fact's"),
    ("mem_random", "noise of equal norm"),
    ("mem_said", "the vector says its text, which is read"),
    ("gold", "the fact as text"),
    ("gold_mem", "another fact's vector before the fact as text"),
    ("all", "all facts as text"),
    ("prefix_next", "a prefix fitted to the facts' next tokens"),
    ("prefix_study", "to the model's own answers"),
    ("prefix_study_other", "another user's of that"),
    ("prefix_start", "where they start"),
    ("none", "nothing"),
)
_TURNS = (
    ("all", "everything"),
    ("latest", "the latest turns"),
    ("reset", "a summary by rules and the latest"),
    ("mem", "vectors and the latest"),
    ("turn", "the turn alone"),
)


def mem_block(ledger: Ledger, base: str) -> list[str]:
    """What vectors hold, what can be answered from them and from prefixes, and turns that gave way."""
    counts = sorted(int(part) for part in ledger.parts(f"mem.{base}.k", ".capacity_tokens"))
    if not counts:
        return []
    lines = [_capacity(ledger, base, counts)]
    if f"mem_asked.gold.{base}.direct.exact" not in ledger:
        return lines
    found = [
        f"{words} {spread(ledger[f'mem_asked.{name}.{base}.direct.exact'], 2)}"
        f" and {spread(ledger[f'mem_asked.{name}.{base}.paraphrase.exact'], 2)}"
        for name, words in _ASKED
    ]
    sizes = [ledger[f"mem_asked.gold.{base}.{kind}.exact"]["n"] for kind in ("direct", "paraphrase")]
    gap = spread(ledger[f"mem_asked.prefix_study_minus_prefix_next.{base}.direct.exact"], 2)
    lines.append(
        f"- **Answered from vectors and prefixes**, direct questions and other wordings (n = {sizes[0]}, {sizes[1]}): "
        f"{'; '.join(found)}. Self-study less next tokens, direct, paired: {gap}."
    )
    turns = [f"{words} {spread(ledger[f'mem_turns.{name}.{base}.exact'], 2)}" for name, words in _TURNS]
    n = ledger[f"mem_turns.all.{base}.exact"]["n"]
    return [*lines, f"- **After old turns gave way**, what they told is answered (n = {n}): {'; '.join(turns)}."]


def _capacity(ledger: Ledger, base: str, counts: list[int]) -> str:
    held = []
    for count in counts:
        random = ledger.get(f"mem.{base}.k{count}.random.capacity_tokens")
        words = f", random words {random['value']}" if random else ""
        held.append(f"{count}: documentation {ledger[f'mem.{base}.k{count}.docs.capacity_tokens']['value']}{words}")
    texts = ledger[f"mem.{base}.k{counts[0]}.docs.capacity_tokens"]["n"]
    bare = [f"{spread(ledger[f'mem.{base}.k{counts[0]}.{kind}.bare_nats_per_token'], 2)}" for kind in ("docs", "random")]
    return (
        f"- **[mem] vectors**, tokens that are held (mean accuracy 0.99 under teacher forcing, token 1 scored, {texts} texts "
        f"of a kind) by vectors: {'; '.join(held)}. Nats a token without vectors: {bare[0]} and {bare[1]}."
    )
