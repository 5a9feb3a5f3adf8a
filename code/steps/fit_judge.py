"""Fit the lexical judge on the development conversations, and measure on the others what it accepts.

Right and wrong answers are made by rules, or were written to be wrong (files of the audit), and some were read and labelled by
hand; no model's vote is used. Without those files rules make the wrong answers; without LOCOMO's file all of it is about the
stand-in. The judge is a few numbers; fitted on LOCOMO they are CC BY-NC 4.0, as that is.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loci.bench.judge_cases import Case, mirrored
from loci.bench.judging import (
    SENSITIVITY,
    WRITTEN,
    answer_only,
    balanced_accuracy,
    fit_for_claims,
    gathered,
    trust_entries,
    with_other_gold,
)
from loci.bench.lexical_judge import features_of, fit
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.worlds.locomo_file import load_or_stand_in


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--specific", type=Path, help="the audit's specific wrong answers (path)")
    parser.add_argument("--vague", type=Path, help="the audit's vague wrong answers (path)")
    parser.add_argument("--answers", type=Path, help="the audit's short answers, of which some are labelled (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--judge", type=Path, required=True, default=argparse.SUPPRESS, help="the judge to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    files = {name: path for name in (*WRITTEN, "audit", "answers") if (path := getattr(args, name)) is not None}
    provenance = Provenance(Path(__file__), files)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    cases = gathered(locomo, files)
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    learnt, twice = mirrored(cases.dev) + cases.dev_labelled, mirrored(cases.test)
    judge = fit(features(learnt, encoder), learnt, SENSITIVITY)
    asked = cases.test + cases.test_labelled
    prefix = "judge" if source == "locomo" else f"{source}_judge"
    metrics = trust_entries(asked, judge.accepts(features(asked, encoder)), f"{prefix}.lexical", args.out.name)
    controls = {
        "lexical_answer_only": answer_only(mirrored(cases.dev), twice),
        "lexical_shuffled_gold": judge.accepts(features(with_other_gold(twice), encoder)),
        "lexical": judge.accepts(features(twice, encoder)),
    }
    for name, verdicts in controls.items():
        value = balanced_accuracy(twice, verdicts)
        metrics[f"{prefix}.{name}.balanced_accuracy"] = {"value": value, "n": len(twice), "source": args.out.name}
    fit_for = fit_for_claims(metrics, f"{prefix}.lexical")
    write_json(args.judge, judge.as_dict(encoder.sha256))
    config = {"file": source, "file_sha256": locomo.sha256, "sensitivity": SENSITIVITY, "encoder": encoder.sha256}
    config |= {"cases": {"learnt": len(learnt), "asked": len(asked), "labelled": len(cases.test_labelled)}}
    metrics = rounded(metrics) | {"fit_for_claims": fit_for, "judge_sha256": sha256_file(args.judge)}
    write_json(args.out, result("fit_judge", config, None, metrics, [], provenance.record()))
    told = ", ".join(f"refuses {metrics[f'{prefix}.lexical.specificity_{kind}']['value']:.3f} of {kind}" for kind in WRITTEN)
    print(f"{args.out}: the lexical judge {told} wrong answers, accepts {metrics[f'{prefix}.lexical.sensitivity']['value']:.3f}")


def features(cases: Sequence[Case], encoder: Encoder) -> np.ndarray:
    """Features [N, F] of cases."""
    return features_of([(case.gold, case.answer) for case in cases], encoder)


if __name__ == "__main__":
    run_step(main)
