"""SAEs of read tokens: which tokens they are trained on, what they carry, and which models they fit."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from core.cli import main
from core.config import InputError
from core.gallery import open_gallery
from core.lvlm.answering import prepare
from core.lvlm.audit import own_tokens, require_fits
from core.lvlm.models import load_lvlm
from core.lvlm.pictures import pictures_of
from core.lvlm.read_rows import read_fingerprint, read_rows
from core.saes.checkpoint import load_sae


@cache
def model():
    return load_lvlm(device="cpu")


class Few:
    """A gallery with its first pictures alone."""

    def __init__(self, n: int) -> None:
        self._whole, self._n = open_gallery("default"), n

    def rows(self, half: str) -> np.ndarray:
        return self._whole.rows(half)[: self._n]

    def __getattr__(self, name: str):
        return getattr(self._whole, name)


def test_rows_are_read_tokens_and_cls_is_always_among_them() -> None:
    rows = read_rows(model(), Few(20), "all", 3, seed=1)
    assert rows.shape == (60, 192)
    read = [
        part
        for one in prepare(model(), pictures_of(open_gallery("default"), np.arange(20)))
        for part in one.tokens.values()
    ]
    tokens = np.concatenate([part.numpy() for part in read])
    for i in range(20):
        own = rows[3 * i : 3 * i + 3]
        np.testing.assert_allclose(own[0], tokens[i, 0], atol=1e-4)
        apart = np.abs(own[:, None] - tokens[i][None]).max(-1)
        assert (apart.min(1) < 1e-4).all() and len(set(apart.argmin(1))) == 3
    # what is drawn of a picture does not depend on the others
    np.testing.assert_allclose(read_rows(model(), Few(5), "all", 3, seed=1), rows[:15], atol=1e-4)
    with pytest.raises(InputError, match="at least 1"):
        read_rows(model(), Few(2), per_item=0)


def test_an_sae_of_read_tokens_fits_its_model_alone(tmp_path, capsys, monkeypatch) -> None:
    command = [
        "sae",
        "train",
        "--gallery",
        "default",
        "--attach",
        "lvlm",
        "--per-item",
        "2",
        "--d-sae",
        "32",
        "--k",
        "4",
    ]
    command += ["--steps", "6", "--batch", "16", "--out", str(tmp_path / "sae"), "--json"]
    with monkeypatch.context() as patched:
        patched.setattr("core.gallery.open_gallery", lambda name: Few(40))
        assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["attach"] == "lvlm" and document["fvu"] is not None
    made = load_sae(tmp_path / "sae")
    assert made.fingerprint == read_fingerprint(model(), 192) and made.side == "image"
    require_fits(model(), made)
    assert own_tokens(model(), made) is None, "all read tokens are edited"
    asked = ["lvlm", "ask", "--question", "is this person smiling?", "--gallery", "default", "--item", "default-00001"]
    assert main([*asked, "--sae", str(tmp_path / "sae"), "--off", "1,2,3", "--json"]) == 0
    config = json.loads((tmp_path / "sae" / "config.json").read_text())
    config["fingerprint"]["preprocess"] = "another place"
    (tmp_path / "sae" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="preprocess differs"):
        require_fits(model(), load_sae(tmp_path / "sae"))
    capsys.readouterr()
    assert (
        main(
            [
                "rank",
                "--gallery",
                "default",
                "--attribute",
                "gender",
                "--query",
                "a photo of a doctor",
                "--sae",
                str(tmp_path / "sae"),
            ]
        )
        == 2
    )
    assert capsys.readouterr().err.strip().count("\n") == 0
