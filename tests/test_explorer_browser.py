"""The explorer in a headless Chromium: opened from a file, by keyboard, light and dark, and what axe-core finds in it.

Skipped where Chromium is not installed. axe-core is not part of Loci: its test uses $LOCI_AXE (axe.min.js), or asks npm for the
pinned version, and is skipped where neither is to be had.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from explorer_page_made import HOSTILE, write_small

from loci.chromium import Browser, find_chromium
from loci.paths import PAPER

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
PAGE = PAPER / "explorer.html"
AXE = "axe-core@4.14.1"
FIRST = "document.querySelector('#table-matrix tbody td > button')"
NAMES = "[...document.querySelectorAll('#table-matrix tbody tr')].filter(row => !row.hidden).map(row => row.dataset.name)"
OPEN = "document.getElementById('answers').open"
FOCUSED = "document.activeElement.dataset.cell || document.activeElement.id || document.activeElement.tagName"


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture
def opened(browser):
    """The committed page, freshly loaded in light colours."""
    browser.dark(False)
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(PAGE)
    yield browser
    assert browser.complaints == [], "the page complained on the console"
    assert browser.requests == [PAGE.resolve().as_uri()], "the page asked for something else"


def values(browser: Browser, column: int) -> list[float | None]:
    """Numbers of a column of the first matrix as it stands, None where there is none."""
    found = browser.run(f"[...document.querySelectorAll('#table-matrix tbody tr')].map(row => row.cells[{column}].dataset.v)")
    return [None if value is None else float(value) for value in found]


def test_a_heading_sorts_and_says_so(opened):
    column = opened.run("[...document.querySelectorAll('#table-matrix thead th')].findIndex(th => th.dataset.name === 'direct')")
    before = values(opened, column)
    head = f"document.querySelectorAll('#table-matrix thead th')[{column}]"
    for direction, reverse in (("descending", True), ("ascending", False), ("descending", True)):
        opened.run(f"{head}.querySelector('button').click()")
        assert opened.run(f"{head}.getAttribute('aria-sort')") == direction
        after = values(opened, column)
        numbers = [one for one in after if one is not None]
        assert numbers == sorted((one for one in before if one is not None), reverse=reverse)
        assert after[len(numbers) :] == [None] * (len(before) - len(numbers)), "what was not asked stays last"
    assert opened.run("document.querySelectorAll('#table-matrix [aria-sort]').length") == 1


def test_filters_leave_what_was_asked_for(opened):
    everything = opened.run(NAMES)
    opened.run("document.getElementById('wanted').value = 'bm25'")
    opened.run("document.getElementById('wanted').dispatchEvent(new Event('input'))")
    assert opened.run(NAMES) == [name for name in everything if "bm25" in name.lower()] != []
    assert "rows shown" in opened.run("document.getElementById('said').textContent")
    opened.run("document.getElementById('wanted').focus()")
    opened.press("Enter")
    assert opened.run(NAMES) != everything, "Enter in the field neither reloads the page nor undoes the filter"
    opened.run("document.getElementById('everything').click()")
    assert opened.run(NAMES) == everything
    opened.run("document.querySelector('input[name=kind][value=\"direct.exact\"]').click()")
    shown = "getComputedStyle(document.querySelector('#table-matrix [data-measure=\"direct.exact\"]')).display"
    assert opened.run(shown) == "none"


def test_the_switch_shows_one_way_of_telling_or_both(opened):
    displayed = "getComputedStyle(document.getElementById('table-' + one)).display"
    seen = f"['matrix', 'matrix_dialogue'].map(one => {displayed} !== 'none')"
    for value, wanted in (("matrix", [True, False]), ("matrix_dialogue", [False, True]), ("both", [True, True])):
        opened.run(f"document.querySelector('input[name=told][value={value}]').click()")
        assert opened.run(seen) == wanted


def test_a_cell_opens_its_answers_and_escape_returns_to_it(opened):
    opened.run(f"{FIRST}.focus()")
    cell = opened.run(FOCUSED)
    opened.press("Enter")
    assert opened.run(OPEN) and opened.run("document.getElementById('list').children.length") == 8
    about = opened.run("document.getElementById('answers').textContent")
    assert "95 % interval" in about and "Said" in about and ("right" in about or "wrong" in about)
    assert opened.run("document.getElementById('answers').matches(':modal')")
    opened.press("Escape")
    assert not opened.run(OPEN) and opened.run(FOCUSED) == cell


def test_arrow_keys_reach_every_cell_and_tab_only_one(opened):
    opened.run(f"{FIRST}.focus()")
    start = opened.run(FOCUSED)
    opened.press("ArrowRight")
    right = opened.run(FOCUSED)
    opened.press("ArrowDown")
    below = opened.run(FOCUSED)
    _, memory, measure = right.split("|")
    assert right != start and right.split("|")[1] == start.split("|")[1]
    assert below.split("|")[2] == measure and below.split("|")[1] != memory
    opened.press("ArrowUp")
    opened.press("ArrowLeft")
    assert opened.run(FOCUSED) == start
    stops = "[...document.querySelectorAll('#table-matrix td > button')].filter(one => one.tabIndex === 0).length"
    assert opened.run(stops) == 1


def test_of_locomo_a_cell_opens_ids(opened):
    opened.run("document.querySelector('#table-locomo td > button').click()")
    told = opened.run("document.getElementById('list').textContent")
    assert "locomo_" in told and "Said" not in told and "Turns in the prompt" in told


def test_dark_is_dark(opened):
    colours = "(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))"
    light = opened.run(colours)
    opened.dark()
    dark = opened.run(colours)
    brightness = [sum(map(int, colour.strip("rgb()").split(","))) for colour in (*light, *dark)]
    assert brightness[0] > brightness[1] and brightness[2] < brightness[3]


def test_nothing_that_a_model_said_runs(browser, tmp_path):
    browser.complaints.clear()
    browser.open(write_small(tmp_path / "small.html"))
    browser.run("document.querySelectorAll('td > button').forEach(one => one.click())")
    told = browser.run("document.getElementById('list').textContent")
    assert HOSTILE in told and browser.run("window.broken === undefined")
    assert browser.run("document.querySelectorAll('img').length") == 0 and browser.complaints == []
    browser.press("Escape")
    browser.run("document.getElementById('status').value = 'holds'")
    browser.run("document.getElementById('status').dispatchEvent(new Event('change'))")
    assert browser.run("[...document.querySelectorAll('#claims tbody tr')].map(row => row.hidden)") == [True, False]


def test_a_screenshot_shows_the_table(opened, tmp_path):
    opened.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "page.png").stat().st_size > 20_000, "an empty page is smaller"


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The text of axe.min.js."""
    if named := os.environ.get("LOCI_AXE"):
        return Path(named).read_text(encoding="utf-8")
    if shutil.which("npm") is None:
        pytest.skip("axe-core: neither $LOCI_AXE nor npm")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", AXE]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        pytest.skip("axe-core: npm does not answer")
    if done.returncode:
        pytest.skip("axe-core: npm cannot fetch it")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("dialog", [False, True])
def test_axe_finds_nothing_serious(opened, axe, dark, dialog):
    opened.dark(dark)
    if dialog:
        opened.run(f"{FIRST}.click()")
    opened.run(f"{axe};0")
    found = opened.run("axe.run().then(found => found.violations.map(one => [one.id, one.impact, one.nodes[0].html]))")
    assert [one for one in found if one[1] in ("serious", "critical")] == [], found
