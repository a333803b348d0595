"""SEM's published folders become galleries with their folds; what does not fit together is a line that names it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.config import InputError
from core.gallery import import_sem

N, D, FOLDS = 40, 8, 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set's folder as the authors' scripts write it."""
    root = tmp_path / "CelebA"
    root.mkdir()
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, N) * 2 - 1
    frame = pd.DataFrame({"file_name": [f"{i:06}.jpg" for i in range(N)], "Male": male, "Blond_Hair": -male})
    frame["gender"] = np.where(male == 1, "Male", "Female")
    frame["age"] = rng.integers(0, 90, N)
    frame["file_path"] = "Img/img_align_celeba/" + frame["file_name"]
    frame.to_feather(root / "metadata.feather")
    for model in ("ViT-B-16", "RN50"):
        x = rng.normal(size=(N, D)).astype(np.float32) * 3 + 1
        np.save(root / f"CLIP_{model}_embeddings.npy", x)
    shuffler, order, train, val = np.random.RandomState(42), np.arange(N), [], []
    for _ in range(FOLDS):
        shuffler.shuffle(order)
        train.append(order[: N // 2].astype(np.uint32))
        val.append(order[N // 2 :].astype(np.uint32))
    np.save(root / "train_indices.npy", np.stack(train))
    np.save(root / "val_indices.npy", np.stack(val))
    return root


def test_a_published_folder(folder: Path, tmp_path: Path) -> None:
    gallery = import_sem(folder, tmp_path / "gallery", model_name="ViT-B-16")
    assert gallery.n == N and gallery.kind == "images" and not gallery.has_thumbs
    assert gallery.attributes == ["Blond_Hair", "gender", "age"]
    assert set(gallery.labels("Blond_Hair")) == {"yes", "no"} and set(gallery.labels("gender")) == {"Male", "Female"}
    assert set(gallery.labels("age")) <= {"0-2", "3-9", "more than 70", *(f"{a}-{a + 9}" for a in range(10, 70, 10))}
    fingerprint = gallery.fingerprint()
    assert (fingerprint.model, fingerprint.quick_gelu, fingerprint.normalised) == (
        "ViT-B-16-quickgelu:openai",
        True,
        False,
    )
    np.testing.assert_array_equal(gallery.embeddings(), np.load(folder / "CLIP_ViT-B-16_embeddings.npy"))
    val = np.load(folder / "val_indices.npy")
    np.testing.assert_array_equal(gallery.rows("evaluation"), np.sort(val[0]))
    np.testing.assert_array_equal(np.load(gallery.path / "folds.npy"), val)
    assert gallery.manifest["split"]["official"].startswith("first of SEM's folds") and gallery.check() == []


def test_without_folds_the_gallery_splits_itself(folder: Path, tmp_path: Path) -> None:
    for name in ("train_indices.npy", "val_indices.npy"):
        (folder / name).unlink()
    gallery = import_sem(folder, tmp_path / "gallery", model_name="RN50")
    assert gallery.manifest["split"] == {"seed": 0, "whole": None} and len(gallery.rows("probe")) == N // 2


def test_the_command_line_reads_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pd.DataFrame({"prompt": ["a photo of a hero"]}).to_csv(tmp_path / "t.csv", index=False)
    np.save(tmp_path / "t.npy", np.ones((1, D), np.float32))
    arguments = ["gallery", "import", "--format", "sem", "--root", str(folder), "--model-name", "RN50"]
    arguments += ["--texts", f"{tmp_path}/t.npy", "--text-table", f"{tmp_path}/t.csv"]
    assert main([*arguments, "--out", f"{tmp_path}/g", "--json"]) == 0
    assert '"prompts": 1' in capsys.readouterr().out
    assert main([*arguments, "--out", f"{tmp_path}/h", "--table", "x.csv"]) == 2
    assert main(["gallery", "import", "--out", f"{tmp_path}/h", "--embeddings", "x.npy"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (lambda f: (f / "CLIP_RN50_embeddings.npy").unlink(), "'RN50' is not there"),
        (lambda f: (f / "metadata.feather").unlink(), "metadata.feather does not exist"),
        (lambda f: (f / "metadata.feather").write_bytes(b"junk"), "metadata.feather cannot be read"),
        (lambda f: np.save(f / "CLIP_RN50_embeddings.npy", np.ones((N - 1, D), np.float32)), "39 rows but"),
        (lambda f: (f / "val_indices.npy").unlink(), "has train_indices.npy alone"),
        (lambda f: np.save(f / "val_indices.npy", np.load(f / "train_indices.npy")), "do not divide the 40 rows"),
        (lambda f: np.save(f / "val_indices.npy", np.arange(3)), "the folds have shapes"),
    ],
)
def test_a_broken_folder_is_one_line(folder: Path, tmp_path: Path, breaks, words: str) -> None:
    breaks(folder)
    with pytest.raises(InputError, match=words) as error:
        import_sem(folder, tmp_path / "gallery", model_name="RN50")
    assert "\n" not in str(error.value) and not (tmp_path / "gallery").exists()


def test_several_models_need_a_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several models are there; give --model-name as one of RN50, ViT-B-16"):
        import_sem(folder, tmp_path / "gallery")
    with pytest.raises(InputError, match="is no folder"):
        import_sem(folder / "absent", tmp_path / "gallery")
