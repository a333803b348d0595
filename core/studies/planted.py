"""Planted against measured: does the whole chain tell the truth, where the truth is known because it was planted?"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from core.avatars.planted import spearman, standardised_gaps
from core.config import ASSETS, InputError, Progress
from core.edits.choosing import EditChoice, choose_edits
from core.figures import Picture, Series
from core.neurons import codes_of, social_neurons
from core.ranking import RankRequest, controls
from core.scene.encoders import gallery_model
from core.statistics import CORRECTIONS, NORMAL, Lean, auc_estimate, corrected, lean_of, share_estimate
from core.statistics.paired import weighted_lists
from core.store import read_json
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.units import unit

LEANS = {"gender": "p_male", "age": "age", "skin": "skin"}
"""Planted attributes, and where the table of words keeps them."""
FIRST = "Male"
DEFAULT_SAE = "default-image"
QUIET = 0.5
"""Largest gap, in standard deviations, that a word without planted lean may show."""
GALLERIES = 200
"""Resampled galleries on which intervals are checked."""
STEPS = ("words", "findings", "neurons", "intervals", "controls")


@dataclass(frozen=True, eq=False)
class Words:
    """The planted words as the model scores them on the measured rows."""

    table: list[dict[str, Any]]
    scores: np.ndarray
    """(n, words) cosines."""
    labels: dict[str, np.ndarray]
    """attribute -> group number of every row (n,)."""
    groups: dict[str, list[str]]
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.intp))
    """Rows of the gallery that the scores are of (n,); empty for scores of no gallery."""

    def shown(self, attribute: str) -> list[int]:
        """Groups whose leans are looked at: of two groups the first of the words' table, the other is its mirror."""
        groups = self.groups[attribute]
        return [groups.index(FIRST)] if attribute == "gender" else list(range(len(groups)))

    def planted(self, attribute: str) -> np.ndarray:
        """P(group | word) of the shown groups, (words, shown)."""
        if attribute == "gender":
            return np.array([[word["p_male"]] for word in self.table])
        names = [self.groups[attribute][g] for g in self.shown(attribute)]
        return np.array([[word[LEANS[attribute]][name] for name in names] for word in self.table])

    def leans(self, attribute: str) -> np.ndarray:
        """Whether a lean of this attribute was planted in each word, bool (words,)."""
        even = 1 / len(self.groups[attribute])
        departs = np.abs(self.planted(attribute) - even) > 1e-9
        return np.asarray(departs.any(axis=1))


@dataclass(frozen=True, eq=False)
class Measured:
    """One attribute: what was planted beside what the model shows."""

    planted: np.ndarray
    """P(group | word), (words, shown groups)."""
    even: float
    """Share of a group without a planted lean."""
    gaps: np.ndarray
    """Gap d of every word and shown group (words, shown)."""
    drawn: np.ndarray
    """The same over resamples of the pictures (draws, words, shown)."""
    leans: np.ndarray
    """Whether a lean was planted in each word, bool (words,)."""


@STUDIES.register("planted")
class Planted(Study):
    """For every planted attribute and word: the planted share of each group, its measured gap d, and what is flagged.

    d = (mean cosine of the group - of the others) / standard deviation; of two groups one is shown, the other is its
    mirror. Asked of the chain, for each attribute: do words come in the planted order (Spearman, with an interval over
    words and pictures), do the groups that a word was planted with most and least lean the planted way, are planted
    words found and others left alone (p of the lean, Holm over words), are there neurons for the planted groups and do
    they tell groups apart on other pictures; and of the whole: do intervals hold what they are about, and do random
    neurons change as little as they should.
    """

    title = "Planted against measured"
    question = "Does the audit find what was planted, and nothing else?"
    needs_model: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        def step(name: str) -> None:
            if progress:
                progress(STEPS.index(name), len(STEPS), name)

        step("words")
        request = with_model(request)
        words = measured_words(request)
        measures = {attribute: measured(words, attribute, request.draws, request.seed) for attribute in words.labels}
        order = {a: spearman_interval(found, a == "gender", request.seed) for a, found in measures.items()}
        step("findings")
        found = {attribute: findings(words, attribute, request.k) for attribute in words.labels}
        frame = pd.concat([_table(words, a, measures[a], found[a], request.k) for a in words.labels], ignore_index=True)
        step("neurons")
        answers = {a: {"spearman": order[a], **directions(words, a, own)} for a, own in measures.items()}
        document: dict[str, Any] = {**answers["gender"], "attributes": answers}
        document["findings"] = {a: summary(words.leans(a), table) for a, table in found.items()}
        document["neurons"] = {a: neurons_found(request, a) for a in words.labels}
        step("intervals")
        document["intervals"] = interval_coverage(words, request.k, request.seed)
        step("controls")
        document["controls"] = controls_found(request, words)
        if progress:
            progress(len(STEPS), len(STEPS), "done")
        settings = {"study": "planted", "k": request.k, "seed": request.seed, "target": "gallery", **request.digests()}
        brief = frame[frame["planted_lean"]].drop(columns=["planted_lean", "even"])
        return StudyResult(frame, _picture(frame), settings, _notes(document), document, brief)


# --------------------------------------------------------------------------------------------------------- words


def with_model(request: StudyRequest) -> StudyRequest:
    """The request with the gallery's own text encoder where it has none, and an image SAE to look for neurons in."""
    from core.saes.checkpoint import load_sae

    scene, side = request.scene, request.gallery.side
    if scene.model is None:
        scene = replace(scene, model=gallery_model(request.gallery))
    if side not in scene.saes:
        scene = replace(scene, saes={**scene.saes, side: load_sae(DEFAULT_SAE)})
    return replace(request, scene=scene)


def measured_words(request: StudyRequest) -> Words:
    """Scores of the shipped planted words on the request's rows; InputError for a gallery of another world."""
    gallery = request.gallery
    lacking = [attribute for attribute in LEANS if attribute not in gallery.attributes]
    if lacking or FIRST not in gallery.groups("gender"):
        raise InputError(f"gallery {gallery.name} is not of the world with planted words; use --gallery default")
    table = read_json(ASSETS / "prompts" / "planted.json")["words"]
    assert request.scene.model is not None, "with_model gives one"
    rows = gallery.rows(request.scene.half(request.half), request.where)
    texts = request.scene.model.encode_texts([word["prompt"] for word in table], ("pooled",))["pooled"]
    scores = unit(gallery.embeddings("pooled")[rows]) @ unit(texts).T
    labels = {attribute: gallery.group_numbers(attribute)[rows] for attribute in LEANS}
    return Words(table, scores, labels, {attribute: gallery.groups(attribute) for attribute in LEANS}, rows)


def measured(words: Words, attribute: str, draws: int, seed: int) -> Measured:
    """Planted shares and gaps of an attribute; gaps over resamples of the pictures, the same for every attribute."""
    labels, x, n = words.labels[attribute], words.scores, len(words.scores)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    spread = np.sqrt(np.maximum(weights @ x**2 / n - (weights @ x / n) ** 2, 1e-300))
    gaps, drawn = [], []
    for group in words.shown(attribute):
        inside = labels == group
        means = [w @ x / w.sum(axis=1, keepdims=True) for w in (weights * inside, weights * ~inside)]
        gaps.append(standardised_gaps(x, inside))
        drawn.append((means[0] - means[1]) / spread)
    even = 1 / len(words.groups[attribute])
    found = np.stack(gaps, axis=-1), np.stack(drawn, axis=-1)
    return Measured(words.planted(attribute), even, *found, words.leans(attribute))


def spearman_interval(found: Measured, every: bool, seed: int) -> dict[str, Any]:
    """Spearman of gap and planted share, with a percentile interval over resampled words and pictures.

    Over a pair of word and shown group each; `every` word, or those with a planted lean alone: where few words have
    one, the equal shares of all others are ties that say nothing about order.
    """
    rows = np.arange(len(found.leans)) if every else np.flatnonzero(found.leans)
    rng, values = np.random.default_rng([seed, 2]), []
    for own in found.drawn:
        chosen = rows[rng.integers(len(rows), size=len(rows))]
        planted = found.planted[chosen].ravel()
        if np.ptp(planted) > 0:
            values.append(spearman(planted, own[chosen].ravel()))
    lo, hi = np.quantile(values, [0.025, 0.975])
    estimate = spearman(found.planted[rows].ravel(), found.gaps[rows].ravel())
    return {"estimate": estimate, "lo": float(lo), "hi": float(hi), "n": found.planted[rows].size}


def directions(words: Words, attribute: str, found: Measured) -> dict[str, Any]:
    """Planted leans that point the wrong way, and unplanted words that are not quiet, by name.

    Judged of each planted word: the group that it was planted with most and the one with least. A group between them
    has a small planted lean that its neighbours' pictures decide; the table shows it.
    """
    names = [word["word"] for word in words.table]
    groups = [words.groups[attribute][g] for g in words.shown(attribute)]
    wrong, judged = [], 0
    for w in np.flatnonzero(found.leans).tolist():
        for g in sorted({int(found.planted[w].argmax()), int(found.planted[w].argmin())}):
            judged += 1
            if (found.planted[w, g] - found.even) * found.gaps[w, g] <= 0:
                wrong.append(names[w] if len(groups) == 1 else f"{names[w]} ({groups[g]})")
    loud = [names[w] for w in np.flatnonzero(~found.leans).tolist() if np.abs(found.gaps[w]).max() > QUIET]
    controls = int((~found.leans).sum())
    return {
        "direction_right": share_estimate(judged - len(wrong), judged).to_json(),
        "wrong_direction": wrong,
        "quiet_controls": share_estimate(controls - len(loud), controls).to_json(),
        "loud_controls": loud,
    }


# ------------------------------------------------------------------------------------------------------ findings


def findings(words: Words, attribute: str, k: int) -> pd.DataFrame:
    """The p of every word's lean in the k nearest pictures, corrected over the words in both ways."""
    labels, groups = words.labels[attribute], words.groups[attribute]
    counts = np.bincount(labels[labels >= 0], minlength=len(groups))
    leans = [lean(top, counts, len(words.table)) for top in labels[_best(words.scores, k)]]
    p = np.array([np.nan if one.p is None else one.p for one in leans])
    names = [word["word"] for word in words.table]
    return pd.DataFrame({"word": names, "p": p, **{name: corrected(p, name).adjusted for name in CORRECTIONS}})


def lean(top: np.ndarray, counts: np.ndarray, tests: int = 1) -> Lean:
    """The lean of a top k, given who is searched.

    Parameters
    ----------
    top : group numbers (k,), -1 unknown.
    counts : searched rows of each group (G,).
    tests : words that its p will be corrected for.
    """
    return lean_of(counts.tolist(), np.bincount(top[top >= 0], minlength=len(counts)).tolist(), tests)


def summary(planted: np.ndarray, found: pd.DataFrame) -> dict[str, Any]:
    """Share of planted words that are found and of other words that are flagged, by each correction."""
    document: dict[str, Any] = {"m": len(found)}
    for name in ("holm", "benjamini-hochberg"):
        flagged = (found[name] <= 0.05).to_numpy()
        document[name] = {
            "planted_found": share_estimate(int(flagged[planted].sum()), int(planted.sum())).to_json(),
            "unplanted_flagged": share_estimate(int(flagged[~planted].sum()), int((~planted).sum())).to_json(),
            "flagged_words": found["word"][flagged & ~planted].tolist(),
        }
    return document


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k largest scores of every word (words, k), best first, equal scores in row order."""
    return np.argsort(-scores, axis=0, kind="stable")[:k].T


def _table(words: Words, attribute: str, own: Measured, found: pd.DataFrame, k: int) -> pd.DataFrame:
    """A row for every word and shown group of an attribute, in the planted order; words without a lean last."""
    labels, n_groups = words.labels[attribute], len(words.groups[attribute])
    tops, counts = labels[_best(words.scores, k)], np.bincount(labels[labels >= 0], minlength=n_groups)
    leans, known = [lean(top, counts) for top in tops], (tops >= 0).sum(axis=1)
    lo, hi = np.quantile(own.drawn, [0.025, 0.975], axis=0)
    parts = []
    for place, group in enumerate(words.shown(attribute)):
        shares = [one.groups[group].share for one in leans]
        part = {
            "attribute": attribute,
            "word": [word["word"] for word in words.table],
            "kind": [word["kind"] for word in words.table],
            "group": words.groups[attribute][group],
            "planted": own.planted[:, place],
            "planted_lean": own.leans,
            "gap": own.gaps[:, place],
            "gap_lo": lo[:, place],
            "gap_hi": hi[:, place],
            "share": [share.estimate for share in shares],
            "share_lo": [share.lo for share in shares],
            "share_hi": [share.hi for share in shares],
            "n": known,
            "p": found["p"],
            "p_holm": found["holm"],
            "flagged": found["holm"] <= 0.05,
            "even": own.even,
        }
        parts.append(pd.DataFrame(part))
    frame = pd.concat(parts, ignore_index=True)
    if len(parts) == 1:
        return frame.sort_values("planted", kind="stable", ignore_index=True)
    return frame.sort_values(["planted_lean", "word"], ascending=[False, True], kind="stable", ignore_index=True)


# ------------------------------------------------------------------------------------------------------- neurons


def neurons_found(request: StudyRequest, attribute: str) -> dict[str, Any]:
    """First specific neuron of every group on the probe rows, and how it separates the group on the measured rows."""
    gallery, probe = request.gallery, request.scene.probe
    sae, rows = request.require_sae(), request.scene.probe_rows()
    rule = social_neurons(codes_of(probe, sae).csr[rows], probe.labels(attribute)[rows], request.tau, "at-least")
    codes, labels = codes_of(gallery, sae).csc, gallery.labels(attribute)
    known = np.array([label is not None for label in labels])
    found: dict[str, dict[str, Any]] = {}
    for group, neurons in rule.top(1).items():
        if not neurons:
            found[group] = {"neuron": None, "reason": f"no neuron is specific for {group} at tau {request.tau:g}"}
            continue
        active = np.asarray(codes[:, neurons[0]].todense()).reshape(-1)[known]
        estimate = auc_estimate(active, labels[known] == group)
        found[group] = {"neuron": neurons[0], "auc": estimate.to_json()}
    return {"tau": request.tau, "groups": found, "missing": rule.empty_groups}


# ----------------------------------------------------------------------------------------------------- intervals


def interval_coverage(words: Words, k: int, seed: int) -> dict[str, Any]:
    """Share of intervals of the men's share, over resampled galleries and all words, that hold what the gallery shows.

    The gallery stands for the superpopulation and resamples of it for galleries, so that the truth is known and the
    scores are the model's own. 95 % is meant.
    """
    male = (words.labels["gender"] == words.groups["gender"].index(FIRST)).astype(np.int8)
    counts = np.bincount(male, minlength=2)
    depth = min(k + 6 * int(np.sqrt(k)) + 20, len(male))
    ranked = _best(words.scores, depth)
    rng = np.random.default_rng([seed, 3])
    weights = rng.poisson(1.0, size=(GALLERIES, len(male))).astype(np.uint8)
    inside = []
    for rows in ranked:
        top = weighted_lists(male[rows], weights[:, rows], k)
        shares = [lean(one, counts).groups[1].share for one in top]
        truth = male[rows[:k]].mean()
        inside.append(np.mean([share.lo <= truth <= share.hi for share in shares]))
    share = np.array(inside)
    half = NORMAL * share.std(ddof=1) / np.sqrt(len(share))
    mean = float(share.mean())
    return {"share_interval": {"estimate": mean, "lo": mean - half, "hi": min(mean + half, 1.0), "n": len(share)}}


# ------------------------------------------------------------------------------------------------------ controls


def controls_found(request: StudyRequest, words: Words) -> dict[str, Any]:
    """Mean MaxSkew@k of the reference words under every arm of the controls, the reference edit among them."""
    gallery = request.gallery
    prompts = [word["prompt"] for word in words.table if word["reference"]]
    asked = RankRequest(
        "gender",
        prompts[0],
        k=request.k,
        half=request.scene.half(request.half),
        where=request.where,
        seed=request.seed,
        null_draws=request.draws,
    )
    try:
        choice = EditChoice("rule", tau=request.tau, top=1)
        edit = choose_edits(request.scene, choice, asked, prompts)[0]
        asked = replace(asked, edits={gallery.side: edit})
        found = controls(request.scene, asked, prompts).to_json()
    except InputError as error:
        return {"estimate": None, "reason": str(error)}
    kept: dict[str, Any] = {}
    for name in ("original", "reconstruction_only", "chosen", "projection"):
        arm = found[name]
        kept[name] = {key: arm[key] for key in ("max_skew", "change", "cosine")} if "max_skew" in arm else arm
    drawn = [arm["max_skew"]["estimate"] for arm in found["random"]["draws"]]
    random = {"mean": float(np.mean(drawn)), "lo": min(drawn), "hi": max(drawn), "n": len(drawn)}
    return kept | {"random": random | {"p": found["random"]["p"]}}


def _picture(frame: pd.DataFrame) -> Picture:
    """Measured gap against planted lean, a point a word and group, attributes and unplanted words apart."""
    own = frame["planted_lean"]
    series = []
    for attribute, part in frame[own].groupby("attribute", sort=False):
        named = [f"{word}, {group}" for word, group in zip(part["word"], part["group"], strict=True)]
        names = part["word"].tolist() if part["group"].nunique() == 1 else named
        gap, lo, hi = (part[key].tolist() for key in ("gap", "gap_lo", "gap_hi"))
        series.append(Series(str(attribute), (part["planted"] - part["even"]).tolist(), gap, lo, hi, names))
    rest = frame[~own]
    series.append(Series("no lean planted", [0.0] * len(rest), rest["gap"].tolist()))
    labels = "planted share of the group, less an even share", "measured gap d"
    notes = f"strokes: 95 % intervals over pictures; gender: {FIRST}"
    return Picture(Planted.title, "points", *labels, tuple(series), notes, {"no lean": 0.0})


def _notes(document: dict[str, Any]) -> tuple[str, ...]:
    """The answers in sentences, each with its interval and n, and what must be known to read them."""
    notes = []
    for attribute, own in document["attributes"].items():
        of = "words" if attribute == "gender" else "pairs of a planted word and a group"
        shares = document["findings"][attribute]["holm"]
        notes += [
            f"{attribute}, Spearman of the measured gap and the planted share: {_said(own['spearman'], 2)} {of}",
            f"{attribute}, planted leans that point the planted way: {_said(own['direction_right'], 2)}; "
            f"{_listed(own['wrong_direction'])}",
            f"{attribute}, words without a planted lean whose gaps stay within {QUIET:g}: "
            f"{_said(own['quiet_controls'], 2)}; {_listed(own['loud_controls'])}",
            f"{attribute}, leans beyond chance after Holm over m = {document['findings'][attribute]['m']} words: "
            f"planted ones found {_said(shares['planted_found'], 2)}; words without one flagged "
            f"{_said(shares['unplanted_flagged'], 2)}: {', '.join(shares['flagged_words']) or 'none'}",
        ]
        neurons = document["neurons"][attribute]
        listed = [
            f"{group} {one['neuron']} (AUC {_said(one['auc'], 2)})"
            for group, one in neurons["groups"].items()
            if one["neuron"] is not None
        ]
        notes.append(f"{attribute}, specific neurons: {', '.join(listed) or 'none'}")
        notes += [f"{attribute}: no neuron is specific for {group}" for group in neurons["missing"]]
    inside = document["intervals"]["share_interval"]
    notes += [
        "a word without planted lean may still lean: the model learnt from pictures, and what it picked up beside the "
        "captions is real. Flagging such a word is no error of the audit",
        f"intervals of shares that hold the truth, over resampled galleries: {_said(inside, 3)} words",
    ]
    arms = document["controls"]
    if "chosen" in arms:
        random = arms["random"]
        notes.append(
            f"mean MaxSkew of the reference words: original {_said(arms['original']['max_skew'], 2)}, reference edit "
            f"{_said(arms['chosen']['max_skew'], 2)}, {random['n']} draws of random neurons {random['lo']:.2f} to "
            f"{random['hi']:.2f}"
        )
    return tuple(notes)


def _said(estimate: dict[str, Any], digits: int) -> str:
    if estimate.get("estimate") is None:
        return f"not computed ({estimate.get('reason')})"
    value, lo, hi = (f"{estimate[key]:.{digits}f}" for key in ("estimate", "lo", "hi"))
    return f"{value} ({lo} to {hi}), n = {estimate['n']}"


def _listed(names: list[str]) -> str:
    return f"not: {', '.join(names)}" if names else "no exception"
