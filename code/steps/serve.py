"""Serve the facts of many users over HTTP until stopped (SIGINT or SIGTERM ends gracefully).

The folder holds everything that is kept: store.sqlite and operator.token, made at the first start. README.md has examples.
"""

import argparse
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.serve.app import make_app
from loci.serve.service import Service


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--folder", type=Path, default=Path("served"), help="where tenants, users, facts and rows are kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    service = Service(load_base(settings["base"]["name"], args.model), settings, args.folder, args.model)
    print(f"{args.folder}: serving {settings['base']['name']} on port {args.port}; the operator's token is in operator.token")
    for one in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends gracefully, then raises what it caught once more
        signal.signal(one, lambda *_: None)
    uvicorn.run(make_app(service), host=args.host, port=args.port, log_level="warning", timeout_graceful_shutdown=30)


if __name__ == "__main__":
    run_step(main)
