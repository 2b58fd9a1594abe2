"""`clipvip <command>`."""

import contextlib
import errno
import os
import sys

from clipvip.runtime import stopping, warm

INTERRUPTED = 130  # exit code, as a shell gives it
STARTS_OTHERS = "launch"  # is not handed over: what it starts is


def main(words: list[str] | None = None) -> int:
    """Run a command. What a user can mend is a line, exit code 2; asked to stop: `stopping.EXIT_CODE`."""
    try:
        if words is None and sys.argv[1:2] != [STARTS_OTHERS] and (code := warm.ask(sys.argv[1:])) is not None:
            return code
        return _run(words)
    except KeyboardInterrupt:
        return _said("interrupted; the same command goes on where it stood", INTERRUPTED)


def _run(words: list[str] | None) -> int:
    from clipvip.commands.parsing import WRONG_INPUT  # a command that is handed over needs none of this
    from clipvip.commands.tree import parser
    from clipvip.runtime.legible import guarded

    arguments = parser().parse_args(words)
    try:
        with stopping.heeded(), guarded():
            arguments.parser.check(arguments)
            return arguments.do(arguments) or 0
    except ValueError as error:
        if _interrupted(error):
            raise KeyboardInterrupt from error
        return _said(str(error), WRONG_INPUT, _whose(error))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may Python's own last flush fail
        return 0
    except OSError as error:
        if _interrupted(error):
            raise KeyboardInterrupt from error
        return _said(_of_system(error), WRONG_INPUT, _whose(error))
    except stopping.Stopped as stop:
        stopping.noted()
        return _said(str(stop), stopping.EXIT_CODE)


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


def _interrupted(error: BaseException | None) -> bool:
    """Whether it came of an interruption, as what a library makes of one while it loads."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _whose(error: Exception) -> str:
    """Which of several jobs it befell (pipeline/progress.py)."""
    return "".join(getattr(error, "__notes__", ()))


def _said(line: str, code: int, whose: str = "") -> int:
    from clipvip.runtime.legible import visible

    with contextlib.suppress(BrokenPipeError):  # whoever listened was stopped as well
        print(f"{whose}clipvip: {visible(line)}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
