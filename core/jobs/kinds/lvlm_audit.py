"""An audit of what a large vision-language model answers, with its report, which is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.jobs.kind import KINDS, JobKind, Made, Work


@dataclass(frozen=True)
class LvlmAuditOrder:
    """What is asked, and how the report is written."""

    spec: Mapping[str, Any]
    """As `LvlmSpec.to_json` writes it."""
    auditor: str = "not stated"
    thumbnails: bool = False


@KINDS.register("lvlm-audit")
class LvlmAudit(JobKind):
    """Resumed at the last arm of answers that was kept."""

    title, action, Order = "Audit of answers", "audit", LvlmAuditOrder
    priority = 10
    needs_gpu = True

    def subject(self, order: LvlmAuditOrder) -> str:
        return str(order.spec.get("title", ""))

    def check(self, order: LvlmAuditOrder) -> None:
        from core.access import require_folder
        from core.gallery import open_gallery
        from core.lvlm.spec import LvlmSpec

        spec = LvlmSpec.from_json(dict(order.spec))
        for folder in spec.folders:
            require_folder(folder)
        open_gallery(spec.gallery)

    def run(self, order: LvlmAuditOrder, work: Work) -> Made:
        from core.lvlm.audit import run_lvlm
        from core.lvlm.spec import LvlmSpec
        from core.report.answers_folder import write_answers
        from core.report.document import ReportOptions
        from core.report.kept import keep_folder, kept_folder
        from core.store import resumable_folder

        out = work.folder / "report"
        if not (out / "manifest.json").is_file():
            with resumable_folder(out) as partial:
                result = run_lvlm(LvlmSpec.from_json(dict(order.spec)), folder=partial, progress=work.progress)
                write_answers(result, out, ReportOptions(order.auditor, order.thumbnails))
        name = keep_folder(out)
        return Made(name, kept_folder() / name)
