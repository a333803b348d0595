"""How long a stage will still take: said once its pace is known, in round numbers."""

import pytest

from core.ui.session.jobs import remaining


@pytest.mark.parametrize(
    ("elapsed", "share", "said"),
    [
        (1.0, 0.5, ""),
        (10.0, 0.0, ""),
        (10.0, 0.9, ""),
        (10.0, 0.5, ", about 10 s left"),
        (10.0, 0.2, ", about 40 s left"),
        (60.0, 0.25, ", about 3 min left"),
        (10.0, 1.0, ""),
    ],
)
def test_what_is_said_of_the_rest(elapsed: float, share: float, said: str) -> None:
    assert remaining(elapsed, share) == said
