"""Ranges become the same chunks in any company, and reading runs ahead of the model over the ends of ranges."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.backbones.base import Backbone
from core.backbones.open_clip_models import load_backbone, save_clip
from core.config import InputError
from core.datasets import DATASETS, ItemTable
from core.gallery import Speed, build_gallery, embedding
from core.gallery.chunks import Chunk
from core.gallery.embedding import Job, embed_parts
from tests.backbones import tiny_clip
from tests.gallery.test_building import FakeBackbone, items_of, make_faces

PARTS = [range(start, start + 8) for start in range(0, 40, 8)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures, three of which cannot be read; the whole third part is among them and the next one's first."""
    root = make_faces(tmp_path_factory.mktemp("embedding"))
    for i in (3, *range(16, 25)):
        (root / f"{i:02}.png").write_text("no picture")
    return root


def job_of(faces: Path, backbone: FakeBackbone | None = None, **more: object) -> Job:
    return Job(items_of(faces), backbone or FakeBackbone(), ("pooled", "residual"), np.dtype("float32"), 3, **more)


def equal(one: Chunk, other: Chunk) -> bool:
    same = [one.kept.tolist(), one.thumbs, one.left_out, one.notes] == [
        other.kept.tolist(),
        other.thumbs,
        other.left_out,
        other.notes,
    ]
    return same and all(np.array_equal(one.arrays[name], other.arrays[name]) for name in {*one.arrays, *other.arrays})


@pytest.mark.parametrize("device", ["cpu", "an accelerator"])
def test_a_range_is_the_same_chunk_in_any_company(faces: Path, device: str) -> None:
    alone = [next(embed_parts(job_of(faces), [part])) for part in PARTS]
    backbone = FakeBackbone()
    backbone.device = device
    for order in ([0, 1, 2, 3, 4], [4, 2, 0], [1]):
        together = list(embed_parts(job_of(faces, backbone), (PARTS[i] for i in order)))
        assert len(together) == len(order)
        assert all(equal(alone[i], chunk) for i, chunk in zip(order, together, strict=True))
    assert [len(chunk.kept) for chunk in alone] == [7, 8, 0, 7, 8] and len(alone[2].left_out) == 8
    assert all(len(chunk.thumbs) == len(chunk.kept) for chunk in alone)


def test_captions_are_embedded_range_by_range(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("text\n" + "".join(f"{'a' * i} caption\n" for i in range(20)))
    job = Job(DATASETS.get("captions")().items(tmp_path / "c.csv"), FakeBackbone(), ("pooled",), np.dtype("float32"), 3)
    together = list(embed_parts(job, [range(8), range(8, 20)]))
    alone = next(embed_parts(job, [range(8, 20)]))
    assert equal(together[1], alone) and together[0].kept.tolist() == list(range(8))


class Stopped(FakeBackbone):
    """A model that rests in its first batch until the pictures of another range have been read."""

    def __init__(self, awaited: int) -> None:
        super().__init__()
        self.read, self.enough, self.awaited = 0, threading.Event(), awaited

    def pixels(self, image: Image.Image) -> np.ndarray:
        self.read += 1
        if self.read >= self.awaited:
            self.enough.set()
        return super().pixels(image)

    def encode_pixels(self, pixels: np.ndarray, attaches: tuple[str, ...]) -> object:
        assert self.enough.wait(20), "nothing is read while the model works"
        return super().encode_pixels(pixels, attaches)


def test_the_next_range_is_read_while_the_model_works(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "WORKERS", 1)  # the pictures are read in their order
    one_batch = [range(3), range(4, 7), range(8, 11), range(12, 15)]
    chunks = list(embed_parts(job_of(faces, Stopped(awaited=8)), one_batch))
    assert [chunk.kept.tolist() for chunk in chunks] == [[0, 1, 2], [4, 5, 6], [8, 9, 10], [12, 13, 14]]


def test_ranges_are_asked_for_when_they_are_needed(faces: Path) -> None:
    """Planning may be costly, and what follows a run's end must not be read."""
    asked: list[int] = []

    def planned() -> object:
        for number, part in enumerate(PARTS):
            asked.append(number)
            yield part

    chunks = embed_parts(job_of(faces), planned())
    assert asked == []
    next(chunks)
    assert asked == [0, 1]
    threads = threading.active_count()
    chunks.close()
    assert threading.active_count() < threads, "closing stops the readers"


def test_memory_for_pixels_is_used_again(faces: Path) -> None:
    class Counted(FakeBackbone):
        buffers = 0

        def pixel_buffer(self, n: int) -> np.ndarray:
            self.buffers += 1
            return super().pixel_buffer(n)

    backbone = Counted()
    assert sum(1 for _ in embed_parts(job_of(faces, backbone), PARTS)) == 5
    assert backbone.buffers <= embedding.READ_AHEAD + 2, "15 batches pass through a few buffers"


# --- faster, and said so ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_backbone(tiny_clip.saved(tmp_path_factory.mktemp("clip")), device="cpu")


def photographs(folder: Path) -> ItemTable:
    """Six JPEG files with some structure, several times as large as the model reads."""
    folder.mkdir()
    for i, picture in enumerate(tiny_clip.pictures(6)):
        picture.resize((16, 12)).resize((400, 300), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)
    return DATASETS.get("folder")().items(folder)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_half_precision_is_near_and_said(clip: Backbone, tmp_path: Path) -> None:
    items, both = photographs(tmp_path / "p"), ("pooled", "residual")
    exact = build_gallery(items, clip, tmp_path / "exact", attaches=both)
    half = build_gallery(items, clip, tmp_path / "half", attaches=both, speed=Speed("bfloat16"))
    assert 1e-5 < relative(half.embeddings(), exact.embeddings()) < 0.02
    readout = half.readout()(half.embeddings("residual")[:])
    np.testing.assert_allclose(readout, half.embeddings(), atol=1e-5, err_msg="the readout stays float32")
    assert half.manifest["speed"] == {"precision": "bfloat16"} and "speed" not in exact.manifest
    assert any("bfloat16" in note for note in half.manifest["notes"])


def test_reduced_reading_is_near_and_said(clip: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = photographs(tmp_path / "p")
    exact = build_gallery(items, clip, tmp_path / "exact")
    seen: list[tuple[int, int]] = []
    pixels = type(clip).pixels
    monkeypatch.setattr(type(clip), "pixels", lambda self, image: (seen.append(image.size), pixels(self, image))[1])
    reduced = build_gallery(items, clip, tmp_path / "reduced", speed=Speed(reduced=True))
    assert set(seen) == {(100, 75)}, "a quarter of 400 x 300 is the smallest with both sides over twice 32"
    assert 0 < relative(reduced.embeddings(), exact.embeddings()) < 0.02
    assert reduced.manifest["speed"] == {"reduced": True}
    assert any("reduced size" in note for note in reduced.manifest["notes"])


@pytest.mark.parametrize("vision", [{}, {"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}], ids=["vit", "resnet"])
def test_a_compiled_model_gives_its_own_numbers(
    vision: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch.compile is given can be traced in one piece; the code it makes of it is PyTorch's own matter."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    config = tiny_clip.config(vision)
    save_clip(tmp_path, tiny_clip.model(config), config, tiny_clip.PREPROCESS, tiny_clip.vocabulary(), torch.float32)
    model = load_backbone(f"local-dir:{tmp_path}", device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for n in (5, 3):
        found = model.encode_pixels(pixels[:n], compiled=True)()["pooled"]
        np.testing.assert_allclose(found, model.encode_pixels(pixels[:n])()["pooled"], atol=1e-6)


def test_a_machine_without_a_compiler_says_so(clip: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise OSError("no compiler")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=none))
    vars(clip).pop("_compiled", None)
    with pytest.raises(InputError, match=r"cannot be compiled on this machine; leave --compile out"):
        clip.encode_pixels(np.zeros((1, 32, 32, 3), np.uint8), compiled=True)
    vars(clip).pop("_compiled")


def test_captions_have_no_such_speed(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("text\na man\n")
    items = DATASETS.get("captions")().items(tmp_path / "c.csv")
    with pytest.raises(InputError, match="reduced was asked for captions"):
        build_gallery(items, FakeBackbone(), tmp_path / "g", speed=Speed(reduced=True))


@pytest.mark.parametrize("precision", ["int8", "auto"])
def test_precisions_are_those_of_autocast(precision: str) -> None:
    assert Speed("float16").chosen == {"precision": "float16"} and Speed("float32").chosen == {}
    with pytest.raises(InputError, match=f"precision was '{precision}'; expected one of float32, bfloat16, float16"):
        Speed(precision)
