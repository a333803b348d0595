"""One process that has read the model, imported what verbs need and built their parsers; others are forked from it."""

import functools
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import torch

from core.backbones import base
from core.cli import app

ANSWERS = (
    *("torchvision", "transformers.models.llava.modeling_llava", "transformers.models.clip.modeling_clip"),
    "pandas",
)
"""What takes longest to import on the way to a model that answers."""
Found = dict[str, Any]
"""What came of one input."""


@contextmanager
def warm() -> Iterator[None]:
    """Inside, the shipped model is the one that is loaded already, and the parser of a verb is built once.

    Every other model is loaded as ever.
    """
    torch.set_num_threads(1)  # threads of a parent do not live on in its children
    model = base.load_model("default", None, "cpu")
    model.encode_texts(["a nurse"])
    plain = base.load_model

    def loads(name: str = "default", *rest: Any, **more: Any) -> Any:
        return model if name == "default" else plain(name, *rest, **more)

    kept = functools.cache(app.parser_of)
    with mock.patch.object(base, "load_model", loads), mock.patch.object(app, "parser_of", kept):
        yield


def alone(work: Callable[[], Found]) -> Found:
    """What a work gives in a child of this process, as JSON has it; a fault of its own as "fault"."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            try:
                found = work()
            except BaseException:
                found = {"code": 70, "used": 0, "mounted": False, "fault": traceback.format_exc()[-600:]}
            with os.fdopen(write, "w") as answer:
                json.dump(found, answer)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        found = json.load(answer)
    os.waitpid(child, 0)
    return found


def import_what(work: Callable[[], object], surely: Iterable[str] = ()) -> None:
    """Import here what some work imports, which is done in a child: nothing else of it stays, its threads neither.

    Parameters
    ----------
    surely : modules that it imports, of those that take long; known before, they are not imported in the child as well.
    """
    for name in surely:
        importlib.import_module(name)

    def names() -> Found:
        with suppress(BaseException):
            work()
        return {"names": list(sys.modules)}

    for name in alone(names)["names"]:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)


def forked(
    parts: Iterable[range],
    work: Callable[[range], Iterator[Found]],
    lost: Callable[[int, int], Found],
    at_once: int = 0,
) -> Iterator[list[Found]]:
    """What children of this process find, each of one part of the numbers; Ctrl-C ends it with what was found so far.

    Parameters
    ----------
    work : what a child finds of its numbers, one by one, as JSON has it.
    lost : what is known of the number at which a child ended, with its exit code; another child goes on behind it.
    at_once : children at once at most; 0: as many as there are cores.
    """
    waiting = deque(parts)
    running: dict[int, tuple[range, Path]] = {}
    for asks in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asks, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < (at_once or os.cpu_count() or 1):
                part = waiting.popleft()
                said = Path(folder) / f"{part.start}"
                sys.stdout.flush()
                child = os.fork()
                if not child:
                    _written(said, work(part))
                running[child] = part, said
            try:
                child, status = os.wait()
            except KeyboardInterrupt:
                for child in running:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                return
            part, said = running.pop(child)
            found = [json.loads(line) for line in said.read_text().splitlines()]
            if len(found) < len(part):
                ended = part[len(found)]
                found.append(lost(ended, os.waitstatus_to_exitcode(status)))
                if ended + 1 < part.stop:
                    waiting.append(range(ended + 1, part.stop))
            yield found


def _written(said: Path, results: Iterator[Found]) -> NoReturn:
    """What a child does: every result is there before the next is begun."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with open(said, "w") as file:
            for result in results:
                file.write(json.dumps(result) + "\n")
                file.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def parts(numbers: range, each: int) -> list[range]:
    """Numbers in parts of so many."""
    return [numbers[at : at + each] for at in range(0, len(numbers), each)]


def count_memory_anew() -> None:
    """Forget how much memory this process held at most."""
    Path("/proc/self/clear_refs").write_text("5")


def most_memory() -> int:
    """Bytes that this process held at most since that was last counted anew, or a child of it ever."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * max(int(line.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
