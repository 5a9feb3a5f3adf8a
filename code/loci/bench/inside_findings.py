"""What a write does inside the model, in words, for README.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread


def inside_block(ledger: Ledger, base: str) -> list[str]:
    """Gate, value, lens, reach and depth."""
    return [*_rows(ledger, f"inside.{base}"), *_reach(ledger, f"inside.{base}"), *_depth(ledger, base)]


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
