"""The command line's frame: finds the verbs, and turns every mistake of a person into one line and exit code 2."""

import getpass
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from core import access
from core.cli.light import without_pydantic
from core.config import InputError
from core.heavy import wants_memory

BAD_INPUT, INTERRUPTED = 2, 130
LONGEST = 4000
"""Characters of a message at most; its beginning and its end are said."""

_FRAME: dict[str, Any] = {
    "name": "core",
    "help": "Audit social bias in CLIP-style models: build galleries, train SAEs, find neurons, edit, rank.",
    "add_completion": False,
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
app = typer.Typer(**_FRAME)


def _frame() -> None:
    """Makes a group of verbs of a parser with one verb, which would be that verb by itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 1 a check said no, 2 bad input (one line on standard error)."""
    access.ask_who(at_the_shell)
    try:
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        given = list(sys.argv[1:] if arguments is None else arguments)
        if access.configured() and given[:1] != ["serve"]:  # which says by itself what is wrong in the file
            from core.team.configuration import take_up

            take_up()
        code = parser_of(given[0] if given else "").main(args=given, prog_name="core", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted; the same command takes up what is resumable", INTERRUPTED)
    except InputError as error:
        return _say(str(error), BAD_INPUT)
    except BrokenPipeError:
        # the reader of the output has gone: nothing is left to say, and Python must not try again when it ends
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD_INPUT
    except OSError as error:
        if error.filename is None:
            return _say(f"{error}; check disk and paths", BAD_INPUT)
        return _say(f"{error.filename}: {error.strerror}; check the path", BAD_INPUT)
    except Exception as error:
        if wants_memory(error):
            return _say("this needs more memory than the machine has; choose something smaller", BAD_INPUT)
        # Usage errors of the parser carry a message made for people; everything else is a defect and must be seen.
        if not hasattr(error, "format_message"):
            raise
        return _say(f"{error.format_message()} (see --help)", BAD_INPUT)


def at_the_shell() -> access.Person | None:
    """Who acts on a team server's own command line: an operator, as a shell there reads and changes everything anyway.

    The name is the system's, and can be nobody's address.
    """
    if not access.configured():
        return None
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    return access.Person(f"{name} at the command line", name, frozenset(access.ROLES))


def parser_of(verb: str) -> Any:
    """The parser of one verb or group of verbs; of all where the word names none (help, and what is wrong).

    A verb's files are called after it: `rank_verb.py`, or `gallery_verbs.py` and `gallery_index_verb.py`. They are read
    alone where they hold the verb, else all are.
    """
    files = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    own = [name for name in files if verb and name.startswith(f"{verb.replace('-', '_')}_")]
    for names in (own, files):
        for name in names:
            importlib.import_module(f"core.cli.{name}")
        wanted = typer.Typer(**_FRAME)
        wanted.callback()(_frame)
        wanted.registered_commands = [one for one in app.registered_commands if one.name == verb]
        wanted.registered_groups = [one for one in app.registered_groups if one.name == verb]
        if wanted.registered_commands or wanted.registered_groups:
            return without_pydantic(typer.main.get_command(wanted))
    return without_pydantic(typer.main.get_command(app))


def _say(message: str, code: int) -> int:
    line = " ".join(message.split())
    if len(line) > LONGEST:  # a name of a megabyte is no line
        line = f"{line[: LONGEST // 2]} [...] {line[-LONGEST // 2 :]}"
    print(line, file=sys.stderr)
    return code
