"""Building a gallery: pictures or captions are embedded, chunk by chunk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import ATTACHES, InputError, one_of
from core.jobs.grouping import regroup_of
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.store import refuse_existing

if TYPE_CHECKING:
    from core.datasets import ItemTable
    from core.tables import Regroup


@dataclass(frozen=True)
class BuildOrder:
    """What a gallery is made from, as `core.gallery.build_gallery` takes it."""

    way: str
    """Registered data set: "folder", "captions", "celeba"."""
    source: str
    out: str
    table: str | None = None
    attaches: tuple[str, ...] = ("pooled",)
    licence: str | None = None
    provenance: str | None = None
    together: str | None = None
    join: tuple[str, ...] = ()
    """Columns in which groups that differ in spelling alone become one."""
    bins: tuple[str, ...] = ()
    """COLUMN=18,30,50 each."""
    model: str = "default"
    pretrained: str | None = None
    device: str | None = None
    tokens: int = 0

    def __post_init__(self) -> None:
        for attach in self.attaches:
            one_of(attach, ATTACHES, "attach point")
        if not self.source.strip() or not self.out.strip():
            raise InputError("a gallery needs the path of what it is made from, and a name")


@KINDS.register("gallery-build")
class BuildGallery(JobKind):
    """Resumed at its last chunk of 512 items; gives the same bytes as one that was not cut off."""

    title, action, Order = "Build a gallery", "build", BuildOrder
    needs_gpu = True

    def subject(self, order: BuildOrder) -> str:
        return Path(order.out).name

    def place(self, order: BuildOrder) -> Path:
        return Path(order.out)

    def check(self, order: BuildOrder) -> None:
        refuse_existing(self.place(order))
        self._items(order)

    def run(self, order: BuildOrder, work: Work) -> Made:
        from core.backbones.base import load_model
        from core.gallery import build_gallery

        out = self.place(order)
        if not (work.again and (out / "manifest.json").is_file()):
            items, regroup = self._items(order)
            model = load_model(order.model, order.pretrained, order.device)
            choices: Mapping[str, Any] = {"together": order.together, "tokens": order.tokens, "regroup": regroup}
            attaches: Any = order.attaches
            made = build_gallery(items, model, out, attaches=attaches, progress=work.progress, **choices)
            if made.left_out:
                work.say(f"{len(made.left_out):,} of the items were left out; the gallery's page lists them")
        return Made(out.name, out)

    def _items(self, order: BuildOrder) -> "tuple[ItemTable, Regroup]":
        from core.datasets import items_of

        regroup = regroup_of(order.join, order.bins)
        table = Path(order.table).expanduser() if order.table else None
        items = items_of(order.way, Path(order.source).expanduser(), table, order.licence, order.provenance)
        regroup.applied(items.frame, items.source)  # before a model is loaded
        return items, regroup
