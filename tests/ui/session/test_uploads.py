"""Uploads are read as they come, kept small and without groups, and a bad one is one line."""

import io
from dataclasses import fields

import pytest
from PIL import Image

from core.config import InputError
from core.ui.session import uploads as room
from core.ui.session.uploads import Upload, Uploads, captions_in
from tests.ui.world import D, SmallModel


def picture(colour: tuple[int, ...] = (200, 40, 90), kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 48), colour).save(buffer, kind, **options)
    return buffer.getvalue()


def test_every_kind_of_picture_becomes_one_upload() -> None:
    frame = Image.new("RGB", (64, 48), (0, 0, 255))
    files = {
        "plain.png": picture(),
        "print.jpg": picture((10, 200, 30, 0), "JPEG", "CMYK"),
        "moving.gif": picture(kind="GIF", save_all=True, append_images=[frame]),
        "clear.png": picture((10, 20, 30, 40), "PNG", "RGBA"),
    }
    uploads = Uploads()
    assert uploads.add_images(files.items(), len(files), SmallModel()) == len(files)
    assert uploads.problems == []
    notes = {item.name: item.note for item in uploads.items}
    assert notes["plain.png"] is None
    assert "CMYK" in notes["print.jpg"]
    assert "first of 2" in notes["moving.gif"]
    for item in uploads.items:
        assert Image.open(io.BytesIO(item.picture)).format == "JPEG"
        assert item.embeddings["pooled"].shape == (D,)


def test_an_upload_has_no_place_for_a_group() -> None:
    names = {field.name for field in fields(Upload)}
    assert names == {"name", "kind", "digest", "embeddings", "picture", "text", "note"}


def test_pictures_are_embedded_in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counting(SmallModel):
        def encode_images(self, images, attaches=("pooled",), **_):
            sizes.append(len(images))
            return super().encode_images(images, attaches)

    monkeypatch.setattr(room, "CHUNK_PIXELS", 64 * 48 * 3)
    files = [(f"{i}.png", picture((i, 0, 0))) for i in range(8)]
    uploads, steps = Uploads(), []
    uploads.add_images(files, 8, Counting(), lambda done, total, what: steps.append((done, total)))
    assert sizes == [3, 3, 2]
    assert [item.name for item in uploads.items] == [name for name, _ in files]
    assert steps == [(i, 8) for i in range(8)]


def test_chunks_do_not_change_an_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [(f"{i}.png", picture((i * 20, 90, 0))) for i in range(8)]
    together, alone = Uploads(), Uploads()
    together.add_images(files, 8, SmallModel())
    monkeypatch.setattr(room, "CHUNK_ITEMS", 1)
    alone.add_images(files, 8, SmallModel())
    for a, b in zip(together.items, alone.items, strict=True):
        assert (a.embeddings["pooled"] == b.embeddings["pooled"]).all()


def test_a_session_holds_so_many_uploads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 3)
    uploads = Uploads()
    uploads.add_images([(f"{i}.png", picture((i, 0, 0))) for i in range(5)], 5, SmallModel())
    assert len(uploads.items) == 3
    assert len(uploads.problems) == 2
    uploads.add_captions(["a photo of a man"], SmallModel())
    assert len(uploads.items) == 3
    assert "limit" in uploads.problems[0]


def test_captions_are_evened_once_each_and_noted() -> None:
    uploads = Uploads()
    texts = ["a  photo of a man", "a photo of a man", "", "an astronaut", "the " * 60]
    assert uploads.add_captions(texts, SmallModel()) == 3
    notes = [item.note for item in uploads.items]
    assert notes[0] is None
    assert "astronaut" in notes[1]
    assert "its end is cut" in notes[2]


def test_another_model_refuses_old_uploads() -> None:
    uploads = Uploads()
    uploads.add_captions(["a photo of a man"], SmallModel())
    with pytest.raises(InputError, match="another model"):
        uploads.add_captions(["a photo of a woman"], SmallModel("6" * 64))


@pytest.mark.parametrize(
    ("name", "content", "captions", "said"),
    [
        ("lines.txt", "\ufeffone\n\n two \n".encode(), ["one", "two"], ["caption 2 of lines.txt: empty"]),
        (
            "table.csv",
            b"id,caption\n1,a doctor\n2,\n3,a nurse\n",
            ["a doctor", "a nurse"],
            ["caption 2 of table.csv: empty"],
        ),
        ("table.tsv", b"text\tgender\na doctor\tMale\n", ["a doctor"], []),
        ("caps.tsv", b'id\ttext\n1\t"a doctor\n2\ta teacher"\n', ['"a doctor', 'a teacher"'], []),
        ("f.token.txt", b"1.jpg#0\ta man .\n1.jpg#1\ta woman .\n", ["a man .", "a woman ."], []),
        ("none.csv", b"text\nNone\nNA\n", ["None", "NA"], []),
    ],
)
def test_captions_of_a_file(name: str, content: bytes, captions: list[str], said: list[str]) -> None:
    assert captions_in(name, content) == (captions, said)


def test_a_caption_with_a_comma_loses_nothing() -> None:
    with pytest.raises(InputError, match=r"row 1 .line 2. has 2 cells, the header has 1"):
        captions_in("captions.csv", b"caption\na photo of a doctor, smiling\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("picture.txt", b"\x89PNG\r\n\x1a\n\x00\xff\xfe"),
        ("zero.txt", b"a\0b"),
        ("none.csv", b"id,word\n1,x\n"),
        ("e.csv", b""),
    ],
)
def test_a_file_without_captions_is_one_line(name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=name) as error:
        captions_in(name, content)
    assert "\n" not in str(error.value)
