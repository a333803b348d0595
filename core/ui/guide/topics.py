"""The guide's texts: one Markdown file a topic under assets/guide; a new file is a new topic. No streamlit."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.config import ASSETS, InputError

FOLDER = ASSETS / "guide"
FIRST = ("first-steps", "words")
"""Topics that a newcomer reads first, in this order; the others follow by title."""
PICTURE = re.compile(r"^!\[(?P<text>[^\]]*)\]\((?P<file>[^)]+)\)$")
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<topic>[a-z0-9-]+)\.md\)")


@dataclass(frozen=True)
class Topic:
    """One text of the guide.

    Attributes
    ----------
    name : the file's name without its ending; stands in links.
    title : its first line, without the mark of a heading.
    text : Markdown after the title.
    """

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class Piece:
    """What is shown at once: a stretch of Markdown, or a picture that lies under assets/ with its description."""

    kind: Literal["markdown", "picture"]
    text: str
    file: Path | None = None


@lru_cache(maxsize=1)
def topics(folder: Path = FOLDER) -> dict[str, Topic]:
    """Every topic by name, in reading order.

    InputError for a text that does not begin with a line `# Title`.
    """
    found = []
    for path in folder.glob("*.md"):
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        if not title.startswith("# "):
            raise InputError(f"{path}: expected a first line `# Title`, found {title[:40]!r}")
        found.append(Topic(path.stem, title.removeprefix("# ").strip(), text.strip()))
    place = {name: number for number, name in enumerate(FIRST)}
    return {topic.name: topic for topic in sorted(found, key=lambda t: (place.get(t.name, len(FIRST)), t.title))}


def pieces(text: str, folder: Path = FOLDER) -> list[Piece]:
    """A text in what is shown one below the other.

    A line that is a picture alone becomes one, since the browser cannot read files of the server. What links to another
    topic stands in bold: a link would open a second window, with a session of its own; see `linked`.
    """
    shown: list[Piece] = []
    lines: list[str] = []

    def close() -> None:
        if "".join(lines).strip():
            shown.append(Piece("markdown", LINK.sub(r"**\g<text>**", "\n".join(lines))))
        lines.clear()

    for line in text.split("\n"):
        picture = PICTURE.match(line.strip())
        if picture is None:
            lines.append(line)
            continue
        close()
        shown.append(Piece("picture", picture["text"], (folder / picture["file"]).resolve()))
    close()
    return shown


def in_theme(file: Path, dark: bool) -> Path:
    """The picture for the theme that is on: NAME-dark beside NAME where there is one."""
    other = file.with_stem(f"{file.stem}-dark")
    return other if dark and other.is_file() else file


def linked(text: str) -> list[str]:
    """Names of the topics that a text links to, each once, in their order there."""
    return list(dict.fromkeys(found["topic"] for found in LINK.finditer(text)))


def holding(words: str, known: dict[str, Topic]) -> list[Topic]:
    """Topics in which every one of the words stands, in reading order, those with all of them in the title first."""
    wanted = words.lower().split()

    def within(text: str) -> bool:
        return all(word in text.lower() for word in wanted)

    found = [topic for topic in known.values() if within(f"{topic.title}\n{topic.text}")]
    return sorted(found, key=lambda topic: not within(topic.title))
