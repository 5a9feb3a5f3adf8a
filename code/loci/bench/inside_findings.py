"""What a write does inside the model, in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread


def inside_block(ledger: Ledger, base: str) -> list[str]:
    """Gate, value, reach and depth; rows at mentions; rows elsewhere."""
    name = f"inside.{base}"
    inside = [*_rows(ledger, name), *_reach(ledger, name), *_depth(ledger, base), *_pretrained(ledger)]
    return [*inside, *_mentions(ledger, base), *_elsewhere(ledger, base)]


def _rows(ledger: Ledger, name: str) -> list[str]:
    if f"{name}.rows.gate.written" not in ledger:
        return []

    def found(key: str, digits: int = 2) -> str:
        return spread(ledger[f"{name}.{key}"], digits)

    n = ledger[f"{name}.rows.gate.written"]["n"]
    gates = (
        f"drawn {found('rows.gate.drawn')}, written {found('rows.gate.written')}; laid over every token of other text "
        f"{found('rows.gate.laid_elsewhere')}, where other text does read a row {found('rows.gate.read_elsewhere')}"
    )
    encoded = "; ".join(
        f"{words} {found(f'{table}.value_first')} in the value alone, {found(f'{table}.said_first')} in what is said"
        for table, words in (("rows", "written"), ("rows_unembed", "closed form"), ("rows_random", "random"))
    )
    return [
        f"- **Gate of a row** (n = {n} facts): {gates}. With the gate as drawn, the written value saves "
        f"{found('rows.path.value')} of the loss; with the value as drawn, the written gate {found('rows.path.gate')}.",
        f"- **What a row encodes**, share of facts whose answer is the first token: {encoded}. Carried up past all blocks, "
        f"written values say it in {found('rows.direct_first')}.",
    ]


def _reach(ledger: Ledger, name: str) -> list[str]:
    if f"{name}.lora.unrelated.kl" not in ledger:
        return []
    lines = []
    for arm, words in (("rows", "rows"), ("lora", "an adapter")):
        parts = ", ".join(
            f"{where} {spread(ledger[f'{name}.{arm}.{key}'], 4)}"
            for where, key in (
                ("before the trigger", "open.before.kl"),
                ("behind it", "open.after.kl"),
                ("on unrelated text", "unrelated.kl"),
            )
        )
        lines.append(f"{words} {parts}, answer said in the middle {spread(ledger[f'{name}.{arm}.middle.says'], 2)}")
    return [f"- **One fact, trigger in the middle of a sentence**, nats by which next tokens move: {'; '.join(lines)}."]


def _depth(ledger: Ledger, base: str) -> list[str]:
    name = f"inside.depth.{base}.l"
    layers = sorted(int(part) for part in ledger.parts(name, ".steps"))
    if not layers:
        return []
    found = []
    for layer in layers:
        steps, says, harm = (ledger[f"{name}{layer}.{key}"] for key in ("steps", "middle.says", "open.at_hits"))
        found.append(f"layer {layer}: {steps['value']:.0f} steps, {spread(says, 2)} and {spread(harm, 2)}")
    n = ledger[f"{name}{layers[0]}.middle.says"]["n"]
    return [
        f"- **Depth**, written to convergence (n = {n} facts): steps, share said in the middle of another sentence, and nats "
        f"that the next token costs more where that sentence goes on differently: {'; '.join(found)}."
    ]


def _pretrained(ledger: Ledger) -> list[str]:
    name = "inside.pretrained"
    if f"{name}.gate.written" not in ledger:
        return []

    def found(key: str, digits: int = 2) -> str:
        return spread(ledger[f"{name}.{key}"], digits)

    return [
        f"- **Inside a trained table** (n = {ledger[f'{name}.gate.written']['n']} facts): gate before writing "
        f"{found('gate.drawn')}, after {found('gate.written')}, on other text {found('gate.elsewhere')}; the answer is the first "
        f"token of what is added in {found('value_first')}, of what is said in {found('said_first')}; nats that next tokens "
        f"move by behind an unanswered trigger {found('open.after.kl', 4)}, before it {found('open.before.kl', 4)}, on unrelated "
        f"text {found('unrelated.kl', 4)}."
    ]


def _mentions(ledger: Ledger, base: str) -> list[str]:
    name = f"inside.mention.{base}"
    if f"{name}.teacher.exact" not in ledger:
        return []

    def found(key: str, digits: int = 2) -> str:
        return spread(ledger[f"{name}.{key}"], digits)

    wordings = len(ledger.parts(f"{name}.rows.wording", ".exact"))
    each = f"; by wording {', '.join(found(f'rows.wording{at}.exact') for at in range(wordings))}" if wordings else ""
    kept = f"{found('rows.kept')} of what it answers" if f"{name}.rows.kept" in ledger else "nothing to be kept"
    return [
        f"- **Rows at mentions**, distilled from the model with the fact in its prompt (n = "
        f"{ledger[f'{name}.teacher.exact']['n']} facts, wordings that were not studied): teacher {found('teacher.exact')}, "
        f"rows {found('rows.exact')} ({kept}{each}), "
        f"another user's {found('donor.exact')}, random {found('random.exact')}, nothing {found('none.exact')}; in the wordings "
        f"studied {found('rows.study_exact')}. Distance from the teacher, nats a token: studied {found('kl.study.before')} to "
        f"{found('kl.study.after')}, asked {found('kl.asked.before')} to {found('kl.asked.after')}. Where the phrase stands in "
        f"another sentence the next token costs {found('passing.at_hits')} nats more."
    ]


def _elsewhere(ledger: Ledger, base: str) -> list[str]:
    def found(key: str, digits: int = 2) -> str:
        study, _, rest = key.partition(".")
        return spread(ledger[f"inside.{study}.{base}.{rest}"], digits)

    if f"inside.transfer.{base}.tuned.as_is.says" not in ledger:
        return []
    moves = "; ".join(
        f"{words}: as they are {found(f'transfer.{target}.as_is.says')}, mapped {found(f'transfer.{target}.mapped.says')}, "
        f"written there {found(f'transfer.{target}.native.says')}, steps from there "
        f"{found(f'transfer.{target}.refitted.steps', 0)}"
        f" and from nothing {found(f'transfer.{target}.native.steps', 0)}"
        for target, words in (("projections", "other projections"), ("tuned", "the base trained further"))
    )
    stacks = "; ".join(
        f"{words} laid over {found(f'stack.{name}.stacked.first.says')} and {found(f'stack.{name}.stacked.second.says')}, salted "
        f"{found(f'stack.{name}.salted.first.says')} and {found(f'stack.{name}.salted.second.says')}"
        for name, words in (("disjoint", "other triggers"), ("shared", "the same triggers"))
    )
    tuning = "; ".join(
        f"{words} {found(f'tuned.{name}.unrelated.kl', 4)}, said in the middle {found(f'tuned.{name}.middle.says')}"
        for name, words in (("rows", "rows"), ("table", "rows with projections"), ("model", "all weights"))
    )
    n = ledger[f"inside.transfer.{base}.tuned.as_is.says"]["n"]
    return [
        f"- **Rows carried elsewhere** (n = {n} facts), share said: {moves}.",
        f"- **Two domains in one table**, first and second: {stacks}.",
        f"- **A hundred tokens behind a trigger**: the fact is said in {found('long.rows.used.says')} (without rows "
        f"{found('long.none.used.says')}); runs of four that repeat {found('long.rows.repeated')} and "
        f"{found('long.none.repeated')}; where both go on from the fact as text {found('long.told.rows.repeated')} and "
        f"{found('long.told.none.repeated')}, difference {found('long.told.delta_repeated')}; nats a token to the base, "
        f"less those of its own text {found('long.delta_nats')}, from the fact as text {found('long.told.delta_nats')}.",
        f"- **Tuning instead**, up to the same margin, nats that unrelated next tokens move by: {tuning}.",
    ]
