"""What a study is: a question about a gallery and its model, answered by one table and one figure."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from core import access
from core.config import HALVES, Edit, Half, InputError, Progress, Side, one_of
from core.figures import Picture, Series, draw_svg
from core.gallery import Gallery
from core.gallery.labels import CROSS
from core.metrics.targets import Target
from core.registry import Registry
from core.saes.frozen import FrozenFile
from core.scene import Scene
from core.statistics import DRAWS
from core.store import atomic_folder, plain, read_json, write_json
from core.writing import frame_text
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

SCHEMA, KEPT = 1, "study.json"


@dataclass(frozen=True, eq=False)
class StudyRequest:
    """What a study may look at. Each reads what it needs and says in one line what it lacks."""

    scene: Scene
    """Whose gallery's evaluation rows are measured."""
    attributes: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    """Queries to average over."""
    edits: Mapping[Side, Edit] = field(default_factory=dict)
    """A fixed edit, for studies of one; others choose their own on the probe half."""
    method: str = "neuron-edit"
    class_prompts: PromptSet | None = None
    reference: np.ndarray | None = None
    """Embeddings (n, d') of the same items by an independent encoder."""
    k: int = 100
    target: Target = "uniform"
    half: Half = "evaluation"
    where: Mapping[str, str] = field(default_factory=dict)
    tau: float = 0.5
    """Consistency threshold where a study chooses neurons by the rule."""
    seed: int = 0
    draws: int = DRAWS
    root: Path | None = None
    """Folder of other pictures, one folder a class."""

    def __post_init__(self) -> None:
        access.require("benchmark")
        one_of(self.half, HALVES, "half")
        unknown = [
            part for name in self.attributes for part in self._columns(name) if part not in self.gallery.attributes
        ]
        if unknown:
            there = ", ".join(self.gallery.attributes) or "none"
            raise InputError(f"gallery {self.gallery.name} has no attribute {unknown[0]!r}; it has {there}")

    def _columns(self, attribute: str) -> list[str]:
        return [attribute] if attribute in self.gallery.attributes else attribute.split(CROSS)

    @property
    def gallery(self) -> Gallery:
        return self.scene.gallery

    def require_attributes(self, least: int = 1) -> tuple[str, ...]:
        """The attributes; InputError where fewer than `least` were given."""
        if len(self.attributes) < least:
            raise InputError(f"this study needs {least} attribute{'s' * (least > 1)}; give --attribute NAME for each")
        return self.attributes

    def require_prompts(self) -> tuple[str, ...]:
        """The queries; InputError where there is none."""
        if not self.prompts:
            raise InputError("this study asks queries; give --prompts FILE with a list of them, or --query TEXT")
        return self.prompts

    def require_root(self) -> Path:
        """The folder of classes; InputError where none was given."""
        if self.root is None:
            raise InputError("this study reads pictures in a folder a class; on the command line give --root DIR")
        return self.root

    def require_sae(self) -> "SAEFile | FrozenFile":
        """The SAE of the gallery's side; InputError where there is none."""
        if self.gallery.side not in self.scene.saes:
            raise InputError(f"this study needs an SAE of the {self.gallery.side} side; give --sae")
        return self.scene.sae()

    def digests(self) -> dict[str, Any]:
        """What the numbers came from."""
        return {"gallery": self.gallery.digest, "saes": {side: sae.digest for side, sae in self.scene.saes.items()}}


@dataclass(frozen=True, eq=False)
class StudyResult:
    """One table, one figure, and what must be said beside them."""

    table: pd.DataFrame
    """Every number with its interval (columns named `..._lo`, `..._hi`) and its n."""
    picture: Picture
    settings: Mapping[str, Any]
    """Everything that the numbers depend on: halves, k, target, seed, digests."""
    notes: tuple[str, ...] = ()
    findings: Mapping[str, Any] = field(default_factory=dict)
    """Numbers that are no row of the table."""
    brief: pd.DataFrame | None = None
    """The rows that a person reads first, where the table has hundreds; None: all of it."""

    def to_json(self) -> dict[str, Any]:
        document = {"schema": SCHEMA, **self.settings, "rows": _records(self.table), "notes": list(self.notes)}
        return document | {"findings": dict(self.findings)}

    def keep(self, out: Path) -> None:
        """Write all of it to a folder that appears whole, from which `load` reads it again."""
        kept = {
            "schema": SCHEMA,
            "table": _written(self.table),
            "picture": asdict(self.picture),
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "findings": dict(self.findings),
            "brief": None if self.brief is None else _written(self.brief),
        }
        with atomic_folder(out) as folder:
            write_json(folder / KEPT, plain(kept))

    @classmethod
    def load(cls, folder: Path) -> "StudyResult":
        """What `keep` has written; InputError where it is not there whole."""
        kept = read_json(folder / KEPT)
        try:
            series = tuple(Series(**one) for one in kept["picture"].pop("series"))
            picture, brief = Picture(series=series, **kept["picture"]), kept["brief"]
            return cls(
                pd.DataFrame(**kept["table"]),
                picture,
                kept["settings"],
                tuple(kept["notes"]),
                kept["findings"],
                None if brief is None else pd.DataFrame(**brief),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{folder / KEPT} holds no result of a study ({error}); run the study again") from None

    def write(self, name: str, out: Path, replace: bool = False) -> None:
        """`NAME.csv`, `NAME.svg` and `NAME.json` in a folder that appears whole."""
        with atomic_folder(out, replace) as folder:
            (folder / f"{name}.csv").write_text(frame_text(self.table), encoding="utf-8")
            draw_svg(self.picture, folder / f"{name}.svg")
            write_json(folder / f"{name}.json", plain(self.to_json()))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, None for what is missing."""
    return [
        {str(name): value for name, value in row.items()}
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]


def _written(table: pd.DataFrame) -> dict[str, Any]:
    """What `pd.DataFrame` takes to make the table again."""
    return {"data": _records(table), "columns": list(table.columns)}


class Study(ABC):
    """A registered study. Pure: equal requests give equal tables, whatever order prompts and attributes come in."""

    title: ClassVar[str]
    question: ClassVar[str]
    """What it answers, in a sentence."""
    needs_model: ClassVar[bool] = False
    """Whether queries or class prompts in words are embedded."""
    needs_sae: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult: ...


STUDIES: Registry[type[Study]] = Registry("study", "core.studies")
