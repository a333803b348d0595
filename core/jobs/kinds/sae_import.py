"""Importing an SAE of another project into a folder of ours."""

from dataclasses import dataclass
from pathlib import Path

from core.config import ATTACHES, SIDES, InputError, one_of
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.store import refuse_existing


@dataclass(frozen=True)
class ImportSaeOrder:
    """What `core.saes.bringing.bring_sae` takes; what nobody knows about the embeddings is left out."""

    source: str
    out: str
    form: str = "auto"
    arch: str | None = None
    model: str | None = None
    side: str | None = None
    attach: str | None = None
    normalised: str | None = None
    """yes or no."""

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.side, SIDES, "side"),
            (self.attach, ATTACHES, "attach point"),
            (self.normalised, ("yes", "no"), "normalised"),
        ):
            if value is not None:
                one_of(value, allowed, what)


@KINDS.register("sae-import")
class ImportSae(JobKind):
    """Takes a moment; a try that was cut off is begun anew."""

    title, action, Order = "Import an SAE", "import", ImportSaeOrder
    priority = 10

    def subject(self, order: ImportSaeOrder) -> str:
        return Path(order.out).name

    def place(self, order: ImportSaeOrder) -> Path:
        return Path(order.out)

    def check(self, order: ImportSaeOrder) -> None:
        refuse_existing(self.place(order))
        if not Path(order.source).expanduser().exists():
            raise InputError(f"{order.source} is not there; give the file or folder of an SAE")

    def run(self, order: ImportSaeOrder, work: Work) -> Made:
        from core.saes.bringing import bring_sae, told_fingerprint

        out = self.place(order)
        if not (work.again and (out / "config.json").is_file()):
            work.progress(0, 1, "reading the SAE")
            told = {"model": order.model, "side": order.side, "attach": order.attach, "normalised": order.normalised}
            made = bring_sae(Path(order.source).expanduser(), out, order.form, order.arch, told)
            if told_fingerprint(told, made.sae.config.d_in) is None:
                work.say("nobody said which side and attach point it reads: only columns will be compared")
        return Made(out.name, out)
