"""Damaged files at every door: one line that no library wrote, nothing left behind, nothing lost unsaid.

`python -m tests.benchmarks doors` gives them many more.
"""

from pathlib import Path
from unittest import mock

import pytest

from core.backbones import base
from tests.benchmarks.doors import doors, one, wrong_files

DOORS, WRONG = doors(), wrong_files()
EACH = 2
"""Damaged files a door, and wrong ones."""


@pytest.fixture(scope="module", autouse=True)
def _one_model():
    model = base.load_model("default", None, "cpu")
    with mock.patch.object(base, "load_model", return_value=model):
        yield


@pytest.mark.parametrize("place", range(len(DOORS)), ids=[door.name for door in DOORS])
def test_every_door_keeps_or_refuses(place: int, tmp_path: Path) -> None:
    wrong = list(WRONG.values())
    for turn in range(EACH):
        kind = (3 * place + turn * 17) % len(wrong)  # other kinds at every door
        for number in (kind * len(DOORS) + place, (len(wrong) + turn) * len(DOORS) + place):
            found = one(DOORS[place], number, 3, tmp_path / "m", wrong)
            assert found["fault"] is None, found


def test_there_are_forty_wrong_files() -> None:
    assert len(WRONG) >= 40 and len(set(WRONG.values())) == len(WRONG)
