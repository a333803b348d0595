"""What can be loaded by name or folder: shipped, built or trained here."""

import os
from pathlib import Path

import streamlit as st

from core.config import ROOT
from core.ui.session import cache

OWN = {"galleries": ROOT / "galleries", "saes": ROOT / "saes"}
"""Where the pages put what is built or trained here."""


NAMED_VARIABLE = "UNSKEW_FOLDERS"
"""Folders of galleries and SAEs that the operator names, separated as in PATH: links may open what lies in them."""


@st.cache_resource(show_spinner=False)
def _by_hand() -> set[tuple[str, str]]:
    """What somebody chose by hand in this process; a link may come back to it."""
    return set()


def remember(kind: str, name: str) -> None:
    """Take a choice that was made by hand among what links may open."""
    _by_hand().add((kind, name))


def listed(kind: str, name: str) -> bool:
    """Whether this installation lists a gallery, an SAE or a model by exactly this name, so that a link may open it.

    Shipped names, folders made here, folders that the operator named and what was chosen here by hand. A name that is
    not listed is looked for nowhere: there is one answer, whether something of that name is on the disk or not.
    """
    if (kind, name) in _by_hand():
        return True
    return name == "default" if kind == "models" else name in known(kind) or name in _of_the_operator(kind)


def _of_the_operator(kind: str) -> list[str]:
    marker, found = "manifest.json" if kind == "galleries" else "config.json", []
    for given in os.environ.get(NAMED_VARIABLE, "").split(os.pathsep):
        folder = Path(given) if given else None
        if folder is not None and folder.is_dir():
            found += [str(path) for path in (folder, *sorted(folder.iterdir())) if (path / marker).is_file()]
    return found


def offered(kind: str) -> list[str]:
    """All that can be chosen by name: known ones, folders that the operator named, and what was chosen by hand."""
    by_hand = sorted(name for of, name in _by_hand() if of == kind)
    return list(dict.fromkeys([*known(kind), *_of_the_operator(kind), *by_hand]))


def known(kind: str) -> list[str]:
    """Shipped names, then folders made here that are complete."""
    marker = "manifest.json" if kind == "galleries" else "config.json"
    folder = OWN[kind]
    made_here = [str(p) for p in sorted(folder.iterdir()) if (p / marker).is_file()] if folder.is_dir() else []
    return [*cache.shipped_names(kind), *(name for name in made_here if not Path(name).name.startswith("."))]
