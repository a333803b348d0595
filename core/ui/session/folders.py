"""What can be loaded by name or folder: shipped, built or trained here, or in a root that the configuration names."""

import os
from pathlib import Path

import streamlit as st

from core import access
from core.config import ROOT
from core.team import roots
from core.team.configuration import current
from core.ui.session import cache

OWN = {"galleries": ROOT / "galleries", "saes": ROOT / "saes"}
"""Where the pages put what is built or trained here, on one person's machine."""


NAMED_VARIABLE = "UNSKEW_FOLDERS"
"""Folders of galleries and SAEs that the operator names, separated as in PATH: links may open what lies in them."""


@st.cache_resource(show_spinner=False)
def _by_hand() -> set[tuple[str, str]]:
    """What somebody chose by hand in this process; a link may come back to it."""
    return set()


def remember(kind: str, name: str) -> None:
    """Take a choice that was made by hand among what links may open.

    On a team server that is for whoever chooses by hand alone: others keep to what is listed.
    """
    if access.may("choose"):
        _by_hand().add((kind, name))


def listed(kind: str, name: str) -> bool:
    """Whether this installation lists a gallery, an SAE or a model by exactly this name, so that a link may open it.

    Shipped names, folders made here, folders that the operator named and what was chosen here by hand; on a team
    server shipped names and those of the configuration's roots, at a kiosk its own galleries. A name that is not
    listed is looked for nowhere: there is one answer, whether something of that name is on the disk or not.
    """
    if (kind, name) in _by_hand() and access.may("choose"):
        return True
    if current() is not None:
        return name in known(kind)
    return name == "default" if kind == "models" else name in known(kind) or name in _of_the_operator(kind)


def _of_the_operator(kind: str) -> list[str]:
    marker, found = "manifest.json" if kind == "galleries" else "config.json", []
    for given in os.environ.get(NAMED_VARIABLE, "").split(os.pathsep):
        folder = Path(given) if given else None
        if folder is not None and folder.is_dir():
            found += [str(path) for path in (folder, *sorted(folder.iterdir())) if (path / marker).is_file()]
    return found


def known(kind: str) -> list[str]:
    """Shipped names, then folders made here that are complete; on a team server the names of what its roots hold."""
    configuration = current()
    if configuration is not None:
        if configuration.mode == "kiosk" and kind == "galleries":
            return list(configuration.kiosk["galleries"])
        models = list(configuration.models.values()) if kind == "models" else []
        return [*cache.shipped_names(kind), *roots.names(configuration, kind), *models]
    marker = "manifest.json" if kind == "galleries" else "config.json"
    folder = OWN[kind]
    made_here = [str(p) for p in sorted(folder.iterdir()) if (p / marker).is_file()] if folder.is_dir() else []
    return [*cache.shipped_names(kind), *(name for name in made_here if not Path(name).name.startswith("."))]


def place(kind: str) -> Path:
    """Folder in which new galleries or SAEs are made. InputError where a team server has none for them."""
    configuration = current()
    return OWN[kind] if configuration is None else roots.place_for_new(configuration, kind)


def name_of(kind: str, folder: Path) -> str:
    """What a gallery or an SAE in a folder is called here: its path, on a team server its root's name."""
    configuration = current()
    name = None if configuration is None else roots.name_of(configuration, kind, folder)
    return name or str(folder)
