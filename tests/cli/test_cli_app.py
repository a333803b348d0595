"""The command line's frame: what fails there is one line."""

from types import SimpleNamespace

import pytest

from core.cli import app


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")])
def test_too_little_memory_is_one_line(capsys, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(**options: object) -> None:
        raise error

    monkeypatch.setattr(app, "parser_of", lambda verb: SimpleNamespace(main=fail))
    assert app.main(["rank"]) == app.BAD_INPUT
    said = capsys.readouterr().err
    assert "needs more memory than the machine has" in said and said.count("\n") == 1
