"""`clipvip <command>`."""

import argparse
import contextlib
import errno
import os
import sys

from clipvip.runtime import stopping, warm


def parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    from clipvip.commands import (
        cells,
        data,
        decide,
        model,
        own,
        plan,
        results,
        run,
    )  # one that is handed over needs none

    top = argparse.ArgumentParser(prog="clipvip", description="CLIP-ViP as a laboratory.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in (run, plan, cells, results, decide, data, model, own):
        group.add(commands)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; what a user can mend is one line, exit code 1; asked to stop: `stopping.EXIT_CODE`."""
    if words is None and (code := warm.ask(sys.argv[1:])) is not None:
        return code
    from clipvip.runtime.legible import guarded

    arguments = parser().parse_args(words)
    try:
        with stopping.heeded(), guarded():
            return arguments.do(arguments) or 0
    except ValueError as error:
        return _said(str(error), 1)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may Python's own last flush fail
        return 0
    except OSError as error:
        return _said(_of_system(error), 1)
    except stopping.Stopped as stop:
        return _said(str(stop), stopping.EXIT_CODE)
    except KeyboardInterrupt:
        return _said("interrupted; the same command goes on where it stood", 130)


def _of_system(error: OSError) -> str:
    """What the system said, of which file, and what to do about it."""
    said = f"{error.filename or 'a file'}: {error.strerror or error}"
    fixes = {
        errno.ENOSPC: "make room on its disk, then give the same command again",
        errno.EDQUOT: "the quota is used up; make room, then give the same command again",
        errno.EROFS: "its disk is mounted read-only; results go where `results` of the experiment says",
        errno.EACCES: "no permission; results go where `results` of the experiment says",
    }
    return f"{said}; {fixes[error.errno]}" if error.errno in fixes else said


def _said(line: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):  # whoever listened was stopped as well
        print(f"clipvip: {line}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
