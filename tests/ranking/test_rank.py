"""From picture to number: what a ranking says, what an edit changes, and that no edit changes nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse

from core import ranking
from core.config import Edit, InputError
from core.gallery import Codes
from core.ranking import RankRequest
from core.retrieval import same_ranking, search
from core.scene import Bench, Scene
from core.statistics import biased_means
from core.units import unit_rows
from tests.tiny import (
    CAPTIONS,
    GROUPS,
    IMAGES,
    QUERY,
    READOUT,
    D,
    N,
    TinyBackbone,
    busy_neurons,
    dense_codes,
    fingerprint,
    sae_file,
)

both_kinds = pytest.mark.parametrize("gallery", [IMAGES, CAPTIONS], ids=["images", "captions"])
both_attaches = pytest.mark.parametrize("attach", ["pooled", "residual"])


def ask(gallery=IMAGES, **choices) -> ranking.RankResult:
    saes = choices.pop("saes", {})
    backbone = choices.pop("backbone", TinyBackbone())
    bench = choices.pop("bench", Bench())
    choices = {"attribute": "gender", "query": QUERY, "k": 50, "null_draws": 200, **choices}
    return ranking.rank(Scene(gallery, saes, backbone, bench=bench), RankRequest(**choices))


# --------------------------------------------------------------------------------------------- the baseline


def test_the_ranking_is_the_exact_search():
    result = ask()
    query = TinyBackbone().encode_texts([QUERY])["pooled"][0]
    exact = search(IMAGES.unit(), query, 50)
    np.testing.assert_array_equal(result.before.rows, exact.rows)
    np.testing.assert_allclose(result.before.scores, exact.scores, atol=1e-6)
    assert result.before.ids == tuple(f"item-{row}" for row in exact.rows)
    assert result.after is None and result.difference is None


def test_shares_are_over_known_rows_and_unknown_ones_are_counted():
    result = ask()
    labels = IMAGES.group_numbers("gender")[result.before.rows]
    known = int((labels >= 0).sum())
    assert result.before.unknown == 50 - known > 0
    for g, group in enumerate(GROUPS):
        share = result.before.shares[group]
        assert (share.estimate, share.n) == (float((labels == g).sum() / known), known)
        searched = np.bincount(IMAGES.group_numbers("gender")[IMAGES.group_numbers("gender") >= 0])
        lo, hi = biased_means((labels == g).sum(), searched[g], searched.sum(), known)
        assert (share.lo, share.hi) == pytest.approx((lo / known, hi / known))
    assert sum(s.estimate for s in result.before.shares.values()) == pytest.approx(1.0)
    assert all(m.n == known for m in result.before.metrics.values())
    assert any("no known gender" in note for note in result.notes)


def test_json_is_as_the_command_line_promises():
    file = sae_file("image", "pooled")
    edit = Edit(busy_neurons(IMAGES, file))
    document = ask(edits={"image": edit}, saes={"image": file}).to_json()
    document = json.loads(json.dumps(document, allow_nan=False))
    assert document["schema"] == 2 and document["k"] == 50 and document["target"] == "gallery"
    assert document["digests"]["gallery"] == IMAGES.digest and document["digests"]["saes"] == {"image": file.digest}
    for arm in ("before", "after"):
        assert {"ids", "scores", "shares", "max_skew", "min_skew", "ndkl", "kl", "unknown"} <= set(document[arm])
        assert len(document[arm]["ids"]) == len(document[arm]["scores"]) == 50
        assert set(document[arm]["shares"]["Male"]) == {"estimate", "lo", "hi", "n"}
        assert len(document[arm]["max_skew"]["null"]) == 2
        assert document[arm]["max_skew"]["distinguishable"] in (True, False)
    difference = document["difference"]
    assert (
        set(difference["shares"]) == set(GROUPS) and difference["max_skew"]["n"] == document["after"]["max_skew"]["n"]
    )
    assert len(difference["entered"]) == len(difference["left"])
    assert set(document["after"]["ids"]) == set(document["before"]["ids"]) - set(difference["left"]) | set(
        difference["entered"]
    )


def test_equal_requests_give_equal_results():
    file = sae_file("image", "pooled")
    choices = {"edits": {"image": Edit(busy_neurons(IMAGES, file))}, "saes": {"image": file}}
    first, second = ask(**choices), ask(**choices)
    assert first.to_json() == second.to_json()
    assert first.request == second.request and hash(first.request) == hash(second.request)
    assert ask(**choices, seed=1).request.digest != first.request.digest


# ------------------------------------------------------------------------------- no edit changes nothing


@both_kinds
@both_attaches
@pytest.mark.parametrize(
    "edit",
    [
        Edit(),
        Edit((1, 2), strength=0.0, gamma=3.0),
        Edit((1, 2), form="blend", alpha=0.0, gamma=3.0),
    ],
    ids=["no-neuron", "strength-0", "alpha-0"],
)
@pytest.mark.parametrize("side", ["own", "query"])
def test_an_edit_of_nothing_is_the_untouched_ranking(gallery, attach, edit, side):
    if side == "query" and gallery.side == "text":
        side = "own"  # queries of captions are never edited
    edited = gallery.side if side == "own" else "text"
    result = ask(gallery, edits={edited: edit}, saes={edited: sae_file(edited, attach)})
    assert result.after.ids == result.before.ids
    np.testing.assert_array_equal(result.after.scores, result.before.scores)
    assert result.after.ids == ask(gallery).before.ids
    assert result.difference.rows_changed == 0 and result.difference.query_cosine == 1.0
    assert all(share.estimate == 0.0 for share in result.difference.shares.values())
    assert not result.difference.entered and not result.difference.left
    assert all(change.before == change.after for change in result.difference.rank_changes)


# -------------------------------------------------------------------------------- edits do what they should


@both_kinds
@both_attaches
@pytest.mark.parametrize("form", ["error-preserving", "blend"])
def test_editing_items_is_re_ranking_the_edited_gallery(gallery, attach, form):
    file = sae_file(gallery.side, attach)
    edit = Edit(busy_neurons(gallery, file), strength=0.8, form=form)
    result = ask(gallery, edits={gallery.side: edit}, saes={gallery.side: file})
    x = gallery.embeddings(attach).astype(np.float64)
    z, W = dense_codes(gallery.embeddings(attach), file).astype(np.float64), file.sae.W_dec.numpy().astype(np.float64)
    new = z.copy()
    new[:, list(edit.neurons)] *= 1 - 0.8
    blend, preserving = 0.6 * (new @ W + file.sae.b_dec.numpy()) + 0.4 * x, x - (z - new) @ W
    changed = blend if form == "blend" else preserving
    pooled = READOUT(changed) if attach == "residual" else changed
    query = TinyBackbone().encode_texts([QUERY])["pooled"][0]
    exact = search(unit_rows(pooled), query, 50)
    got = type(exact)(result.after.rows, result.after.scores)
    assert same_ranking(got, exact, 2e-6)
    assert result.difference.entered and result.difference.query_cosine == 1.0
    touched = (z != new).any(axis=1).sum() if form == "error-preserving" else gallery.n
    assert result.difference.rows_changed == touched
    assert result.difference.cosine.lo <= result.difference.cosine.estimate < 1.0


@both_attaches
def test_a_text_edit_changes_the_query_and_no_image(attach):
    file = sae_file("text", attach)
    x = TinyBackbone().encode_texts([QUERY], ("residual", "pooled"))[attach]
    edit = Edit(tuple(int(j) for j in np.flatnonzero(dense_codes(x, file)[0])[:4]))
    result = ask(edits={"text": edit}, saes={"text": file})
    z, W = dense_codes(x, file)[0], file.sae.W_dec.numpy()
    moved = (x[0] - sum(z[j] * W[j] for j in edit.neurons))[None]
    vector = (READOUT(moved) if attach == "residual" else moved)[0]
    exact = search(IMAGES.unit(), vector, 50)
    assert same_ranking(type(exact)(result.after.rows, result.after.scores), exact, 1e-5)
    assert result.difference.rows_changed == 0 and result.difference.query_cosine < 0.999


def test_both_sides_at_once():
    files = {side: sae_file(side, "residual") for side in ("image", "text")}
    z = dense_codes(TinyBackbone().encode_texts([QUERY], ("residual",))["residual"], files["text"])[0]
    edits = {"image": Edit(busy_neurons(IMAGES, files["image"])), "text": Edit((int(z.argmax()),))}
    together = ask(edits=edits, saes=files)
    alone = ask(edits={"image": edits["image"]}, saes=files)
    assert together.difference.query_cosine < 1.0 and together.difference.rows_changed == alone.difference.rows_changed
    assert together.after.ids != alone.after.ids


def test_an_edit_that_leaves_the_numbers_is_refused():
    with pytest.raises(InputError, match="not finite; choose a smaller gamma"):
        ask(edits={"image": Edit((1,), gamma=3e38)}, saes={"image": sae_file("image", "residual")})


def test_rank_changes_count_over_all_rows():
    file = sae_file("image", "pooled")
    result = ask(edits={"image": Edit(busy_neurons(IMAGES, file, 8), gamma=2.0)}, saes={"image": file}, k=5)
    scores = IMAGES.unit() @ unit_rows(TinyBackbone().encode_texts([QUERY])["pooled"])[0]
    place = np.empty(N, dtype=int)
    place[np.argsort(-scores, kind="stable")] = np.arange(1, N + 1)
    for change in result.difference.rank_changes:
        assert change.before == place[change.row]
    assert [c.after for c in result.difference.rank_changes] == [1, 2, 3, 4, 5]


def test_stored_codes_are_used_and_give_the_same():
    file = sae_file("image", "residual")
    csr = sparse.csr_matrix(dense_codes(IMAGES.residual, file))
    stored = replace(IMAGES, stored={file.digest: Codes(csr, csr.tocsc())})
    choices = {"edits": {"image": Edit(busy_neurons(IMAGES, file))}, "saes": {"image": file}}
    for half in ("all", "evaluation"):
        a, b = ask(IMAGES, half=half, **choices), ask(stored, half=half, **choices)
        assert a.after.ids == b.after.ids
        np.testing.assert_allclose(a.after.scores, b.after.scores, atol=1e-6)


def test_a_bench_changes_no_result_and_saves_work():
    bench, file = Bench(), sae_file("image", "pooled")
    choices = {"edits": {"image": Edit(busy_neurons(IMAGES, file))}, "saes": {"image": file}}
    first = ask(bench=bench, **choices)
    again = ask(bench=bench, **choices)
    assert first.to_json() == again.to_json() == ask(**choices).to_json()
    assert again.before is first.before and again.after is first.after
    other = ask(bench=bench, **{**choices, "attribute": "size"})
    assert other.before is not first.before and set(other.before.shares) == {"big", "small"}
    assert bench.nbytes > 0


def test_a_full_bench_forgets_the_oldest():
    bench = Bench(max_bytes=1000)
    made = []

    def make(i):
        return lambda: made.append(i) or np.zeros(400, dtype=np.uint8)

    for i in (1, 2, 1, 3, 1, 2):
        bench.remember(("a", i), make(i))
    assert made == [1, 2, 3, 2] and bench.nbytes <= 1000
    bench.remember(("big",), lambda: np.zeros(5000))
    assert bench.nbytes <= 1000


# --------------------------------------------------------------------------------------- parts and targets


def test_where_and_half_restrict_rows_and_target():
    result = ask(where={"size": "big"}, half="evaluation", target="gallery", k=20)
    rows = IMAGES.rows("evaluation", {"size": "big"})
    assert set(result.before.rows) <= set(rows) and result.part.n == len(rows)
    counts = np.bincount(IMAGES.group_numbers("gender")[rows] + 1, minlength=3)[1:]
    np.testing.assert_allclose(result.part.target, counts / counts.sum())


def test_absent_groups_are_named_and_not_counted():
    result = ask(attribute="size")
    counts = np.array(result.part.counts)
    assert result.part.groups == ("big", "small") and result.part.target == pytest.approx(counts / counts.sum())
    assert any("none" in note and "not counted" in note for note in result.notes)
    with pytest.raises(InputError, match="to none, but the searched rows hold big, small"):
        ask(attribute="size", target={"big": 0.4, "small": 0.4, "none": 0.2})


def test_one_group_has_no_skew_but_says_why():
    result = ask(where={"gender": "Male"}, k=10)
    assert result.before.shares["Male"].estimate == 1.0
    assert result.to_json()["before"]["max_skew"] == {
        "estimate": None,
        "reason": "the searched rows hold only one group",
    }


def test_k_of_everything_and_beyond():
    result = ask(k=N)
    assert len(result.before.ids) == N and not result.before.metrics["max_skew"].distinguishable
    with pytest.raises(InputError, match="k was 401; expected 1 to 400"):
        ask(k=N + 1)


# ------------------------------------------------------------------------------------- queries and refusals


def test_known_prompts_need_no_model():
    assert ask(backbone=None).before.ids == ask().before.ids
    with pytest.raises(InputError, match="near ones: a photo of a nurse"):
        ask(backbone=None, query="photo of the nurse")


def test_a_query_embedding():
    vector = TinyBackbone().encode_texts([QUERY])["pooled"][0]
    assert ask(query=None, query_embedding=vector, backbone=None).before.ids == ask().before.ids
    with pytest.raises(InputError, match="has 3 numbers; the searched embeddings have 12"):
        ask(query=None, query_embedding=[1, 2, 3])


def test_unknown_words_are_a_note():
    assert any("xyzzy" in note for note in ask(query="a xyzzy pilot").notes)


def test_another_model_is_refused():
    class Other(TinyBackbone):
        name = "other"

        def fingerprint(self, side, attach, normalised=False):
            return replace(fingerprint(side, attach), weights="o" * 64)

    with pytest.raises(InputError, match=r"'other' was made for .* gallery 'tiny' holds"):
        ask(backbone=Other(), query="a photo of a baker")
    assert ask(backbone=Other()).before.ids == ask().before.ids  # the gallery knows this prompt itself


def test_saes_that_do_not_fit_are_refused():
    edits = {"image": Edit((1,))}
    other = sae_file("image", "pooled")
    with pytest.raises(InputError, match="weights differs"):
        wrong = replace(other, fingerprint=replace(other.fingerprint, weights="x" * 64))
        ask(edits=edits, saes={"image": wrong})
    with pytest.raises(InputError, match="no image SAE was given"):
        ask(edits=edits)
    with pytest.raises(InputError, match="belongs to the text side"):
        ask(edits=edits, saes={"image": sae_file("text", "pooled")})
    with pytest.raises(InputError, match="holds captions"):
        ask(CAPTIONS, edits=edits, saes={"image": other})
    with pytest.raises(InputError, match="known at the pooled attach point only"):
        ask(edits={"text": Edit((1,))}, saes={"text": sae_file("text", "residual")}, backbone=None)
    with pytest.raises(InputError, match="give the query in words"):
        file = sae_file("text", "residual")
        ask(edits={"text": Edit((1,))}, saes={"text": file}, query=None, query_embedding=np.ones(D))


def test_an_sae_that_does_not_say_is_a_note():
    silent = replace(sae_file("image", "pooled"), fingerprint=None)
    result = ask(edits={"image": Edit((1,))}, saes={"image": silent})
    assert any("could not compare" in note for note in result.notes)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"k": 0}, "k was 0"),
        ({"k": 2.5}, "k was 2.5"),
        ({"query": " "}, "query is empty"),
        ({"query_embedding": [1.0]}, "and not both"),
        ({"query": None, "query_embedding": [float("nan")]}, "NaN"),
        ({"half": "both"}, "half was 'both'"),
        ({"edits": {"left": Edit()}}, "side of an edit was 'left'"),
        ({"method": "magic", "edits": {"image": Edit((1,))}, "saes": {"image": sae_file("image", "pooled")}}, "magic"),
    ],
)
def test_requests_that_make_no_sense(choices, message):
    with pytest.raises(InputError, match=message):
        ask(**choices)
