"""Sums over every row that edits share are written with the codes, and say to the bit what making them again would."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.config import ASSETS, Edit, InputError
from core.gallery import Gallery, open_gallery
from core.gallery.codes import codes_folder
from core.neurons import encode_gallery, encoding
from core.ranking import RankRequest
from core.ranking.items import item_material
from core.ranking.live_items import engine_for, live_engine
from core.ranking.rows import part_of
from core.ranking.shards import Shard
from core.retrieval.sums import GallerySums
from core.saes.checkpoint import SAEFile, load_sae
from core.scene import Scene

SAES = {"pooled": "default-image", "residual": "default-image-residual"}
EDITS = [
    Edit((1, 4), form=form, strength=strength, gamma=gamma, alpha=0.4)
    for form in ("error-preserving", "blend")
    for strength, gamma in ((1.0, 0.0), (0.7, 0.3))
]


@pytest.fixture(params=list(SAES))
def made(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Gallery, SAEFile]:
    """A copy of the shipped gallery, encoded as one of many rows is, and the SAE."""
    folder = shutil.copytree(ASSETS / "galleries" / "default", tmp_path / "gallery")
    sae_file = load_sae(ASSETS / "saes" / SAES[request.param])
    monkeypatch.setattr(encoding, "SUMMED_ROWS", 1)
    told: list[str] = []
    encode_gallery(open_gallery(folder), sae_file, progress=lambda done, total, what: told.append(what))
    last = "summing over the reconstructions"
    assert told[-1] == last and ("summing over the rows" in told) is (request.param == "residual")
    return open_gallery(folder), sae_file


def _scene(gallery: Gallery, sae_file: SAEFile) -> tuple[Scene, RankRequest]:
    return Scene(gallery, {"image": sae_file}), RankRequest("gender", query_embedding=gallery.embeddings("pooled")[0])


def test_an_edit_by_kept_sums_is_the_edit_to_the_bit_and_sums_nothing(made, monkeypatch) -> None:
    gallery, sae_file = made
    scene, request = _scene(gallery, sae_file)
    part, query = part_of(scene, request), np.asarray(request.query_embedding)
    fresh = live_engine(item_material(scene, part, sae_file))
    wanted = [(fresh.scores(query, edit), fresh.edited(edit).cosines) for edit in EDITS]
    for name in ("_sum_stored", "_sum_reconstructed"):
        monkeypatch.setattr(GallerySums, name, lambda *_: pytest.fail("these sums are kept"))
    kept, _ = engine_for(scene, part)
    for edit, (scores, cosines) in zip(EDITS, wanted, strict=True):
        np.testing.assert_array_equal(kept.scores(query, edit), scores)
        np.testing.assert_array_equal(kept.edited(edit).cosines, cosines)


def test_a_shard_reads_the_sums_of_its_own_rows(made, monkeypatch) -> None:
    gallery, sae_file = made
    for rows in (np.arange(300, 700), np.arange(1, 900, 3)):
        live, material = Shard(gallery.path, gallery.digest, rows, sae_file, 0)._editable
        alone = live_engine(material)
        for edit in EDITS:
            query = np.asarray(gallery.embeddings("pooled")[1])
            np.testing.assert_allclose(live.scores(query, edit), alone.scores(query, edit), atol=1e-6)
        assert live.gallery.sums._kept is not None


def test_a_part_of_the_gallery_makes_its_own(made) -> None:
    gallery, sae_file = made
    scene, request = _scene(gallery, sae_file)
    group = gallery.labels("age")[0]
    some = RankRequest("gender", query_embedding=request.query_embedding, where={"age": group})
    live, _ = engine_for(scene, part_of(scene, some))
    assert live.gallery.sums._kept is None and live.edited(EDITS[-1]).count < gallery.n


def test_sums_are_checked_as_codes_are(made) -> None:
    gallery, sae_file = made
    path = codes_folder(gallery.path, sae_file.digest) / "sums.npy"
    assert gallery.check() == []
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert gallery.check() == [f"{path.relative_to(gallery.path)} was changed after it was written"]
    for wrong in (np.zeros((4, 7)), np.zeros((4, gallery.n), dtype=np.float32), np.zeros(gallery.n)):
        np.save(path, wrong)
        with pytest.raises(InputError, match=r"sums\.npy .*remove that folder and encode again"):
            open_gallery(gallery.path).codes(sae_file.digest)
    np.save(path, np.zeros((3, gallery.n)))
    scene, request = _scene(open_gallery(gallery.path), sae_file)
    with pytest.raises(InputError, match=r"have shape \(3, 2016\), expected .*encode the gallery again"):
        engine_for(scene, part_of(scene, request))
    path.unlink()
    scene, request = _scene(open_gallery(gallery.path), sae_file)
    assert engine_for(scene, part_of(scene, request))[0].edited(EDITS[0]).count > 0, "made when they are needed"


def test_a_stop_while_they_are_made_leaves_the_codes_that_were_there(made, monkeypatch) -> None:
    gallery, sae_file = made
    folder = codes_folder(gallery.path, sae_file.digest)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GallerySums, "keep", stopped)
    with pytest.raises(KeyboardInterrupt):
        encode_gallery(gallery, sae_file)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not list(folder.parent.glob(".*"))


def test_few_rows_are_summed_when_they_are_needed(tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS / "galleries" / "default", tmp_path / "gallery")
    sae_file = load_sae(ASSETS / "saes" / SAES["pooled"])
    assert encode_gallery(open_gallery(folder), sae_file).sums is None
