"""The door to transformers and its tokenizers: nothing of them is imported before a model is built or opened."""

import importlib
from typing import Any

from core.config import InputError

INSTALL = "pip install transformers"


def transformers() -> Any:
    """The library; InputError with the line that installs it where it is not there."""
    return _found("transformers")


def tokenizers() -> Any:
    """The library that transformers' fast tokenizers are made of."""
    return _found("tokenizers")


def _found(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"large vision-language models need the library {name}, which is not installed: {INSTALL}"
        ) from None


def recording() -> Any:
    """What installs transformers' own recording of hidden states on a model; None in versions without it."""
    try:
        return importlib.import_module("transformers.utils.output_capturing").maybe_install_capturing_hooks
    except (ImportError, AttributeError):
        return None
