"""Answers drawn from the files of their report: evidence is opened once, and again where it is another one."""

from __future__ import annotations

import io

import numpy as np
import pytest

from core.ui.ask import answered


def evidence(rows: list[int]) -> dict[str, bytes]:
    file = io.BytesIO()
    np.savez(file, rows=np.array(rows))
    return {answered.EVIDENCE: file.getvalue()}


def test_rows_are_read_once_for_the_same_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered._rows(evidence([7, 3])).tolist() == [7, 3]
    assert answered._rows(evidence([8, 3])).tolist() == [8, 3]

    def read_again(*arguments: object) -> None:
        raise AssertionError("the evidence was opened again")

    monkeypatch.setattr(answered, "read_arrays", read_again)
    assert answered._rows(evidence([7, 3])).tolist() == [7, 3]
