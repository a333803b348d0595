"""Pictures as people have them, read as plain RGB; a bad one is one clear line, never a crash or a full memory."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.config import InputError
from core.datasets.jpeg_files import without_metadata

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: 64 million pixels are 192 MB as RGB."""

THUMB_PX, THUMB_QUALITY = 224, 85
SMALL_BYTES = 32_000
"""Bytes of a JPEG file that is kept as its own thumbnail at most; larger ones were saved too finely for one."""
ORIENTATION = 0x0112
"""EXIF's tag of how a picture is turned."""

Image.init()
# Only formats that are read without running another program (Pillow hands EPS to Ghostscript).
FORMATS = tuple(
    name for name in ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF") if name in Image.OPEN
)
SUFFIXES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)
"""File name endings (lower case, with the dot) of pictures that can be read."""

# read_image refuses large pictures itself, with a message; Pillow's own warning would be a second line beside it.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)


@dataclass(frozen=True)
class ReadImage:
    """An upright RGB picture without metadata, and what was done to it that its owner may want to know."""

    image: Image.Image
    note: str | None = None
    small: bytes | None = None
    """The file itself without metadata, where it is a JPEG that is as small as a thumbnail and lies upright."""

    def thumbnail(self) -> bytes:
        """JPEG bytes that fit into THUMB_PX x THUMB_PX, without metadata; a file that is so small is kept as it is."""
        return self.small or thumbnail_jpeg(self.image)


class PixelBudget:
    """Room for decoded pixels that threads share; a picture waits until there is room for it.

    One larger than the whole room is let in alone.
    """

    def __init__(self, pixels: int) -> None:
        self._whole = self._free = pixels
        self._given = Condition()

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Hands on `take(pixels)`, to be called once; what it took is free again when the block ends."""
        taken = 0

        def take(pixels: int) -> None:
            nonlocal taken
            wanted = min(pixels, self._whole)
            with self._given:
                self._given.wait_for(lambda: self._free >= wanted)
                self._free -= wanted
            taken = wanted

        try:
            yield take
        finally:
            with self._given:
                self._free += taken
                self._given.notify_all()


def read_image(
    source: Path | bytes,
    name: str,
    max_pixels: int = MAX_PIXELS,
    take: Callable[[int], None] | None = None,
    least: int | None = None,
) -> ReadImage:
    """A picture as upright RGB of 8 bits, whatever it was stored as.

    The EXIF rotation is applied; CMYK, palette, grey and 16 bit pictures are converted; transparent parts become
    white; of an animation the first frame is taken. Metadata are dropped.

    Parameters
    ----------
    source : the file, or its bytes (uploads are never written to disk).
    name : what messages call the picture.
    max_pixels : the size is read from the header, and a larger picture is refused without decoding it.
    take : called with the number of pixels before they are decoded; see PixelBudget.
    least : a JPEG file both of whose sides are at least twice as long is decoded at a half, a quarter or an eighth of
        its size, no side shorter than this. Faster by far, and not quite what the whole picture reduced would be.

    Raises
    ------
    InputError
        not there, empty, no picture, truncated or too large; the message names the picture.
    """
    try:
        return _read(source, name, max_pixels, take, least)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name} is not there; expected a picture file") from None
    except Image.DecompressionBombError:
        raise _too_large(name, "", max_pixels) from None
    except UnidentifiedImageError:
        raise InputError(f"{name} is no picture that can be read; expected one of {', '.join(FORMATS)}") from None
    except MemoryError:
        raise InputError(f"{name} does not fit into memory; make it smaller") from None
    except Exception as error:  # Pillow's readers raise errors of every type when a file is broken
        cut = re.search(r"truncated|incomplete|not enough|end of|EOF|premature", str(error), re.IGNORECASE)
        raise InputError(f"{name} is damaged{' (cut short)' if cut else ''}; replace the file") from None


def _read(
    source: Path | bytes, name: str, max_pixels: int, take: Callable[[int], None] | None, least: int | None
) -> ReadImage:
    size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
    if size == 0:
        raise InputError(f"{name} is empty (0 bytes); expected a picture")
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
        if opened.width * opened.height > max_pixels:
            raise _too_large(name, f" ({opened.width} x {opened.height})", max_pixels)
        if least is not None:
            opened.draft(None, (least, least))
        if take is not None:
            take(opened.width * opened.height)
        notes = []
        frames = getattr(opened, "n_frames", 1)
        if frames > 1 and opened.format != "MPO":  # MPO: the further pictures are a phone's previews
            notes.append(f"the first of {frames} pictures was taken")
        opened.load()
        small = _small_jpeg(source, opened) if size <= SMALL_BYTES and least is None else None
        image, note = _to_rgb(_upright(opened), name)
    if note:
        notes.append(note)
    image.info = {}
    return ReadImage(image, "; ".join(notes) or None, small)


def _small_jpeg(source: Path | bytes, opened: Image.Image) -> bytes | None:
    """The bytes of a JPEG that can be its own thumbnail, without metadata; None where it has to be made."""
    plain = opened.format == "JPEG" and opened.mode in ("RGB", "L") and max(opened.size) <= THUMB_PX
    if not plain or opened.getexif().get(ORIENTATION, 1) != 1:
        return None
    return without_metadata(source if isinstance(source, bytes) else Path(source).read_bytes())


def _too_large(name: str, size: str, max_pixels: int) -> InputError:
    return InputError(f"{name}{size} has more than {max_pixels:,} pixels; make it smaller")


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF data say; as it lies where these are broken."""
    with suppress(Exception):  # broken EXIF must not cost a sound picture
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_rgb(image: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    if image.mode == "F":
        raise InputError(f"{name} has floating-point pixels, whose range nobody told; save it with 8 bits a channel")
    if image.mode.startswith("I"):
        # 16 bit grey; Pillow's own conversion cuts every value above 255 to white
        grey = np.clip(np.asarray(image).astype(np.int64) // 257, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB"), "16 bit grey was reduced to 8 bit"
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] == 255:
            return layer.convert("RGB"), None
        page = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(page, layer).convert("RGB"), "transparent parts were put on white"
    if image.mode == "CMYK":
        return image.convert("RGB"), "CMYK colours were converted to RGB"
    return (image if image.mode == "RGB" else image.convert("RGB")), None


def thumbnail_jpeg(image: Image.Image, px: int = THUMB_PX, quality: int = THUMB_QUALITY) -> bytes:
    """JPEG bytes of an RGB picture made to fit into px x px (never enlarged), without any metadata."""
    scale = px / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)  # as good as bicubic in half the time
    else:
        small = image.copy()
    small.info = {}
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
