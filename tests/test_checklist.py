"""The checklist says what the results say about how they were made."""

from loci.bench.checklist import checklist_block
from loci.results import result, write_json


def test_answers_come_from_provenance(tmp_path):
    about = {"packages": {"torch": "2.13.0", "numpy": "2.4.6"}, "python": "3.11.7", "cpu": "A", "gpu": None, "wall_seconds": 3600}
    about |= {"peak_memory_bytes": 2_000_000_000, "model_sha256": "ab" * 32}
    made = [
        (0, about | {"git_commit": "c1"}),
        (2, about | {"git_commit": "c2+", "packages": {"torch": "2.11.0", "numpy": "2.4.6"}, "gpu": "H"}),
        (None, about | {"git_commit": "c1", "wall_seconds": 1800, "peak_memory_bytes": 3_000_000_000}),
    ]
    for at, (seed, provenance) in enumerate(made):
        write_json(tmp_path / f"{at}.json", result("x", {}, seed, {}, [], provenance))
    text = "\n".join(checklist_block(sorted(tmp_path.glob("*.json"))))
    assert "3 results" in text and "1 from a checkout with edits" in text and "| Which commits? | 2," in text
    assert "torch 2.13.0 (2), 2.11.0 (1)" in text and "numpy 2.4.6;" in text and "GPU: none (2), H (1)" in text
    assert "2.5 hours" in text and "peak memory 3.0 GB" in text and "| Which seeds? | 0, 2;" in text and "abababababab" in text
