"""The bar of the command line: what an earlier run had done is no part of its speed."""

import time

import pytest
import tqdm

from core.cli import output
from core.config import KEPT


def test_kept_work_is_no_part_of_the_rate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(output, "BAR_DELAY", 0.0)
    bars = []
    real = tqdm.tqdm

    def made(*arguments, **named):
        bars.append(real(*arguments, **named))
        return bars[-1]

    monkeypatch.setattr(tqdm, "tqdm", made)
    with output.progress_bar() as report:
        report(0, 10_000, "images")
        for done in (4_000, 8_000):
            report(done, 10_000, f"images: {KEPT}")
        time.sleep(0.2)
        report(8_100, 10_000, "images")
        told = bars[0].format_dict
        assert told["n"] == 8_100 and told["initial"] == 8_000
        rate = (told["n"] - told["initial"]) / told["elapsed"]
        assert 50 < rate < 600, "100 pictures in some .2 s, and not 8,100"
        report(1, 5, "rows put together")
    assert len(bars) == 2, "and what comes afterwards has a bar of its own"
    assert KEPT in capsys.readouterr().err
