"""The button that gives an edit as a file: there where something is edited, and the file runs."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.config import Edit
from core.portable import read_edit
from core.ui.compare import take_home
from core.ui.session import results
from tests.ui.compare.test_ui_compare import busiest, chosen, page, said

pytestmark = pytest.mark.usefixtures("small_model")


def test_the_file_is_the_edit_that_is_switched(world: dict[str, str], tmp_path: Path) -> None:
    state = chosen(world)
    state.set_edit("image", Edit((busiest(world, state),)))
    question = results.asked(state, "gender")
    with zipfile.ZipFile(io.BytesIO(take_home.zipped(question))) as packed:
        packed.extractall(tmp_path)
    edit = read_edit(tmp_path / "edit")
    assert edit.about["edits"]["image"]["neurons"] == [busiest(world, state)]
    assert edit.about["measured"][0]["query"] == state.query
    items = results.ranking(question)
    assert items.after is not None
    unit = edit.side("items")(np.asarray(question.gallery.embeddings("pooled"), dtype=np.float32))
    assert unit.shape[0] == question.gallery.n


def test_the_button_is_there_only_where_something_is_edited(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("compare-view", "numbers")
    assert "Take this edit home" not in [one.label for one in page("compare", state).get("download_button")]
    state.set_edit("image", Edit((busiest(world, state),)))
    test = page("compare", state)
    assert not test.exception, said(test)
    assert "Take this edit home" in [one.label for one in test.get("download_button")]
