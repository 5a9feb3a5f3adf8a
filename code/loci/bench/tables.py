"""Tables of a density run: how many facts of one owner, how their triggers end, and how the table is addressed.

Sizes grow on the axis `distinct` with the profile's own table. At one size the axes of suffixes, the orders and the heads are
changed, one at a time.
"""

from dataclasses import dataclass, replace

from loci.models.engram import EngramSpec


@dataclass(frozen=True)
class Table:
    """`name` is what entries of the ledger call it: n300, n300.shared2, n300.orders2-3, n300.heads1."""

    name: str
    facts: int
    axis: str
    spec: EngramSpec

    @property
    def main(self) -> bool:
        """Whether it is one of the growing tables, which are stored in every format."""
        return "." not in self.name


def tables_of(density: dict, spec: EngramSpec) -> list[Table]:
    """All tables of a profile, the growing ones first."""
    at, size = density["variants"], density["variants"]["size"]
    out = [Table(f"n{count}", count, "distinct", spec) for count in density["sizes"]]
    out += [Table(f"n{size}.{axis}", size, axis, spec) for axis in at["axes"]]
    for orders in at["orders"]:
        out.append(Table(f"n{size}.orders{'-'.join(map(str, orders))}", size, "distinct", replace(spec, orders=tuple(orders))))
    out += [Table(f"n{size}.heads{heads}", size, "distinct", replace(spec, heads=heads)) for heads in at["heads"]]
    return out
