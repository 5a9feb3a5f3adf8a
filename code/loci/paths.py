"""Where things lie. Every path in the project is built from these; steps take theirs as arguments."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
DATA = ROOT / "data"
GENERATED = DATA / "generated"
MODELS = ROOT / "models"
RESULTS = ROOT / "results"
REFERENCE = RESULTS / "reference"
PAPER = ROOT / "paper"
