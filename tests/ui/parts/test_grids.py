"""Grids tell the rank, how it changed, and the group, in signs and words."""

import pytest

from core.ui.parts import grids


def test_a_move_is_a_sign_with_its_size() -> None:
    assert "▲3" in grids.moved(1, 4)
    assert "▼2" in grids.moved(6, 4)
    assert "=" in grids.moved(4, 4)
    assert "new" in grids.moved(4, None)


def test_captions_mark_what_left_and_what_came() -> None:
    groups = ["Female", "Male", None]
    assert "left" in grids.ranked_caption(2, 1, groups, {0: 1}, "before")
    assert "left" not in grids.ranked_caption(1, 0, groups, {0: 1}, "before")
    assert "new" in grids.ranked_caption(2, 2, groups, {0: 1}, "after")
    assert "unknown" in grids.ranked_caption(2, 2, groups, {0: 1}, "after")
    assert grids.ranked_caption(17, 0, groups, None, "before") == "**17**  \nFemale"


def test_text_of_a_data_set_stays_literal() -> None:
    assert grids.escape("a *bold* [link](x)").replace("\u2060", "") == "a \\*bold\\* \\[link\\](x)"


def test_a_missing_picture_is_a_safe_grey_square() -> None:
    drawn = grids._blank('<script>"x"')
    assert "<script" not in drawn and "scriptx" in drawn


def test_an_upload_is_marked_and_has_no_group() -> None:
    tile = grids.uploaded(b"x", "me.jpg", "3.20")
    assert "upload" in tile.caption and "3.20" in tile.caption and tile.alt == "Your upload me.jpg"


def test_pages_are_never_none() -> None:
    assert [grids.pages(n, 16) for n in (0, 1, 16, 17)] == [1, 1, 1, 2]


def test_a_list_of_captions_keeps_the_marks_of_rank_and_move(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(grids.st, "markdown", said.append)
    grids._texts([grids.Tile(b"", "a *doctor*", grids.ranked_caption(3, 0, ["Male"], {}, "before"), "")])
    assert said == [":small[:gray[**3** :gray-badge[left]]]\u2002a \\*doctor\\*\u2002:small[:gray[Male]]"]
