"""Families of interchangeable variants: a name leads to a class, a new variant is one new file."""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from core.config import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one family and what they stand for.

    A family is a package. Its variants live one per file and register themselves with `@registry.register("name")`;
    `load` imports every file of the package, so that adding a file is all it takes to add a variant.

    Parameters
    ----------
    kind : what one variant is called in messages, for example "SAE architecture".
    package : dotted name of the package whose files register the variants.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._variants: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files a variant under `name`; ValueError if the name is taken."""

        def add(variant: T) -> T:
            if name in self._variants and self._variants[name] is not variant:
                raise ValueError(f"two variants of {self.kind} are called {name!r}")
            self._variants[name] = variant
            return variant

        return add

    def load(self) -> None:
        """Import every file of the family once."""
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._loaded = True

    def get(self, name: str) -> T:
        """The variant called `name`; InputError that lists the names, nearest first, if there is none."""
        self.load()
        if name in self._variants:
            return self._variants[name]
        near = difflib.get_close_matches(name, self._variants, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown {self.kind} {name!r}; {hint}known: {', '.join(self.names())}")

    def names(self) -> list[str]:
        """All names, sorted."""
        self.load()
        return sorted(self._variants)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())
