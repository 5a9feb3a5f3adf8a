"""Choose the reader's prompt: candidates tried on development users only.

Three conditions for every candidate: `gold`, exactly the needed facts; `retrieved`, what the memory `retrieve_by` recalls of
clean sentences; `heard`, what it recalls of the conversation. A reader has to cope with near misses; random facts are none.
"""

import argparse
import json
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
from loci.bench.recalls import recall_all
from loci.bench.score import exact, says_not_known
from loci.bench.statistics import by_user, estimate
from loci.bench.told import tell_conversation, tell_facts, told_keys, turns_of
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.registry import text_memory
from loci.memories.text import GoldMemory
from loci.models.base import Base, load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.paths import CONFIG, GENERATED
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_file, sha256_text, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.dialogue_records import Conversation, load_conversations
from loci.worlds.people import sample_questions
from loci.worlds.records import Question, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG / "sweep_reader.yaml", help="candidates (YAML)")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--conversations", type=Path, default=GENERATED / "dialogues.json", help="their dialogues (JSON)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def recalled(
    users: list[User], talks: dict[str, Conversation], encoder: Encoder, sweep: dict, form: str, lines: int
) -> list[dict]:
    """Everything that a candidate of one form is asked: records of recall_all with their condition."""
    found = []
    for user in users:
        questions = [one for one in sample_questions(user, sweep["questions"], 0) if one.form == form]
        known = [one for one in questions if one.kind != "unknown"]
        if form == "statement":
            questions = known  # what would complete a sentence about something unknown is not settled
        memory, keys, talk = text_memory(sweep["retrieve_by"], encoder, lines), told_keys(user), talks[user.uid]
        heard, turn_keys = tell_conversation(memory, talk), [turn.key for turn in turns_of(talk)]
        conditions = {
            "gold": recall_all(GoldMemory(), tell_facts(GoldMemory(), user), known, keys),
            "retrieved": recall_all(memory, tell_facts(memory, user), questions, keys),
            "heard": recall_all(memory, heard, questions, turn_keys, talk),
        }
        found += [{**record, "condition": name} for name, (records, _) in conditions.items() for record in records]
    return found


def choices_of(base: dict, changes: dict) -> dict:
    """All choices of a candidate; those of neither are the frozen ones."""
    return {**Reader.load().parts, **base, **changes}


def read_by(form: str, choices: dict) -> dict:
    """The choices that shape a prompt of this form."""
    if form == "statement":
        return {name: choices[name] for name in ("statement_heading", "order", "lines")}
    return {name: value for name, value in choices.items() if name != "statement_heading"}


def try_candidate(
    reader: Reader, graft: Graft, base: Base, asked: list[dict], questions: dict[str, Question], limits: dict
) -> dict:
    """Answers of one candidate: [{uid, qid, condition, prediction, prompt_tokens}]."""
    prompts = []
    for record in asked:
        question = questions[record["qid"]]
        context = context_text(question.context_id)
        prompts.append(prompt_of(record, question, reader, context, base.tokenizer, limits["window"]))
    said, ends = {}, newline_tokens(base.tokenizer)
    for unit in units(prompts, limits["batch"]):
        found = answer_unit(unit, graft, base.tokenizer.pad_token_id, ends, limits["max_tokens"])
        said |= {prompt.text: one.tokens for prompt, one in zip(unit, found, strict=True)}
    return {
        "answers": [
            {
                **{name: record[name] for name in ("uid", "qid", "condition")},
                "prompt_tokens": len(prompt.ids),
                "prediction": base.tokenizer.decode(said[prompt.text], skip_special_tokens=True).partition("\n")[0].strip(),
            }
            for record, prompt in zip(asked, prompts, strict=True)
        ]
    }


def scored(answers: list[dict], questions: dict[str, Question]) -> dict[str, list]:
    """(user, item, score) by measure: exact by kind and condition, how often a known answer is refused, prompt tokens."""
    scores: dict[str, list] = defaultdict(list)
    for answer in answers:
        question, item = questions[answer["qid"]], (answer["uid"], f"{answer['qid']}:{answer['condition']}")
        about = f"{question.kind}.{answer['condition']}"
        scores["prompt_tokens"].append((*item, float(answer["prompt_tokens"])))
        if question.kind == "unknown":
            scores[f"{about}.exact"].append((*item, says_not_known(answer["prediction"])))
            continue
        scores[f"{about}.exact"].append((*item, exact(answer["prediction"], question.accepted, question.form)))
        if question.form == "question":
            scores[f"refused.{answer['condition']}"].append((*item, says_not_known(answer["prediction"])))
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
    inputs = {"users": args.users, "conversations": args.conversations, "sweep": args.sweep}
    provenance = Provenance(Path(__file__), inputs)
    settings, sweep = load_config(args.config), yaml.safe_load(read_text(args.sweep, "give a YAML file of candidates"))
    use_threads(settings["threads"])
    users = [user for user in load_users(args.users) if user.split == "dev"][: sweep["users"]]
    if not users:
        raise UserError(args.users, "holds no development user", "make some with make_people.py --dev")
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    talks = {talk.uid: talk for talk in load_conversations(args.conversations)}
    questions = {question.qid: question for user in users for question in user.questions}
    base = load_base(settings["base"]["name"], args.model)
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    identity = {"users": sha256_file(args.users), "model": base.model_sha256}
    frozen = choices_of({}, {"lines": settings["matrix"]["lines"]})
    items, said, choices, base_of_form = [], [], {}, sweep["base"]
    for form, study in sweep["studies"].items():
        means, tokens = {}, {}
        for name, changes in tqdm(study["candidates"].items(), desc=f"reader, {form}", unit="prompt"):
            parts = choices_of(base_of_form, changes)
            asked = recalled(users, talks, encoder, sweep, form, parts["lines"])
            reader = Reader.load(changes={key: value for key, value in parts.items() if key != "lines"})
            shown = sha256_text(json.dumps(asked))
            shards = Shards(Path(__file__), {**identity, "reader": reader.sha256, "recalled": shown}, args.out.parent / "work")
            answers = shards.get("answers") or shards.put(
                "answers", try_candidate(reader, graft, base, asked, questions, settings["matrix"])
            )
            scores = scored(answers["answers"], questions)
            found = {measure: estimate(of, measure != "prompt_tokens").entry(args.out.name) for measure, of in scores.items()}
            means[name], tokens[name] = mean_by_user(scores, study["chosen_by"]), found["prompt_tokens"]["value"]
            found["mean"] = estimate([(user, "mean", mean) for user, mean in means[name].items()]).entry(args.out.name)
            about = {"form": form, "candidate": name}
            said += [about | answer for answer in answers["answers"]]
            about |= {"changes": changes, "choices": parts, "frozen": read_by(form, parts) == read_by(form, frozen)}
            items.append(about | {"measures": rounded(found)})
        choices[form] = chosen(means, tokens)
        base_of_form = choices_of(base_of_form, study["candidates"][choices[form]])
    kept = {form: [item["candidate"] for item in items if item["frozen"] and item["form"] == form] for form in choices}
    write_jsonl(args.answers, said)
    metrics = {"candidates": len(items), "users": len(users), "chosen": choices, "frozen": kept}
    metrics["answers_sha256"] = sha256_file(args.answers)
    write_json(args.out, result("sweep_reader", sweep, None, metrics, items, provenance.record()))
    named = ", ".join(f"{form} '{name}' ({'is' if name in kept[form] else 'is to be'} frozen)" for form, name in choices.items())
    print(f"{args.out}: {len(items)} prompts on {len(users)} development users; chosen: {named}")


if __name__ == "__main__":
    run_step(main)
