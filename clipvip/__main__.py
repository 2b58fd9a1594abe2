"""`clipvip <command>`."""

import argparse
import contextlib
import errno
import os
import sys
from typing import Any

from clipvip.runtime import stopping, warm

LIGHT = "launch"  # starts other commands: it is not handed over, and needs no other command's flags


def parser(*, light: bool = False) -> argparse.ArgumentParser:
    """All commands with their flags; `light`: only the one that starts others."""
    from clipvip.commands import launch  # a command that is handed over needs none of these

    groups: list[Any] = [launch]
    if not light:
        from clipvip.commands import cells, data, decide, model, own, results, run

        groups = [run, launch, cells, results, decide, data, model, own]
    top = argparse.ArgumentParser(prog="clipvip", description="CLIP-ViP as a laboratory.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in groups:
        group.add(commands)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; what a user can mend is one line, exit code 1; asked to stop: `stopping.EXIT_CODE`."""
    light = words is None and sys.argv[1:2] == [LIGHT]
    if words is None and not light and (code := warm.ask(sys.argv[1:])) is not None:
        return code
    from clipvip.runtime.legible import guarded

    arguments = parser(light=light).parse_args(words)
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
        stopping.noted()
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
