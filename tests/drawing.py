"""Every figure that `make figures` draws, drawn again somewhere else. As a program: `python tests/drawing.py FOLDER`."""

import sys
from collections.abc import Callable
from pathlib import Path

from loci.paths import ROOT

sys.path.insert(0, str(Path(__file__).parent))
from steps_path import load_step


def commands() -> list[list[str]]:
    """The arguments of every drawing step of `make figures`: [name of the script, arguments …]."""
    return [made for made in load_step("redraw").commands("smollm2-135m") if made[0].startswith("draw_")]


def draw_all(folder: Path, look: Callable[[str, object], None] | None = None, backwards: bool = False) -> dict[str, bytes]:
    """File name -> bytes of every figure, drawn into the folder. look: is shown each figure's name and the figure, before it is
    written. backwards: in the opposite order."""
    made = {}
    for script, *arguments in commands()[:: -1 if backwards else 1]:
        moved = [str(folder / Path(one).name) if one.startswith("paper/figures/") else one for one in arguments]
        moved = [str(ROOT / one) if one.startswith(("results/", "config/")) else one for one in moved]
        step, name = load_step(script.removesuffix(".py")), script.removesuffix(".py").removeprefix("draw_")
        if look:
            step.save = _looked_at(step.save, name, look)
        step.main(moved)
        made |= {path.name: path.read_bytes() for path in map(Path, moved) if path.suffix in (".pdf", ".png")}
    return made


def _looked_at(save: Callable, name: str, look: Callable) -> Callable:
    def saved(figure, paths):
        look(name, figure)
        save(figure, paths)

    return saved


if __name__ == "__main__":
    draw_all(Path(sys.argv[1]), backwards=True)
