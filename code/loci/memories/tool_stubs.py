"""What stands in the place of a tool's output that is dropped from a prompt: nothing but a mark, or what was lost with it.

An annotated stub names the tool, how many lines there were, whether anything looked like an error, and files that were named
(Lore, pull request 35); a bare one says that something stood there.
"""

import re

BARE = "[output omitted]"
_ERRORS = re.compile(r"\b(error|errors|fail|fails|failed|failure|exception|panic|traceback)\b", re.IGNORECASE)
_PATH = re.compile(
    r"(?<![\w/.-])(?:[\w.-]+/)+[\w.-]*\.\w{1,5}\b|(?<![\w/.-])[\w-]+\.(?:py|ts|js|rs|c|h|md|json|yaml|toml|sql|txt)\b"
)
_PATHS = 5  # named at most


def annotated(tool: str, output: str) -> str:
    """One line about an output: "[read: 142 lines, contained errors, paths: src/db.ts, src/app.ts; recall it for more]"."""
    lines = output.rstrip("\n").count("\n") + 1 if output.strip() else 0
    parts = [f"{lines} line{'' if lines == 1 else 's'}"]
    parts += ["contained errors"] if _ERRORS.search(output) else []
    paths = list(dict.fromkeys(_PATH.findall(output)))
    parts += [f"paths: {', '.join(paths[:_PATHS])}"] if paths else []
    return f"[{tool}: {', '.join(parts)}; recall it for more]"
