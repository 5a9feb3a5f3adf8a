"""One kind of error for everything that the person at the keyboard can put right.

A step never shows a traceback for bad input. It raises `UserError` with the file, the field and the remedy in one
line; `run_step` prints that line and exits with status 2. Any other exception is a fault of ours and keeps its
traceback.
"""

import errno
import sys
from collections.abc import Callable, Sequence

from loci.process import die_with_workflow

_STORAGE_FAULTS = {
    errno.EACCES: "permission denied; choose a folder that you may write to",
    errno.EPERM: "operation not permitted; choose a folder that you may write to",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "is a file where a folder is needed; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOSPC: "no space left on the device; free some and run the same command again",
    errno.EDQUOT: "disk quota exceeded; free some and run the same command again",
}


class UserError(Exception):
    """Bad input: `where` (file and field), `what` is wrong, and the `remedy`, shown as one line."""

    def __init__(self, where: str, what: str, remedy: str):
        self.where, self.what, self.remedy = str(where), what, remedy
        super().__init__(" ".join(f"{where}: {what}; {remedy}".split()))


def run_step(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a step's `main(argv)` as a program: exit 2 with one line on bad input, and never outlive Snakemake."""
    die_with_workflow()
    try:
        main(None)
    except UserError as fault:
        sys.exit(_refuse(str(fault)))
    except OSError as fault:
        if fault.errno not in _STORAGE_FAULTS:
            raise
        sys.exit(_refuse(f"{fault.filename}: {_STORAGE_FAULTS[fault.errno]}"))


def _refuse(line: str) -> int:
    print(f"error: {line}", file=sys.stderr)
    return 2
