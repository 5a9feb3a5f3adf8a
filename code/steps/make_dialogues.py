"""Make the conversations: every user's facts and changes, told over months in dated dialogue with a friend or an assistant."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.checks import located
from loci.worlds.dialogue import build_conversations
from loci.worlds.dialogue_records import Conversation, save_conversations
from loci.worlds.plans import WORLDS, load_world
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users, made by make_people.py (path)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the wordings and dates (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "dialogues.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def private_keys(users: Sequence[User]) -> list[str]:
    """The canaries among the users' keys: their values may occur in nobody else's conversation."""
    had = {fact.key for user in users for fact in user.facts}
    return [plan.key for world in WORLDS for plan in load_world(world).canaries if plan.key in had]


def summary(conversations: list[Conversation], out: Path) -> str:
    """One line for the person at the keyboard."""
    roles = Counter(turn.role for conversation in conversations for turn in conversation.turns)
    sessions = sum(len(conversation.sessions) for conversation in conversations)
    return (
        f"{out}: {len(conversations)} conversations with {sessions} sessions and {roles.total()} turns; {roles['fact']} tell "
        f"facts, {roles['update'] + roles['delete']} change them, {roles['distractor']} are about other people"
    )


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    users = load_users(args.users)
    conversations = located(str(args.users), build_conversations, users, args.seed, private_keys(users))
    save_conversations(args.out, conversations)
    print(summary(conversations, args.out))


if __name__ == "__main__":
    run_step(main)
