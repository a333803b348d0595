"""One process that has read the model, imported what verbs need and built their parsers; others are forked from it."""

import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import torch

from core.backbones import base
from core.cli import app


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


def import_what(work: Callable[[], object]) -> None:
    """Import here what some work imports, which is done in a child: nothing else of it stays, its threads neither."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            with suppress(BaseException):
                work()
            with os.fdopen(write, "w") as answer:
                json.dump(list(sys.modules), answer)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        names = json.load(answer)
    os.waitpid(child, 0)
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
