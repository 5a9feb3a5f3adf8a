"""A progress bar for trainings that tell how far they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def watching(title: str, unit: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar with time left; what it gives is told (step, steps, loss) after each step. A training may go on in its middle."""
    with tqdm(desc=title, unit=unit) as bar:

        def watch(step: int, steps: int, loss: float) -> None:
            bar.total = steps
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        yield watch
