"""The parser of all commands: errors in one line with the nearest right word, examples in every help."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from clipvip.commands.kinds import DEVICE
from clipvip.runtime.legible import visible

WRONG_INPUT = 2  # exit code of a command that was given something wrong
Do = Callable[[argparse.Namespace], "int | None"]


class _Help(argparse.HelpFormatter):
    """Texts are wrapped, examples are left as they stand."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        head, found, rest = text.partition("examples:\n")
        wrapped = "\n\n".join(super(_Help, self)._fill_text(part, width, indent) for part in head.split("\n\n") if part)
        return f"{wrapped}{found}{rest}"


class Parser(argparse.ArgumentParser):
    """A parser whose further flags (`later`) are added when it is used: some take their time to import."""

    def __init__(self, *words: Any, later: Callable[[argparse.ArgumentParser], None] | None = None, **how: Any) -> None:
        super().__init__(*words, **{"formatter_class": _Help, **how})
        self._later = later

    def whole(self) -> "Parser":
        """With all its flags."""
        if self._later is not None:
            later, self._later = self._later, None
            later(self)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, with all flags."""
        return super(Parser, self.whole()).parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever; of an unknown flag the nearest right one is named."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            own: Parser = getattr(found, "parser", self)
            flags = own._option_string_actions
            near = difflib.get_close_matches(rest[0].split("=")[0], flags, n=1)
            own.error(f"{rest[0]!r} is not understood" + (f"; did you mean {near[0]}?" if near else ""))
        return found

    def format_help(self) -> str:
        """As ever, with all flags."""
        return super(Parser, self.whole()).format_help()

    def check(self, arguments: argparse.Namespace) -> None:
        """ValueError where a file, folder, model, store or device among the arguments is not there."""
        for action in self._actions:
            given = getattr(arguments, action.dest, None)
            checks = getattr(action.type, "check", None)
            if checks is not None and given is not None:
                for each in given if isinstance(given, list) else [given]:
                    checks(each)

    def error(self, message: str) -> NoReturn:
        """One line, exit code 2."""
        line = visible(f"{self.prog}: {message}; `{self.prog} --help` shows examples").replace("\n", "\\n")
        print(line, file=sys.stderr, flush=True)
        raise SystemExit(WRONG_INPUT)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(each) for each in action.choices]
            near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
            said = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise argparse.ArgumentError(action, f"no {value!r} here; {said}")


def command(
    commands: Any,
    name: str,
    do: Do,
    about: str,
    examples: Sequence[str],
    *,
    more: str = "",
    later: Callable[[argparse.ArgumentParser], None] | None = None,
) -> Parser:
    """A command: what it does, one line; examples of it; `more` stands before them in its help."""
    shown = "\n".join(["examples:", *(f"  {each}" for each in examples)])
    one: Parser = commands.add_parser(name, help=about, description=more or about, epilog=shown, later=later)
    one.set_defaults(do=do, parser=one)
    return one


def add_run_flags(one: argparse.ArgumentParser) -> None:
    """The options of a run."""
    from clipvip.runtime.options import add_flags  # pydantic takes its time to load

    add_flags(one, {"device": DEVICE})
