"""A build that was killed goes on and ends in the same bytes; one bad file costs one item."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.config import KEPT, Fingerprint, InputError
from core.datasets import DATASETS, ItemTable
from core.datasets.images import ReadImage
from core.gallery import build_gallery, building, embedding, open_gallery
from core.readout import ReadoutArrays

D, D_MODEL, WORDS = 5, 7, 77


class FakeBackbone:
    """Embeds a picture by its mean colour and a text by its letters; stops for good after `allowed` calls."""

    device, notes = "cpu", ("a note of the model",)

    def __init__(self, weights: str = "w1", allowed: int = 10**9, residual: bool = True) -> None:
        self.weights, self.allowed, self.residual, self.calls = weights, allowed, residual, 0
        rng = np.random.default_rng(0)
        self.into = rng.normal(size=(3, D_MODEL)).astype(np.float32)
        ones = np.ones(D_MODEL, np.float32)
        self.arrays = ReadoutArrays(ones, ones, 1e-5, rng.normal(size=(D_MODEL, D)).astype(np.float32))

    def fingerprint(self, side: str, attach: str, normalised: bool = False) -> Fingerprint:
        return Fingerprint("fake", self.weights, side, attach, self.dims(side, attach), normalised=normalised)

    def dims(self, side: str, attach: str) -> int | None:
        return D if attach == "pooled" else D_MODEL if self.residual else None

    def why_not(self, side: str, attach: str) -> str | None:
        return None if self.dims(side, attach) else "it pools all tokens"

    def readout(self, side: str) -> ReadoutArrays:
        return self.arrays

    def truncated(self, text: str) -> bool:
        return len(text.split()) > WORDS

    def pixels(self, image: Image.Image) -> np.ndarray:
        assert image.mode == "RGB"
        return np.asarray(image.resize((12, 9)))

    def pixel_buffer(self, n: int) -> np.ndarray:
        return np.full((n, 9, 12, 3), 255, np.uint8)

    def encode_pixels(self, pixels: np.ndarray, attaches: Sequence[str]) -> Callable[[], dict]:
        found = self._encode(pixels.astype(np.float32).mean((1, 2)), attaches)
        return lambda: found

    def encode_texts(self, texts: Sequence[str], attaches: Sequence[str], batch: int) -> dict:
        return self._encode(np.array([[len(t), t.count("a"), t.count("e")] for t in texts], np.float32), attaches)

    def _encode(self, x: np.ndarray, attaches: Sequence[str]) -> dict:
        self.calls += 1
        if self.calls > self.allowed:
            raise KeyboardInterrupt
        residual = (x + 1) @ self.into
        both = {"residual": residual, "pooled": self.arrays(residual)}
        return {attach: both[attach] for attach in attaches}


def make_faces(folder: Path) -> Path:
    """40 pictures of different colours with a table beside them."""
    root = folder / "faces"
    root.mkdir()
    for i in range(40):
        Image.new("RGB", (12, 9), (i, 255 - i, 7 * i % 256)).save(root / f"{i:02}.png")
    frame = pd.DataFrame({"file": [f"{i:02}.png" for i in range(40)], "g": list("FFFM") * 10})
    frame.to_csv(folder / "t.csv", index=False)
    return root


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return make_faces(tmp_path)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a gallery of these faces that was built in one go."""
    folder = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(building, "CHUNK", 8)
        return contents(build_gallery(items_of(make_faces(folder)), FakeBackbone(), folder / "g", **BOTH).path)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", 8)


def items_of(root: Path) -> ItemTable:
    return DATASETS.get("folder")().items(root, root.parent / "t.csv")


def contents(gallery: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in gallery.iterdir() if path.name != "manifest.json"}


BOTH = {"attaches": ("pooled", "residual"), "batch": 3}


def test_embeddings_labels_and_pictures_belong_together(faces: Path, tmp_path: Path) -> None:
    gallery = build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", **BOTH)
    colours = np.array([[i, 255 - i, 7 * i % 256] for i in range(40)], np.float32)
    backbone = FakeBackbone()
    np.testing.assert_allclose(gallery.embeddings("residual"), (colours + 1) @ backbone.into, rtol=1e-5)
    readout = gallery.readout()
    assert readout is not None
    np.testing.assert_allclose(readout(gallery.embeddings("residual")[:]), gallery.embeddings(), atol=1e-5)
    assert gallery.labels("g").tolist() == list("FFFM") * 10 and gallery.n == 40 and gallery.check() == []
    assert gallery.fingerprint("residual") == backbone.fingerprint("image", "residual")
    assert "a note of the model" in gallery.manifest["notes"]


@pytest.mark.parametrize("allowed", [0, 1, 4, 13])
def test_interrupted_and_resumed_equals_uninterrupted(
    faces: Path, tmp_path: Path, straight: dict[str, bytes], allowed: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_gallery(items_of(faces), FakeBackbone(allowed=allowed), tmp_path / "resumed", **BOTH)
    assert not (tmp_path / "resumed").exists() and (tmp_path / ".resumed.partial").is_dir()
    second = FakeBackbone()
    resumed = build_gallery(items_of(faces), second, tmp_path / "resumed", **BOTH)
    assert contents(resumed.path) == straight
    assert second.calls == 15 - allowed // 3 * 3, "finished chunks (3 calls each) are not embedded again"
    assert sorted(p.name for p in tmp_path.iterdir() if "resumed" in p.name) == ["resumed"]


@pytest.mark.parametrize("step", ["_assemble", "finish_gallery", "publish"])
def test_a_kill_while_the_parts_are_joined_loses_nothing(
    faces: Path, tmp_path: Path, straight: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(building, step, stop)
        build_gallery(items_of(faces), FakeBackbone(), tmp_path / "resumed", **BOTH)
    second = FakeBackbone()
    resumed = build_gallery(items_of(faces), second, tmp_path / "resumed", **BOTH)
    assert second.calls == 0 and contents(resumed.path) == straight


def test_a_half_written_chunk_is_made_again(faces: Path, tmp_path: Path, straight: dict[str, bytes]) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_gallery(items_of(faces), FakeBackbone(allowed=7), tmp_path / "g", **BOTH)
    chunk = tmp_path / ".g.partial" / "chunk-000001.npz"
    chunk.write_bytes(chunk.read_bytes()[:50])
    assert contents(build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", **BOTH).path) == straight


def test_kept_chunks_of_other_pictures_or_another_model_are_not_used(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_gallery(items_of(faces), FakeBackbone(allowed=9), tmp_path / "g", **BOTH)
    Image.new("RGB", (30, 30), "white").save(faces / "00.png")
    with pytest.raises(KeyboardInterrupt):
        build_gallery(items_of(faces), FakeBackbone(allowed=4), tmp_path / "g", **BOTH)
    other = FakeBackbone("w2")
    gallery = build_gallery(items_of(faces), other, tmp_path / "g", **BOTH)
    assert other.calls == 15 and gallery.check() == []
    assert contents(gallery.path) == contents(build_gallery(items_of(faces), other, tmp_path / "h", **BOTH).path)


def test_bad_files_are_listed_and_the_rest_is_built(faces: Path, tmp_path: Path) -> None:
    (faces / "03.png").write_text("no picture")
    (faces / "08.png").write_bytes((faces / "09.png").read_bytes()[:40])
    (faces / "20.png").unlink()
    for i in range(24, 32):
        (faces / f"{i}.png").write_bytes(b"")  # a whole chunk
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(faces / "39.png")
    gallery = build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", **BOTH)
    bad = {3, 8, 20, *range(24, 32)}
    good = [i for i in range(40) if i not in bad]
    assert gallery.item_ids(np.arange(gallery.n)) == [f"{i:02}.png" for i in good]
    assert gallery.info()["problems"] == 11 and sorted(one.name for one in gallery.left_out) == [
        f"{i:02}.png" for i in bad
    ]
    assert "1 images: transparent parts were put on white" in gallery.manifest["notes"]
    assert gallery.labels("g").tolist() == ["FFFM"[i % 4] for i in good]
    whole = FakeBackbone()
    colours = np.array([[i, 255 - i, 7 * i % 256] for i in good[:-1]], np.float32)
    np.testing.assert_allclose(gallery.embeddings("residual")[:-1], (colours + 1) @ whole.into, rtol=1e-5)


def test_nothing_but_bad_files_is_an_error_without_a_trace(faces: Path, tmp_path: Path) -> None:
    for path in faces.iterdir():
        path.write_text("no picture")
    with pytest.raises(InputError, match=r"none of the 40 items .* 00\.png: no picture"):
        build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g")
    assert sorted(os.listdir(tmp_path)) == ["faces", "t.csv"]


def test_captions_are_built_and_long_ones_noted(tmp_path: Path) -> None:
    long = " ".join(["word"] * 5000)
    (tmp_path / "c.csv").write_text("text,g\n" + "".join(f"caption {i},F\n" for i in range(20)) + f",M\n{long},M\n")
    items = DATASETS.get("captions")().items(tmp_path / "c.csv")
    gallery = build_gallery(items, FakeBackbone(), tmp_path / "g", attaches=["residual"])
    assert gallery.kind == "captions" and gallery.side == "text" and gallery.n == 21
    assert gallery.text(20) == long and gallery.item_id(20) == "22" and gallery.thumb(0) == b""
    assert gallery.has("pooled") and gallery.has("residual"), "pooled embeddings are always stored"
    assert gallery.manifest["left_out"] == [{"name": "caption 21 of c.csv", "reason": "empty"}]
    assert "1 captions: longer than the model reads; the end is cut off" in gallery.manifest["notes"]


def test_items_that_are_no_files_are_drawn(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["1", "2", "3"], "file": ["10", "20", "30"], "g": ["F", "M", "F"]})
    items = ItemTable(frame, "images", "drawn")
    with pytest.raises(InputError, match="says no folder"):
        build_gallery(items, FakeBackbone(), tmp_path / "g")
    gallery = build_gallery(
        items,
        FakeBackbone(),
        tmp_path / "g",
        whole="evaluation",
        extra={"probe_gallery": "default-probe"},
        read=lambda file: ReadImage(Image.new("RGB", (8, 8), (int(file), 0, 0))),
    )
    assert gallery.n == 3 and gallery.manifest["split"] == {"seed": None, "whole": "evaluation"}
    with pytest.raises(InputError, match="its probe set is the gallery 'default-probe'"):
        gallery.rows("probe")


def test_half_precision_is_stored_on_request(faces: Path, tmp_path: Path) -> None:
    full = build_gallery(items_of(faces), FakeBackbone(), tmp_path / "full")
    half = build_gallery(items_of(faces), FakeBackbone(), tmp_path / "half", dtype="float16")
    assert (half.embeddings() == full.embeddings().astype(np.float16)).all()


def test_what_the_model_cannot_give_is_said(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no residual attach point.*it pools all tokens"):
        build_gallery(items_of(faces), FakeBackbone(residual=False), tmp_path / "g", attaches=["residual"])
    broken = FakeBackbone()
    broken.into[:] = np.nan
    with pytest.raises(InputError, match=r"no usable pooled embedding for '00\.png'"):
        build_gallery(items_of(faces), broken, tmp_path / "g")
    for options, message in (
        ({"dtype": "float8"}, "dtype"),
        ({"batch": 0}, "batch"),
        ({"attaches": ["end"]}, "attach"),
    ):
        with pytest.raises(InputError, match=message):
            build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", **options)
    assert sorted(os.listdir(tmp_path)) == ["faces", "t.csv"]


def test_what_comes_after_embedding_says_how_far_it_is_too(faces: Path, tmp_path: Path) -> None:
    """Putting the parts together and reading them for their digests is no silence behind a full bar."""
    seen: list[tuple[int, int, str]] = []
    build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", progress=lambda *now: seen.append(now))
    stages = list(dict.fromkeys(what.split(":")[0] for *_, what in seen))
    assert stages == ["images", "rows put together", "digests, MB"]
    for stage in stages:
        steps = [done for done, _, what in seen if what.startswith(stage)]
        assert steps == sorted(steps) and (steps[-1] > 0 or stage.startswith("digests"))


def test_progress_rises_to_the_number_of_items(faces: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", batch=3, progress=lambda *now: seen.append(now))
    done = [now[0] for now in seen]
    done = [now[0] for now in seen if now[2] == "images"]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 40 and {now[1] for now in seen[: len(done)]} == {40}


def test_a_resumed_build_says_what_was_kept(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", 8)
    seen: list[tuple[int, int, str]] = []

    def stops(done: int, total: int, what: str) -> None:
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", progress=stops)
    build_gallery(items_of(faces), FakeBackbone(), tmp_path / "g", progress=lambda *now: seen.append(now))
    kept = [done for done, _, what in seen if what.endswith(KEPT)]
    assert kept and kept == list(range(8, kept[-1] + 1, 8)) and kept[-1] < 40


def test_large_pictures_are_decoded_few_at_a_time(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_gallery(items_of(faces), FakeBackbone(), tmp_path / "whole")
    monkeypatch.setattr(embedding, "PIXEL_BUDGET", 250)  # two pictures of 12 x 9
    monkeypatch.setattr(embedding, "WORKERS", 8)
    counted = Counted()
    parts = build_gallery(items_of(faces), counted, tmp_path / "parts")
    assert counted.most == 2 and parts.digest == whole.digest == open_gallery(tmp_path / "parts").digest


class Counted(FakeBackbone):
    """Knows how many pictures were in memory at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def pixels(self, image: Image.Image) -> np.ndarray:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
        return super().pixels(image)
