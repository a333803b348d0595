"""A study: one question about a gallery and its model, answered by a table and a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import Edit, InputError, digest_of, own_folder
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.jobs.scenes import SceneOrder

if TYPE_CHECKING:
    from core.studies import StudyRequest


@dataclass(frozen=True, kw_only=True)
class StudyOrder(SceneOrder):
    """Which study, and of what."""

    study: str
    attributes: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    edits: Mapping[str, Any] = field(default_factory=dict)
    """Side -> edit, as `Edit.to_json` writes it."""
    k: int = 100
    target: str | Mapping[str, float] = "uniform"
    """A named target, or group -> share."""
    where: Mapping[str, str] = field(default_factory=dict)


@KINDS.register("study")
class StudyJob(JobKind):
    """Begun anew where it was cut off; what was answered once is there for equal questions."""

    title, action, Order = "Study", "benchmark", StudyOrder
    priority = 8
    resumable = False

    def subject(self, order: StudyOrder) -> str:
        from core.studies import STUDIES

        return f"{STUDIES.get(order.study).title}, {Path(order.gallery).name}"

    def place(self, order: StudyOrder) -> Path:
        fields = [str(getattr(order, name)) for name in StudyOrder.__dataclass_fields__]
        return own_folder() / "studies" / digest_of(fields)[:24]

    def check(self, order: StudyOrder) -> None:
        from core.gallery import open_gallery
        from core.studies import STUDIES

        STUDIES.get(order.study)
        there = open_gallery(order.gallery).attributes
        if unknown := [name for name in order.attributes if name not in there]:
            raise InputError(f"the gallery has no attribute {unknown[0]!r}; it has {', '.join(there) or 'none'}")

    def run(self, order: StudyOrder, work: Work) -> Made:
        from core.studies import STUDIES

        study, out = STUDIES.get(order.study), self.place(order)
        if not out.is_dir():
            study()(self._request(order), work.progress).keep(out)
        return Made(study.title, out)

    def _request(self, order: StudyOrder) -> "StudyRequest":
        from core.studies import StudyRequest

        scene = order.scene()
        target: Any = order.target
        edits: Any = {side: Edit(**value) for side, value in order.edits.items()}
        return StudyRequest(
            scene,
            order.attributes,
            order.prompts,
            edits,
            class_prompts=scene.class_prompts if scene.model is not None else None,
            k=order.k,
            target=target,
            where=order.where,
        )
