"""What was sent and not kept is said beside the field, and never read as an empty file."""

from types import SimpleNamespace
from typing import Any

import pytest

from core.access import NOBODY, acting_as
from core.ui.parts import offers
from core.ui.session import keeping


class Place:
    """A place of a page whose field gives what somebody has sent."""

    def __init__(self, sent: Any) -> None:
        self.sent, self.said = sent, []

    def file_uploader(self, *given: Any, **more: Any) -> Any:
        return self.sent

    def warning(self, line: str, icon: str = "") -> None:
        self.said.append(line)


KEPT, LOST = SimpleNamespace(file_id="kept", name="a.csv"), SimpleNamespace(file_id="lost", name="b.csv")


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_refused", {"lost"})


@pytest.mark.parametrize(
    ("sent", "many", "taken"),
    [(None, False, None), (KEPT, False, KEPT), (LOST, False, None), ([], True, []), ([KEPT, LOST], True, [KEPT])],
)
def test_a_file_above_a_limit_is_left_out_and_said(sent: Any, many: bool, taken: Any) -> None:
    place, lines = Place(sent), []
    assert offers.upload(place, "Files", accept_multiple_files=many) == taken
    lost = sent is LOST or (many and LOST in sent)
    assert len(place.said) == lost and all("b.csv was not kept: more than" in line for line in place.said)
    quiet = Place(sent)
    assert offers.upload(quiet, "Files", accept_multiple_files=many, refusals=lines) == taken
    assert not quiet.said and len(lines) == lost


def test_whoever_may_not_upload_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with acting_as(NOBODY):
        assert offers.upload(Place(KEPT), "A file") is None
        assert offers.upload(Place([KEPT]), "Files", accept_multiple_files=True) == []
