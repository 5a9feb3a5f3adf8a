"""Look inside a write into a trained table: gates, values, the layers above, and where written rows are felt.

The models are those of pretrain.py, the facts and the rate those of write_pretrained.py: so many facts are written at once, and
each is looked at where it is said, with its trigger in another sentence, and in text that is about something else.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.glass_box import entries
from loci.bench.table_inside import measures, placed_in
from loci.bench.table_writing import lessons_of, sayable, table_at, write
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.architectures import build
from loci.models.base import use_threads
from loci.models.bpe import BOS, canonical_of, load_bpe
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.ngram_table import TableSpec
from loci.models.packed import pack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.prose_files import texts_of
from loci.worlds.records import load_facts

_ELSEWHERE = 64  # tokens of a text that is about something else


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="Engram results of pretrain.py (JSON)"
    )
    parser.add_argument("--facts", type=Path, required=True, default=argparse.SUPPRESS, help="facts of make_corpus.py (JSON)")
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.long.parquet", help="text they learnt from (parquet)")
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"facts": args.facts, "corpus": args.corpus, "held_out": args.held_out, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs | {f"trained.{at}": path for at, path in enumerate(args.trained)})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about, how, texts = settings["pretrain"], settings["pretrained"]["written"], settings["inside"]["texts"]
    tokenizer, rate = load_bpe(args.tokenizer), how["chosen"]["inside"]
    canonical, pad, spec = canonical_of(tokenizer), tokenizer.token_to_id(BOS), TableSpec.of(about["engram"])
    size = min(how["facts"])
    known = sayable(load_facts(args.facts), tokenizer, pack(texts_of(args.corpus), tokenizer))
    facts = known[how["chosen_on"] :][:size]
    lessons = lessons_of(facts, tokenizer)
    middles = [placed_in(fact, number, tokenizer) for number, fact in enumerate(facts)]
    held = pack(texts_of(args.held_out, "none"), tokenizer)
    elsewhere = [held[at * _ELSEWHERE : (at + 1) * _ELSEWHERE].tolist() for at in range(texts)]
    relevant = {"pretrain": about, "written": how, "texts": texts}
    trained = {str(at): read_result(path)["metrics"]["weights_sha256"] for at, path in enumerate(args.trained)}
    files = {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, **files, "trained": trained}, args.out.parent / "work")
    items = []
    for path in tqdm(args.trained, desc="inspect", unit="model"):
        record = read_result(path)
        config, seed = record["config"], record["seed"]
        if config["model"] != "engram":
            raise UserError(path, "is no Engram model", "give results of pretrain.py --model engram")
        part = shards.get(f"s{seed}")
        if part is None:
            weights = weights_of(path, record, len(canonical), "pretrain.py")

            def fresh(config=config, weights=weights, seed=seed) -> GPT:
                made = build("engram", Shape(**config["shape"]), about["engram"], canonical, pad, seed)
                made.load_state_dict(weights)
                return made.eval()

            plain, changed, layer = fresh(), fresh(), spec.layers[0]
            table = table_at("inside", changed, spec, canonical, pad, seed)
            report = write(changed, table, lessons, rate, how["margin"], how["steps"], seed, empty=False)
            found = []
            for fact, lesson, middle in zip(facts, lessons, middles, strict=True):
                one = measures(plain, changed, layer, list(lesson.ids), lesson.first, middle, elsewhere)
                found.append({"fact": fact.key, "seed": seed, "measures": rounded(one | {"met": report.met}, 5)})
            part = shards.put(f"s{seed}", {"facts": found})
        items += part["facts"]
    metrics = rounded(entries(items, "inside.pretrained", args.out.name))
    write_json(args.out, result("inspect_pretrained", relevant, None, metrics, items, provenance.record()))
    print(f"{args.out}: {size} facts in {len(args.trained)} trained tables looked into")


if __name__ == "__main__":
    run_step(main)
