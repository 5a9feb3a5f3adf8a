"""Read triplets out of LOCOMO with extraction A, which was fitted on generated prose, and see how much of the answers they hold.

The conversations are not Loci's to give away: the result holds numbers alone, and without the file it says so. The triplets go
where generated data go, to be read by hand.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.locomo_extraction import coverage, document_of, in_text
from loci.bench.statistics import estimate
from loci.config import load_config
from loci.errors import run_step
from loci.memories.lexical import words
from loci.memories.prose_extract import Extractor
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.extracted_files import write_extracted
from loci.worlds.locomo_file import absent, load_locomo
from loci.worlds.prose_files import first_words, read_documents
from loci.worlds.prose_records import Triplet

_LEARN = 150_000  # words, as extract_prose.py
_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--train", type=Path, default=GENERATED / "prose.train.parquet", help="documents to learn from (parquet)")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit: questions with wrong answers stay out")
    parser.add_argument("--accept-other-file", action="store_true", help="go on with a file that is not the canonical one")
    parser.add_argument("--if-present", action="store_true", help="without the file, write a result that says so, and succeed")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--triplets", type=Path, required=True, default=argparse.SUPPRESS, help="triplets to write (parquet)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    fault = absent(args.file)
    left_out = fault is not None and args.if_present
    provenance = Provenance(Path(__file__), {} if left_out else {"train": args.train})
    if left_out:
        write_json(args.out, result("extract_locomo", {}, None, {"present": False}, [], provenance.record()))
        print(f"{args.out}: no LOCOMO file ({fault.where}: {fault.what}); nothing was extracted")
        return
    settings = load_config(args.config)
    use_threads(settings["threads"])
    locomo = load_locomo(args.file, args.audit, args.accept_other_file, args.cache)
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    extractor = Extractor.fit(first_words(read_documents(args.train), _LEARN), encoder, _SEED)
    records: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    kept = []
    for conversation in tqdm(locomo.conversations, unit="conversation"):
        by_turn: dict[str, list[Triplet]] = defaultdict(list)
        before = set(words(" ".join(conversation.speakers)))
        made = [document_of(conversation, session) for session in conversation.sessions]
        found = list(extractor.extract([document for document, _ in made]))
        for (document, turns), extracted in zip(made, found, strict=True):
            for turn, triplets in zip(turns, extracted, strict=True):
                by_turn[turn] += triplets
            shares = list(in_text(document, extracted, before))
            records["in_text"] += [(conversation.id, f"{document.doc_id}.{at}", share) for at, share in enumerate(shares)]
            kept.append((document, extracted))
        counts = [(conversation.id, turn.dia_id, float(len(by_turn[turn.dia_id]))) for turn in conversation.turns]
        records["triplets_a_turn"] += counts
        for name, part in coverage(conversation, by_turn).items():
            records[f"covered.{name}"] += part
    write_extracted(args.triplets, kept)
    ledger = {
        f"extraction.locomo.{name}": estimate(part, proportion=name != "triplets_a_turn").entry(args.out.name)
        for name, part in sorted(records.items())
    }
    config = {"file_sha256": locomo.sha256, "learn_words": _LEARN, "encoder": encoder.sha256, "audited": args.audit is not None}
    write_json(args.out, result("extract_locomo", config, _SEED, rounded(ledger | {"present": True}), [], provenance.record()))
    covered, text = (ledger[f"extraction.locomo.covered.all.{where}"] for where in ("triplets", "text"))
    print(
        f"{args.out}: the triplets of the cited turns hold {covered['value']:.1%} of {covered['n']} gold answers, the turns "
        f"themselves {text['value']:.1%}"
    )


if __name__ == "__main__":
    run_step(main)
