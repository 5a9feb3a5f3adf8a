"""Have a language model judge: answers whose rightness is known, to measure how far it can be trusted, and the memories' answers.

strict and lenient are the frozen prompts of data/locomo/judge_prompts.json behind the base model on this machine, which judges by
the log-odds of two verdict tokens; endpoint is a model behind an OpenAI-compatible address, with the key in LOCI_JUDGE_KEY. The
local judge counts twice: as it says (log-odds of 0), and with a threshold that development answers set (_fitted). Every verdict
is kept as it comes; a run that stops goes on where it was.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.endpoint import Endpoint, EndpointJudge
from loci.bench.judge_prompts import JudgePrompt, Pair, distinct, judge_prompt
from loci.bench.judge_votes import Asked, asked_of, counted, threshold_of, trusted
from loci.bench.judging import WRITTEN, gathered
from loci.bench.local_judge import LocalJudge
from loci.bench.locomo_asked import answers_about
from loci.bench.verdicts import Verdicts, file_of
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.locomo_file import load_or_stand_in

ENDPOINT = "endpoint"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--judge", choices=("strict", "lenient", ENDPOINT), required=True, default=argparse.SUPPRESS, help="who")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--specific", type=Path, help="the audit's specific wrong answers (path)")
    parser.add_argument("--vague", type=Path, help="the audit's vague wrong answers (path)")
    parser.add_argument("--answers", type=Path, help="the audit's short answers, of which some are labelled (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a download and for verdicts (path)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    several = {"type": Path, "nargs": "+", "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--asked", **several, help="of ask_locomo.py and rows_locomo.py (JSON)")
    parser.add_argument("--said", **several, help="their raw answers (JSONL)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--verdicts", type=Path, required=True, default=argparse.SUPPRESS, help="verdicts to write (JSONL)")
    return parser.parse_args(argv)


def ask_locally(settings: dict, prompt: JudgePrompt, pairs: list[Pair], args: argparse.Namespace) -> tuple[dict, dict, dict]:
    """(log-odds of pairs, the judge, how many were asked now and how many had been) of the base model."""
    base = load_base(settings["base"]["name"], args.model)
    about = {"model": base.model_sha256, "prompt": prompt.sha256}
    kept = Verdicts(file_of(args.cache, f"verdicts.local_{prompt.name}", about), about)
    known = kept.known(pairs)
    left = [pair for pair in pairs if pair not in known]
    judge = LocalJudge(base, prompt, settings["judges"]["batch"])
    with tqdm(total=len(left), desc=f"judge, {prompt.name}", unit="answer") as bar:
        for batch in judge.log_odds(left):
            kept.keep(batch)
            known.update(batch)
            bar.update(len(batch))
    kept.close()
    return known, about, {"asked": len(left), "known": len(pairs) - len(left)}


def ask_endpoint(settings: dict, prompt: JudgePrompt, pairs: list[Pair], args: argparse.Namespace) -> tuple[dict, dict, dict]:
    """(verdicts of pairs, the judge, what asking it took) of a model behind an address."""
    options = settings["judges"]["endpoint"]
    endpoint = Endpoint(**{name: value for name, value in options.items() if name != "prompt"})
    about = {"url": endpoint.url, "model": endpoint.model, "prompt": prompt.sha256}
    kept = Verdicts(file_of(args.cache, "verdicts.endpoint", about), about)
    known = kept.known(pairs)
    judge = EndpointJudge(endpoint, prompt)
    left = [pair for pair in pairs if pair not in known]
    for pair, verdict in tqdm(judge.verdicts(left), total=len(left), desc="judge, endpoint", unit="answer"):
        kept.keep([(pair, verdict)])
        known[pair] = verdict
    kept.close()
    return known, about, dict(judge.counts)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    files = {name: path for name in (*WRITTEN, "audit", "answers") if (path := getattr(args, name)) is not None}
    provenance = Provenance(Path(__file__), {**files, **{f"asked.{at}": path for at, path in enumerate(args.asked)}})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    answers, hashes = answers_about(locomo, args.asked, args.said)
    to_judge = asked_of(locomo, gathered(locomo, files), answers, settings["judges"]["each"])
    local = args.judge != ENDPOINT
    prompt = judge_prompt(args.judge if local else settings["judges"]["endpoint"]["prompt"])
    start = time.perf_counter()
    said, about, counts = (ask_locally if local else ask_endpoint)(settings, prompt, distinct(to_judge.pairs()), args)
    counts |= {"seconds": round(time.perf_counter() - start, 1)}  # of loading the model too; little says that all were known
    name = f"local_{args.judge}" if local else ENDPOINT
    judges = {name: 0.0, f"{name}_fitted": threshold_of(to_judge, said)} if local else {name: None}
    prefix, metrics, fit, verdicts = "judge" if source == "locomo" else f"{source}_judge", {}, {}, []
    for judge, threshold in judges.items():
        accepted = {pair: verdict if threshold is None else verdict >= threshold for pair, verdict in said.items()}
        found, fit[judge] = trusted(to_judge, accepted, f"{prefix}.{judge}", args.out.name)
        metrics |= found
        verdicts += verdicts_of(judge, to_judge, accepted)
    metrics |= counted(to_judge, said, f"{prefix}.{name}", args.out.name)
    write_jsonl(args.verdicts, verdicts)
    config = {"judge": about, "prompt": prompt.name, "thresholds": rounded(judges), "each": settings["judges"]["each"]}
    config |= {"file": source, "file_sha256": locomo.sha256, "answers_sha256": hashes}
    metrics = rounded(metrics) | {"fit_for_claims": fit, "verdicts_sha256": sha256_file(args.verdicts)}
    write_json(args.out, result("ask_judge", config, None, metrics, args.verdicts.name, provenance.record() | {"counts": counts}))
    refused = {kind: metrics[f"{prefix}.{name}.specificity_{kind}"]["value"] for kind in WRITTEN}
    told = ", ".join(f"refuses {value:.3f} of {kind}" for kind, value in refused.items())
    trust = "may feed claims" if fit[name] else "is unfit for claims"
    print(f"{args.out}: {name} {told} wrong answers, accepts {metrics[f'{prefix}.{name}.sensitivity']['value']:.3f}; it {trust}")


def verdicts_of(judge: str, asked: Asked, accepted: dict[Pair, bool | None]) -> list[dict]:
    """The verdicts on the memories' answers, by id: no text of LOCOMO is in them."""
    return [{"judge": judge, "memory": memory, "qid": qid, "accepted": accepted[pair]} for memory, qid, pair in asked.answers]


if __name__ == "__main__":
    run_step(main)
