"""Importing a gallery: embeddings that exist already, with their table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import InputError, one_of
from core.jobs.grouping import regroup_of
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.store import refuse_existing


@dataclass(frozen=True)
class ImportOrder:
    """Embeddings and what belongs to them, as `core.gallery.import_gallery` takes it."""

    source: str
    """File of embeddings, with `table`; or a folder, file or address that holds both."""
    out: str
    model_name: str
    table: str | None = None
    images: str | None = None
    texts: str | None = None
    text_table: str | None = None
    array: str | None = None
    kind: str = "images"
    licence: str | None = None
    provenance: str | None = None
    together: str | None = None
    join: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of(self.kind, ("images", "captions"), "kind")
        if not self.source.strip() or not self.out.strip() or not self.model_name.strip():
            raise InputError("an import needs the path of the embeddings, the model that made them, and a name")


@KINDS.register("gallery-import")
class ImportGallery(JobKind):
    """Takes seconds to minutes; a try that was cut off is begun anew and leaves nothing half-written."""

    title, action, Order = "Import a gallery", "import", ImportOrder
    priority = 10

    def subject(self, order: ImportOrder) -> str:
        return Path(order.out).name

    def place(self, order: ImportOrder) -> Path:
        return Path(order.out)

    def check(self, order: ImportOrder) -> None:
        refuse_existing(self.place(order))
        regroup_of(order.join, order.bins)
        for given in (order.source, order.table, order.images, order.texts, order.text_table):
            if given and ":" not in given and not Path(given).expanduser().exists():
                raise InputError(f"{given} is not there; give the path of a file or folder on this server")

    def run(self, order: ImportOrder, work: Work) -> Made:
        from core.gallery import import_from, import_gallery

        out = self.place(order)
        if not (work.again and (out / "manifest.json").is_file()):
            paths = {name: _path(getattr(order, name)) for name in ("images", "texts", "text_table")}
            said = {name: getattr(order, name) for name in ("licence", "provenance", "together", "array", "kind")}
            choices: dict[str, Any] = paths | said | {"model_name": order.model_name, "out": out}
            choices |= {"regroup": regroup_of(order.join, order.bins), "progress": work.progress}
            table = _path(order.table)
            if table is None:
                made = import_from(order.source, **choices)
            else:
                made = import_gallery(Path(order.source).expanduser(), table, **choices)
            if made.left_out:
                work.say(f"{len(made.left_out):,} of the items were left out; the gallery's page lists them")
        return Made(out.name, out)


def _path(given: str | None) -> Path | None:
    return Path(given).expanduser() if given else None
