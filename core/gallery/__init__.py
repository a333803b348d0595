"""The gallery: the items that are searched, their embeddings and what is known about each of them."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.gallery.building import build_gallery
    from core.gallery.codes import Codes
    from core.gallery.conditions import parse_where
    from core.gallery.from_stores import import_from
    from core.gallery.gallery import Gallery, open_gallery
    from core.gallery.importing import import_gallery
    from core.gallery.ivf import GalleryIvf, build_ivf, open_ivf
    from core.gallery.sem_layout import import_sem
    from core.gallery.speed import Speed
    from core.gallery.split import split_halves
    from core.gallery.synthetic import synth_gallery
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "Codes",
    "Gallery",
    "GalleryIvf",
    "Speed",
    "build_gallery",
    "build_ivf",
    "import_from",
    "import_gallery",
    "import_sem",
    "open_gallery",
    "open_ivf",
    "parse_where",
    "split_halves",
    "synth_gallery",
]
