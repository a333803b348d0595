"""Encoding a gallery into the sparse codes of an SAE."""

from dataclasses import dataclass
from pathlib import Path

from core.jobs.kind import KINDS, JobKind, Made, Work


@dataclass(frozen=True)
class EncodeOrder:
    """Folders or shipped names."""

    gallery: str
    sae: str


@KINDS.register("encode")
class Encode(JobKind):
    """Codes are written whole or not at all; a try that was cut off is begun anew."""

    title, action, Order = "Encode a gallery", "build", EncodeOrder
    priority = 10
    needs_gpu = False

    def subject(self, order: EncodeOrder) -> str:
        return f"{Path(order.gallery).name} by {Path(order.sae).name}"

    def check(self, order: EncodeOrder) -> None:
        from core.gallery import open_gallery
        from core.saes.checkpoint import load_sae

        gallery, sae = open_gallery(order.gallery), load_sae(order.sae)
        sae.require(gallery.fingerprint(sae.attach or "pooled"), f"the gallery {gallery.name!r}")

    def run(self, order: EncodeOrder, work: Work) -> Made:
        from core.gallery import open_gallery
        from core.neurons import codes_of
        from core.saes.checkpoint import load_sae

        gallery, sae = open_gallery(order.gallery), load_sae(order.sae)
        codes = codes_of(gallery, sae, work.progress)
        work.say(f"{codes.csr.shape[0]:,} rows, {codes.csr.nnz / max(codes.csr.shape[0], 1):.1f} neurons a row")
        return Made(f"codes of {gallery.name} by {sae.name}")
