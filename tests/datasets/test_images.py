"""Every bad picture is one clear line; every readable one is upright RGB without metadata."""

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import InputError
from core.datasets.images import FORMATS, read_image, thumbnail_jpeg


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def speckled(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], len(Image.new(mode, (1, 1)).getbands()))
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values.squeeze(), mode if mode != "RGB" else None)


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header says width x height; its pixels are a few bytes of nothing."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 999)) + part(b"IEND", b"")


def one_line(error: pytest.ExceptionInfo[InputError], *parts: str) -> None:
    message = str(error.value)
    assert "\n" not in message and all(part in message for part in parts), message


BAD = {
    "truncated.jpg": (encoded(speckled(), "JPEG")[:900], "damaged"),
    "truncated.png": (encoded(speckled(), "PNG")[:900], "damaged"),
    "text.jpg": (b"this is no picture, whatever its name says", "no picture"),
    "empty.png": (b"", "empty (0 bytes)"),
    "cut-header.gif": (b"GIF89a\x01", "damaged"),
    "postscript.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_bad_pictures_are_one_line_that_names_them(tmp_path: Path, name: str, as_bytes: bool) -> None:
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_image(content if as_bytes else tmp_path / name, name)
    one_line(error, name)
    assert reason in str(error.value) or "no picture" in str(error.value)


def test_missing_picture_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_image(tmp_path / "a.jpg", "faces/a.jpg")
    one_line(error, "faces/a.jpg", "not there")
    with pytest.raises(InputError, match=r"faces"):
        read_image(tmp_path, "faces")


@pytest.mark.parametrize("size", [(30_000, 30_000), (9_000, 9_000), (64_000_001, 1)])
def test_too_many_pixels_are_refused_from_the_header(size: tuple[int, int]) -> None:
    content = huge_png(*size)
    start = time.perf_counter()
    with pytest.raises(InputError) as error:
        read_image(content, "poster.png")
    assert time.perf_counter() - start < 0.1, "it was decoded"
    one_line(error, "poster.png", "64,000,000 pixels")


def test_the_pixel_limit_itself_is_allowed() -> None:
    content = encoded(speckled((10, 10)), "PNG")
    assert read_image(content, "a", max_pixels=100).image.size == (10, 10)
    with pytest.raises(InputError, match=r"10 x 10.*more than 99 pixels"):
        read_image(content, "a", max_pixels=99)


def test_cmyk_is_converted_with_a_note() -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    read = read_image(encoded(red, "JPEG", quality=95), "print.jpg")
    assert read.image.mode == "RGB" and "CMYK" in str(read.note)
    r, g, b = read.image.getpixel((4, 4))
    assert r > 240 and g < 15 and b < 15


def test_of_an_animation_the_first_frame_is_taken_with_a_note() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        read = read_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options), "wave")
        assert read.image.getpixel((4, 4)) == (255, 0, 0) and "first of 3" in str(read.note)


def test_exif_rotation_is_applied_and_broken_exif_is_passed_over() -> None:
    image = Image.new("RGB", (20, 10), "red")
    image.paste("blue", (10, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    upright = read_image(encoded(image, "PNG", exif=exif), "phone.png").image
    assert upright.size == (10, 20)
    assert upright.getpixel((5, 2)) == (255, 0, 0) and upright.getpixel((5, 17)) == (0, 0, 255)
    broken = encoded(image, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x01" * 9)
    assert read_image(broken, "odd.jpg").image.size == (20, 10)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "RGB"])
def test_every_mode_becomes_rgb_with_the_same_colours(mode: str) -> None:
    grey = speckled((16, 16), "L").convert(mode)
    read = read_image(encoded(grey, "PNG"), "a.png")
    assert read.image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(read.image), np.asarray(grey.convert("RGB")))


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    for content in (encoded(image, "PNG"), encoded(image.convert("P"), "PNG", transparency=0)):
        read = read_image(content, "logo.png")
        assert "white" in str(read.note)
    read = read_image(encoded(image, "PNG"), "logo.png")
    assert read.image.getpixel((0, 0)) == (255, 255, 255) and read.image.getpixel((1, 1)) == (255, 0, 0)


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    read = read_image(encoded(Image.fromarray(ramp), "PNG"), "xray.png")
    np.testing.assert_array_equal(np.asarray(read.image)[..., 0], ramp // 257)
    assert "16 bit" in str(read.note)


def test_thumbnails_are_small_and_carry_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    content = encoded(speckled((800, 400)), "JPEG", exif=exif, comment=b"a secret", icc_profile=b"a secret")
    assert b"secret" in content
    thumb = thumbnail_jpeg(read_image(content, "a.jpg").image)
    assert b"secret" not in thumb
    opened = Image.open(io.BytesIO(thumb))
    assert opened.format == "JPEG" and opened.size == (224, 112)
    small = thumbnail_jpeg(Image.new("RGB", (30, 20)))
    assert Image.open(io.BytesIO(small)).size == (30, 20), "never enlarged"


def test_no_reader_runs_another_program() -> None:
    assert "EPS" not in FORMATS and {"JPEG", "PNG", "WEBP", "GIF"} <= set(FORMATS)


@pytest.mark.parametrize(
    "how", [{}, {"progressive": True}, {"quality": 30, "subsampling": 0}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_small_jpeg_is_kept_bit_for_bit_without_what_tells_about_it(tmp_path: Path, how: dict, mode: str) -> None:
    from core.datasets.jpeg_files import without_metadata

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    path = tmp_path / "a.jpg"
    picture.save(path, exif=exif, comment=b"SECRET COMMENT", icc_profile=b"SECRET PROFILE" * 20, **how)
    path.write_bytes(path.read_bytes() + b"SECRET TAIL")
    read = read_image(path, "a.jpg")
    small = read.thumbnail()
    assert b"SECRET" not in small and small == read.small == without_metadata(path.read_bytes())
    kept, whole = Image.open(io.BytesIO(small)), Image.open(path)
    assert (np.asarray(kept) == np.asarray(whole)).all() and not kept.getexif()
    assert len(small) < path.stat().st_size


def test_what_is_turned_large_or_damaged_is_drawn_anew(tmp_path: Path) -> None:
    from core.datasets.jpeg_files import without_metadata

    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=turned)
    Image.new("RGB", (300, 20)).save(tmp_path / "large.jpg")
    Image.new("CMYK", (20, 20)).save(tmp_path / "cmyk.jpg")
    Image.new("RGB", (20, 20)).save(tmp_path / "other.png")
    for path in tmp_path.iterdir():
        read = read_image(path, path.name)
        assert read.small is None and max(Image.open(io.BytesIO(read.thumbnail())).size) <= 224
    whole = (tmp_path / "large.jpg").read_bytes()
    for cut in range(0, len(whole) - 1, 37):
        assert without_metadata(whole[:cut]) is None
