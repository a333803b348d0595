"""The command line's frame: finds the verbs, and turns every mistake of a person into one line and exit code 2."""

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import typer

from core.config import InputError

BAD_INPUT, INTERRUPTED = 2, 130

app = typer.Typer(
    name="core",
    help="Audit social bias in CLIP-style models: build galleries, train SAEs, find neurons, edit, rank.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 1 a check said no, 2 bad input (one line on standard error)."""
    try:
        for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
            importlib.import_module(f"core.cli.{module.name}")
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        code = app(args=None if arguments is None else list(arguments), prog_name="core", standalone_mode=False)
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
        # Usage errors of the parser carry a message made for people; everything else is a defect and must be seen.
        if not hasattr(error, "format_message"):
            raise
        return _say(f"{error.format_message()} (see --help)", BAD_INPUT)


def _say(message: str, code: int) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return code
