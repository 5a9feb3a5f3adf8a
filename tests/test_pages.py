"""Links of the pages lead somewhere: files that are tracked, headings that are there."""

import re
import subprocess
from pathlib import Path

import pytest

from loci.paths import ROOT

PAGES = sorted(
    path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md")) if not path.parts[-2].startswith(".")
)


def anchors(text: str) -> set[str]:
    """The names that a forge gives to a page's headings: lower case, spaces to hyphens, other marks dropped."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str, tracked: set[str]) -> list[str]:
    """Relative links of a page to what is not tracked, or to a heading that is not there."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?s)```.*?```", "", text)):
        if re.match(r"\w+:", target):
            continue
        name, _, heading = target.partition("#")
        path = (ROOT / page.parent / name).resolve() if name else ROOT / page
        inside = path.relative_to(ROOT).as_posix()
        there = inside in tracked or any(one.startswith(f"{inside}/") for one in tracked)
        if not there or (heading and heading not in anchors(path.read_text(encoding="utf-8"))):
            found.append(target)
    return found


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    return set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n"))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page, tracked):
    assert broken(page, (ROOT / page).read_text(encoding="utf-8"), tracked) == []


def test_links_that_lead_nowhere_are_found(tracked):
    text = "# A [b] c\n[1](docs/LOG.md) [2](docs) [3](docs/NO.md) [4](docs/bench.md#seeds) [5](docs/bench.md#sed) [6](https://x.y/z)\n"
    assert broken(Path("page.md"), text, tracked) == ["docs/NO.md", "docs/bench.md#sed"]
    assert anchors(text) == {"a-b-c"}
