"""Grids tell the rank, how it changed, and the group, in signs and words."""

import pytest

from core.ui.parts import grids


def words(caption: grids.Caption) -> list[list[str]]:
    return [[text for text, _ in line] for line in caption]


def test_a_move_is_a_sign_with_its_size() -> None:
    assert [grids.moved(rank, 4)[0] for rank in (1, 6, 4)] == ["▲3", "▼2", "="]
    assert grids.moved(4, None)[0] == "new"


def test_captions_mark_what_left_and_what_came() -> None:
    groups = ["Female", "Male", None]
    assert words(grids.ranked_caption(2, 1, groups, {0: 1}, "before")) == [["2", "left"], ["Male"]]
    assert words(grids.ranked_caption(1, 0, groups, {0: 1}, "before")) == [["1"], ["Female"]]
    assert words(grids.ranked_caption(2, 2, groups, {0: 1}, "after")) == [["2", "new"], ["unknown"]]
    assert words(grids.ranked_caption(17, 0, groups, None, "before")) == [["17"], ["Female"]]


def test_text_of_a_data_set_stays_literal() -> None:
    assert grids.escape("a *bold* [link](x)").replace("\u2060", "") == "a \\*bold\\* \\[link\\](x)"


def test_a_missing_picture_is_a_safe_grey_square() -> None:
    drawn = grids._blank('<script>"x"')
    assert drawn.startswith("data:image/svg+xml,") and "<" not in drawn and "scriptx" in drawn


def test_an_upload_is_marked_and_has_no_group() -> None:
    tile = grids.uploaded(b"x", "me.jpg", "3.20")
    assert words(tile.caption) == [["upload"], ["3.20"]] and tile.alt == "Your upload me.jpg"


def test_pages_are_never_none() -> None:
    assert [grids.pages(n, 16) for n in (0, 1, 16, 17)] == [1, 1, 1, 2]


def test_a_list_of_captions_keeps_the_marks_of_rank_and_move(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(grids.st, "markdown", said.append)
    grids._texts([grids.Tile(b"", "a *doctor*", grids.ranked_caption(3, 0, ["Male"], {}, "before"), "")])
    assert said == [":small[:gray[**3** :gray-badge[left]]]\u2002a \\*doctor\\*\u2002:small[:gray[Male]]"]
