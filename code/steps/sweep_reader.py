"""Choose the reader's prompt: candidates tried on development users only, with the needed facts and among others.

Three conditions for every candidate: `gold`, exactly the needed facts; `among`, five facts with the needed ones among them in
random order, as retrieval would give; `without`, five facts of which none answers (for what was never stored).
"""

import argparse
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from loci.bench.asking import answer_unit, prompt_of, units
from loci.bench.decode import newline_tokens
from loci.bench.people import context_text
from loci.bench.reader import Reader
from loci.bench.score import exact, says_not_known
from loci.bench.statistics import by_user, estimate
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.paths import CONFIG, GENERATED
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.people import sample_questions
from loci.worlds.records import Question, User, load_users

SHOWN = 5  # facts in the conditions `among` and `without`


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG / "sweep_reader.yaml", help="candidates (YAML)")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def shown(user: User, question: Question, condition: str) -> dict:
    """What stands in the prompt, as a recall. Most relevant first: the needed facts, then others in random order."""
    rng = random.Random(f"{question.qid}:{condition}")
    told = {fact.key: at for at, fact in enumerate(user.facts)}
    needed = list(question.required_fact_keys)
    others = [fact.key for fact in user.facts if fact.key not in needed and fact.key != question.key]
    keys = needed if condition == "gold" else needed + rng.sample(others, max(0, SHOWN - len(needed)))
    if condition == "among":
        rng.shuffle(keys)
    return {"lines": [user.fact(key).statement for key in keys], "positions": [told[key] for key in keys], "told": False}


def asked_of(users: list[User], sizes: dict[str, int]) -> list[tuple[User, Question, str]]:
    """(user, question, condition) of everything that a candidate is asked."""
    asked = []
    for user in users:
        for question in sample_questions(user, sizes, 0):
            if question.kind == "unknown":
                conditions = ("without",) if question.form == "question" else ()
            else:
                conditions = ("gold", "among")
            asked += [(user, question, condition) for condition in conditions]
    return asked


def try_candidate(reader: Reader, graft: Graft, base: Base, asked: list[tuple[User, Question, str]], limits: dict) -> dict:
    """Answers of one candidate: [{uid, qid, condition, prediction, prompt_tokens}]."""
    prompts = [
        prompt_of(
            shown(user, question, condition),
            question,
            reader,
            context_text(question.context_id),
            base.tokenizer,
            limits["window"],
        )
        for user, question, condition in asked
    ]
    said, ends = {}, newline_tokens(base.tokenizer)
    for unit in units(prompts, limits["batch"]):
        found = answer_unit(unit, graft, base.tokenizer.pad_token_id, ends, limits["max_tokens"])
        said |= {prompt.text: one.tokens for prompt, one in zip(unit, found, strict=True)}
    return {
        "answers": [
            {
                "uid": user.uid,
                "qid": question.qid,
                "condition": condition,
                "prompt_tokens": len(prompt.ids),
                "prediction": base.tokenizer.decode(said[prompt.text], skip_special_tokens=True).partition("\n")[0].strip(),
            }
            for (user, question, condition), prompt in zip(asked, prompts, strict=True)
        ]
    }


def scored(answers: list[dict], questions: dict[str, Question]) -> dict[str, list]:
    """(user, item, score) by measure: exact by kind and condition, how often a known answer is refused, prompt tokens."""
    scores: dict[str, list] = defaultdict(list)
    for answer in answers:
        question, item = questions[answer["qid"]], (answer["uid"], f"{answer['qid']}:{answer['condition']}")
        about = f"{question.kind}.{answer['condition']}"
        if question.kind == "unknown":
            scores[f"{about}.exact"].append((*item, says_not_known(answer["prediction"])))
            continue
        scores[f"{about}.exact"].append((*item, exact(answer["prediction"], question.accepted, question.form)))
        if question.form == "question":
            scores[f"refused.{answer['condition']}"].append((*item, says_not_known(answer["prediction"])))
            scores["prompt_tokens"].append((*item, float(answer["prompt_tokens"])))
    return dict(scores)


def mean_by_user(scores: dict[str, list], chosen_by: list[str]) -> dict[str, float]:
    """For each user the mean over the measures that the choice goes by."""
    means = [by_user(scores[f"{measure}.exact"]) for measure in chosen_by]
    return {user: sum(mean[user] for mean in means) / len(means) for user in means[0]}


def chosen(means: dict[str, dict[str, float]], tokens: dict[str, float]) -> str:
    """The shortest prompt among those within one standard error (over users) of the best mean (Breiman et al., 1984); of
    equally short ones the better.

    means: {candidate: {user: mean}}. tokens: {candidate: prompt tokens}.
    """
    overall = {name: statistics.mean(of.values()) for name, of in means.items()}
    best = max(overall, key=overall.get)
    error = statistics.stdev(means[best].values()) / len(means[best]) ** 0.5 if len(means[best]) > 1 else 0.0
    near = [name for name in overall if overall[name] >= overall[best] - error]
    return min(near, key=lambda name: (tokens[name], -overall[name]))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "sweep": args.sweep})
    settings, sweep = load_config(args.config), yaml.safe_load(read_text(args.sweep, "give a YAML file of candidates"))
    readers = {name: Reader.load(changes={**sweep["base"], **changes}) for name, changes in sweep["candidates"].items()}
    use_threads(settings["threads"])
    users = [user for user in load_users(args.users) if user.split == "dev"][: sweep["users"]]
    if not users:
        raise UserError(args.users, "holds no development user", "make some with make_people.py --dev")
    asked = asked_of(users, sweep["questions"])
    questions = {question.qid: question for _, question, _ in asked}
    base = load_base(settings["base"]["name"], args.model)
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    identity = {"users": sha256_file(args.users), "model": base.model_sha256, "questions": sweep["questions"]}
    frozen, items, means, tokens = Reader.load().sha256, [], {}, {}
    for name, reader in tqdm(readers.items(), desc="reader", unit="prompt"):
        shards = Shards(Path(__file__), {**identity, "reader": reader.sha256}, args.out.parent / "work")
        part = shards.get("answers") or shards.put("answers", try_candidate(reader, graft, base, asked, settings["matrix"]))
        about = {"candidate": name, "changes": sweep["candidates"][name], "sha256": reader.sha256}
        scores = scored(part["answers"], questions)
        found = {measure: estimate(of, measure != "prompt_tokens").entry(args.out.name) for measure, of in scores.items()}
        means[name], tokens[name] = mean_by_user(scores, sweep["chosen_by"]), found["prompt_tokens"]["value"]
        found["mean"] = estimate([(user, "mean", mean) for user, mean in means[name].items()]).entry(args.out.name)
        items.append({**about, "frozen": reader.sha256 == frozen, "measures": rounded(found), "answers": part["answers"]})
    choice = chosen(means, tokens)
    frozen_names = [item["candidate"] for item in items if item["frozen"]]
    metrics = {"candidates": len(items), "users": len(users), "chosen": choice, "frozen": frozen_names}
    write_json(args.out, result("sweep_reader", sweep, None, metrics, items, provenance.record()))
    state = "is frozen" if choice in frozen_names else "is to be frozen in data/reader/prompt.json"
    print(f"{args.out}: {len(items)} prompts on {len(users)} development users; the choice, '{choice}', {state}")


if __name__ == "__main__":
    run_step(main)
