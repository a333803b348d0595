"""Unskew in a notebook: open a gallery, rank, find an edit, look again, take it along.

from core import notebook

desk = notebook.open("default", sae="default-image")
before = desk.rank("a photo of a doctor", attribute="gender")
print(before.sentence)
edit = desk.smallest("a photo of a doctor", attribute="gender")
after = desk.rank("a photo of a doctor", attribute="gender", edit=edit)
print(after.sentence)
rows = edit(desk.embeddings)
edit.save("doctor-edit")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.config import Edit, Half, Side
from core.home.exporting import ExportRequest, encoder_for, export_edit
from core.metrics.targets import Target
from core.portable import PortableEdit, SideName, read_edit, write_edit
from core.ranking.request import RankRequest
from core.ranking.results import RankResult
from core.ranking.steps import rank
from core.scene import Scene, open_scene, query_embedding, text_model
from core.verdicts import lean_line

__all__ = ["Answer", "Desk", "TakenEdit", "load", "open"]


@dataclass(frozen=True, eq=False)
class Answer:
    """Who a search retrieves."""

    result: RankResult

    @property
    def ids(self) -> tuple[str, ...]:
        """Items retrieved, best first: after the edit where there is one."""
        return (self.result.after or self.result.before).ids

    @property
    def sentence(self) -> str:
        """Whether the list leans, in one sentence."""
        found = (self.result.after or self.result.before).numbers.to_json()
        return lean_line(
            found["lean"], found["leading_group"], found["lean_beyond_chance"], found.get("lean_reason", "")
        )

    @property
    def leans(self) -> pd.DataFrame:
        """One row a group: searched, retrieved, points with interval, p; of both lists where there is an edit."""
        arms = {"before": self.result.before, "after": self.result.after}
        rows = []
        for arm, one in arms.items():
            for group, said in ({} if one is None else one.numbers.to_json()["lean"]).items():
                points = said["points"]
                rows.append(
                    {
                        "list": arm,
                        "group": group,
                        "searched": said["searched"],
                        "retrieved": said["retrieved"],
                        "points": points["estimate"],
                        "lo": points.get("lo"),
                        "hi": points.get("hi"),
                        "p_adjusted": said["p_adjusted"],
                    }
                )
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """The same document as `python -m core rank --json` prints."""
        return self.result.to_json()


@dataclass(frozen=True, eq=False)
class TakenEdit:
    """An edit that runs by itself; call it with rows (n, d) for unit rows (n, d)."""

    portable: PortableEdit
    edits: Mapping[Side, Edit]
    """What `Desk.rank` switches."""
    method: str

    def __call__(self, rows: np.ndarray, side: SideName | None = None) -> np.ndarray:
        return self.portable.side(side)(rows)

    def save(self, folder: str | Path, replace: bool = False) -> str:
        """Write edit.json, edit.safetensors and card.md; the edit's digest."""
        return write_edit(self.portable, Path(folder), replace)


@dataclass(frozen=True, eq=False)
class Desk:
    """A gallery with the SAEs that were chosen."""

    scene: Scene
    names: tuple[str | None, str | None] = (None, None)
    """Text model and its weights, where they are not the gallery's own."""

    @property
    def embeddings(self) -> np.ndarray:
        """Stored embeddings (n, d), as the model gave them."""
        return self.scene.gallery.embeddings("pooled")

    @property
    def table(self) -> pd.DataFrame:
        """One row an item: its id and what is known of it."""
        return self.scene.gallery.table

    def query(self, text: str) -> np.ndarray:
        """The embedding (d,) of a search text."""
        return query_embedding(self._for([text]), text)

    def rank(
        self,
        query: str,
        attribute: str,
        k: int = 100,
        edit: TakenEdit | None = None,
        target: Target = "gallery",
        half: Half = "all",
        where: Mapping[str, str] | None = None,
    ) -> Answer:
        """Who a search retrieves, and with an edit also who after it.

        Many parameters: a search as the command line takes it.
        """
        request = RankRequest(attribute, query, k=k, target=target, half=half, where=where or {})
        if edit is not None:
            request = replace(request, edits=edit.edits, method=edit.method)
        return Answer(rank(self._for([query]), request))

    def smallest(
        self,
        queries: str | Sequence[str],
        attribute: str,
        k: int = 100,
        target_skew: float = 0.15,
        size: int = 16,
        where: Mapping[str, str] | None = None,
    ) -> TakenEdit:
        """The smallest edit for one search, or one for several, found on the probe half.

        Many parameters: what the command line's `edit export --smallest` takes.
        """
        asked = (queries,) if isinstance(queries, str) else tuple(queries)
        request = ExportRequest(
            smallest=True,
            attribute=attribute,
            queries=asked,
            k=k,
            target_skew=target_skew,
            size=size,
            where=where or {},
        )
        return self._taken(request)

    def switched(
        self, *neurons: int, strength: float = 1.0, queries: Sequence[str] = (), attribute: str | None = None
    ) -> TakenEdit:
        """Chosen neurons of the gallery's side, turned down by `strength`."""
        edits = {self.scene.gallery.side: Edit(neurons, strength)}
        return self._taken(ExportRequest(edits=edits, attribute=attribute, queries=tuple(queries)))

    def method(self, name: str, attribute: str, queries: Sequence[str] = ()) -> TakenEdit:
        """A registered method, fitted here; InputError where it is no fixed map."""
        return self._taken(ExportRequest(method=name, attribute=attribute, queries=tuple(queries)))

    def _taken(self, request: ExportRequest) -> TakenEdit:
        encoder = encoder_for(self.scene.gallery, request, *self.names)
        made = export_edit(replace(self.scene, model=encoder), request)
        edits = {side: _edit(said) for side, said in made.about["edits"].items()}
        return TakenEdit(made, edits, request.method)

    def _for(self, texts: Sequence[str]) -> Scene:
        return replace(self.scene, model=text_model(self.scene.gallery, texts, *self.names))


def _edit(said: Mapping[str, Any]) -> Edit:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Edit(**given)


def open(gallery: str, sae: str | Sequence[str] = (), model: str | None = None, pretrained: str | None = None) -> Desk:
    """A gallery by its folder or shipped name, with at most one SAE a side."""
    saes = [sae] if isinstance(sae, str) else list(sae)
    return Desk(open_scene(gallery, saes, (), model, pretrained), (model, pretrained))


def load(folder: str | Path) -> PortableEdit:
    """An edit that was saved; refused where a byte differs. `load(...).side()(rows)` runs it."""
    return read_edit(Path(folder))
