"""The command line beside the browser: the same functions, without a page. One file a group of verbs."""

from core.cli.app import main

__all__ = ["main"]
