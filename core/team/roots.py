"""The names under which people know a team server's folders: nobody but an operator reads a path of its disk."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.config import ASSETS, ROOT, InputError, own_folder
from core.team.configuration import current
from core.team.settings import Configuration

MARKERS: Mapping[str, tuple[str, ...]] = {
    "galleries": ("manifest.json",),
    "saes": ("config.json",),
    "models": ("open_clip_config.json", "config.json", "model.json"),
    "audits": ("report.json",),
}
"""Kind -> files of which one makes a folder a gallery, an SAE, a model or a finished audit."""
TAIL = r"[^\s'\"`<>|,;:)\]]*"
"""What follows a folder in a text and still is of its path."""
PART = re.compile(r"[^/\\\0.][^/\\\0]{0,200}")


def names(configuration: Configuration, kind: str) -> dict[str, Path]:
    """Everything of a kind that the roots hold: NAME of a root that is one itself, NAME/FOLDER of those within one."""
    found: dict[str, Path] = {}
    for root, folder in configuration.roots.get(kind, {}).items():
        if _is_one(kind, folder):
            found[root] = folder
            continue
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        found |= {f"{root}/{one.name}": one for one in inside if _is_inside(kind, folder, one.name)}
    return found


def folder_of(configuration: Configuration, kind: str, name: str) -> Path | None:
    """Folder behind a name that `names` lists; None for every other text, whatever lies on the disk."""
    root, slash, inside = name.partition("/")
    folder = configuration.roots.get(kind, {}).get(root)
    if folder is None:
        return None
    if not slash:
        return folder if _is_one(kind, folder) else None
    within = not _is_one(kind, folder) and _is_inside(kind, folder, inside)
    return folder / inside if within else None


def name_of(configuration: Configuration, kind: str, folder: Path) -> str | None:
    """The name of a folder that lies in a root of this kind; None for one that lies elsewhere."""
    for root, there in configuration.roots.get(kind, {}).items():
        if folder == there:
            return root
        if folder.parent == there:
            return f"{root}/{folder.name}"
    return None


def known_as(kind: str, given: str | None) -> str | None:
    """What a gallery, an SAE or a model is called in what leaves the house: its name in the roots where it has one."""
    configuration = current()
    named = name_of(configuration, kind, Path(given)) if configuration is not None and given else None
    return named or given


def place_for_new(configuration: Configuration, kind: str) -> Path:
    """Folder into which something new of a kind goes: the first root that is not one itself. InputError without one."""
    for folder in configuration.roots.get(kind, {}).values():
        if not _is_one(kind, folder):
            return folder
    raise InputError(f"this server has no place for new {kind}: name a folder that holds several under [roots.{kind}]")


def without_paths(text: str, configuration: Configuration) -> str:
    """The text with every folder of the server by its name: roots by theirs, of the rest nothing but "(server)".

    Longest first, so that a root inside the home folder keeps its own name.
    """
    return hiding(text, hidden(configuration))


def hiding(text: str, folders: Iterable[tuple[str, str]]) -> str:
    """The text with each folder by its name, in their order; what has none goes with all that follows in its path."""
    for path, name in folders:
        if path in text:
            text = text.replace(path, name) if name else re.sub(re.escape(path) + TAIL, "(server)", text)
    return text


def hidden(configuration: Configuration) -> list[tuple[str, str]]:
    """Folders of the server that no page shows, longest first, each with its name; "" where it has none."""
    known = {str(folder): root for kind in configuration.roots.values() for root, folder in kind.items()}
    own = (ROOT, own_folder(), configuration.home, configuration.path.parent, Path.home(), Path(tempfile.gettempdir()))
    for folder in own:
        if folder is not None and folder != Path(folder.anchor):
            known.setdefault(str(folder), "")
    known.setdefault(str(ASSETS), "shipped")
    return sorted(known.items(), key=lambda pair: -len(pair[0]))


def _is_inside(kind: str, root: Path, name: str) -> bool:
    """Whether a folder right below a root is one of the kind; what is only linked there may lie anywhere: none."""
    return PART.fullmatch(name) is not None and _is_one(kind, root / name) and not (root / name).is_symlink()


def _is_one(kind: str, folder: Path) -> bool:
    return any((folder / marker).is_file() for marker in MARKERS[kind])
