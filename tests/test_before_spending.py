"""What something takes is estimated before it is spent: above the ceiling it is refused with the estimate."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core import reading
from core.backbones.base import load_model
from core.cli import main
from core.config import InputError
from core.gallery.embedding_files import open_rows
from core.tables.read import read_table

SAID = r"takes about .* GB of memory, more than 0% of this machine's"


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MEMORY_SHARE", 1e-12)


def test_tables_and_embeddings_say_what_they_take(tmp_path: Path, little: None) -> None:
    rows = pd.DataFrame({"id": [f"i{i}" for i in range(40)], "x": np.arange(40.0), "y": 1.0})
    rows.to_csv(tmp_path / "t.csv", index=False)
    rows.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(InputError, match=f"reading the table .*{name} {SAID}"):
            read_table(tmp_path / name)
        with pytest.raises(InputError, match=f"reading the embeddings in .*{name} {SAID}"):
            open_rows(tmp_path / name, "embeddings")
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    assert open_rows(tmp_path / "x.npy", "embeddings").array.shape == (3, 2), "read by rows, however large"


def test_models_say_what_they_take(tmp_path: Path, little: None) -> None:
    with pytest.raises(InputError, match=f"loading the model default {SAID}"):
        load_model("default", None, "cpu")
    from core.lvlm.models import load_lvlm

    for name in ("config.json", "processor_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(bytes(100))
    with pytest.raises(InputError, match=f"loading the model local-dir:{tmp_path} {SAID}"):
        load_lvlm(f"local-dir:{tmp_path}", device="cpu")


def test_a_folder_is_not_encoded_where_the_disk_cannot_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.new("RGB", (24, 24), (80 * i, 90, 120)).save(tmp_path / "pictures" / f"{i}.png")
    monkeypatch.setattr("core.store.shutil.disk_usage", lambda _: type("Usage", (), {"free": 5_000}))
    monkeypatch.setattr("core.gallery.building._work", lambda *_: pytest.fail("nothing is encoded"))
    command = ["gallery", "build", "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{tmp_path}/out" in said and "it needs 15,072 bytes, 5,000 bytes are free" in said
    assert not (tmp_path / "out").exists()
