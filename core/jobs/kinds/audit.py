"""An audit with its report, which is kept among the audits of this server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.jobs.kind import KINDS, JobKind, Made, Work

if TYPE_CHECKING:
    from core.audit.spec import AuditSpec


@dataclass(frozen=True)
class AuditOrder:
    """What is asked, and how the report is written."""

    spec: Mapping[str, Any]
    """As `AuditSpec.to_json` writes it."""
    auditor: str = "not stated"
    thumbnails: bool = False


@KINDS.register("audit")
class Audit(JobKind):
    """Resumed at the last ranking that was kept; the evidence is the same to the byte."""

    title, action, Order = "Audit", "audit", AuditOrder
    priority = 20

    def subject(self, order: AuditOrder) -> str:
        return str(order.spec.get("title", ""))

    def check(self, order: AuditOrder) -> None:
        from core.audit.sources import check
        from core.gallery import open_gallery
        from core.scene import Scene
        from core.scene.opening import load_saes

        spec = _spec(order)
        gallery = open_gallery(spec.gallery)
        check(spec, Scene(gallery, load_saes(gallery, spec.saes)))

    def run(self, order: AuditOrder, work: Work) -> Made:
        from core.audit.run import run
        from core.report import ReportOptions, own_report, write_report
        from core.report.kept import keep_folder, kept_folder
        from core.store import resumable_folder

        spec, options, out = _spec(order), ReportOptions(order.auditor, order.thumbnails), work.folder / "report"
        if own_report(out, spec, options) is None:
            with resumable_folder(out) as partial:
                write_report(run(spec, folder=partial, progress=work.progress), out, options)
        name = keep_folder(out)
        return Made(name, kept_folder() / name)


def _spec(order: AuditOrder) -> "AuditSpec":
    from core.audit.spec import AuditSpec

    return AuditSpec.from_json(order.spec)
