"""Planted against measured: does the whole chain tell the truth, where the truth is known because it was planted?"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from core.avatars.planted import direction_errors, spearman, standardised_gaps, unit
from core.config import ASSETS, Half, InputError
from core.edits.choosing import EditChoice, choose_edits
from core.figures import Picture, Series
from core.metrics import RANKING_METRICS, target_distribution
from core.neurons import codes_of, social_neurons
from core.ranking import RankRequest, controls
from core.statistics import auc_estimate, corrected, null_p, share_estimate, wilson
from core.statistics.paired import weighted_lists
from core.store import read_json
from core.studies.base import STUDIES, Progress, Study, StudyRequest, StudyResult

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

    @property
    def planted(self) -> np.ndarray:
        """P(Male | word), (words,)."""
        return np.array([word["p_male"] for word in self.table])

    def leans(self, attribute: str) -> np.ndarray:
        """Whether a lean of this attribute was planted in each word, bool (words,)."""
        if attribute == "gender":
            return self.planted != 0.5
        shares = np.array([list(word[LEANS[attribute]].values()) for word in self.table])
        return np.ptp(shares, axis=1) > 1e-9


@STUDIES.register("planted")
class Planted(Study):
    """For every planted word: the planted share of men, the measured gap d, and whether the audit flags it.

    d = (mean cosine of men - of women) / standard deviation. Asked of the chain: do words come in the planted order
    (Spearman, with an interval over words and pictures), does every planted word lean the planted way, are planted
    words found and others left alone (p against the null band, Holm over words), are there neurons for the planted
    groups and do they tell groups apart on other pictures, do intervals hold what they are about, and do random
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
        gaps, drawn = gap_draws(words, request.draws, request.seed)
        order = spearman_interval(words, gaps, drawn, request.seed)
        step("findings")
        found = {attribute: findings(words, attribute, request.k, request.seed) for attribute in words.labels}
        frame = _table(words, gaps, drawn, found["gender"], request.k)
        step("neurons")
        document: dict[str, Any] = {"spearman": order, **directions(words, gaps)}
        document["findings"] = {a: summary(words.leans(a), table) for a, table in found.items()}
        document["neurons"] = {a: neurons_found(request, a) for a in words.labels}
        step("intervals")
        document["intervals"] = interval_coverage(words, request.k, request.seed)
        step("controls")
        document["controls"] = controls_found(request, words)
        if progress:
            progress(len(STEPS), len(STEPS), "done")
        settings = {"study": "planted", "k": request.k, "seed": request.seed, "target": "uniform", **request.digests()}
        return StudyResult(frame, _picture(words, frame), settings, _notes(document), document)


# --------------------------------------------------------------------------------------------------------- words


def with_model(request: StudyRequest) -> StudyRequest:
    """The request with the gallery's own text encoder where it has none, and an image SAE to look for neurons in."""
    from core.saes.checkpoint import load_sae

    if request.backbone is None:
        from core.backbones.open_clip_models import load_backbone

        request = replace(request, backbone=load_backbone(request.gallery.fingerprint("pooled").model))
    side = request.gallery.side
    return request if side in request.saes else replace(request, saes={**request.saes, side: load_sae(DEFAULT_SAE)})


def measured_half(request: StudyRequest) -> Half:
    """The asked half; all rows of a gallery that is wholly one half."""
    return request.half if request.gallery.manifest["split"].get("whole") is None else "all"


def measured_words(request: StudyRequest) -> Words:
    """Scores of the shipped planted words on the request's rows; InputError for a gallery of another world."""
    gallery = request.gallery
    lacking = [attribute for attribute in LEANS if attribute not in gallery.attributes]
    if lacking or FIRST not in gallery.groups("gender"):
        raise InputError(f"gallery {gallery.name} is not of the world with planted words; use --gallery default")
    table = read_json(ASSETS / "prompts" / "planted.json")["words"]
    assert request.backbone is not None, "with_model gives one"
    rows = gallery.rows(measured_half(request), request.where)
    texts = request.backbone.encode_texts([word["prompt"] for word in table], ("pooled",))["pooled"]
    scores = unit(gallery.embeddings("pooled")[rows]) @ unit(texts).T
    labels = {attribute: gallery.group_numbers(attribute)[rows] for attribute in LEANS}
    return Words(table, scores, labels, {attribute: gallery.groups(attribute) for attribute in LEANS})


def gap_draws(words: Words, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gap d of every word (words,) and over resamples of the pictures (draws, words)."""
    male = words.labels["gender"] == words.groups["gender"].index(FIRST)
    x, n = words.scores, len(words.scores)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    first, rest = weights * male, weights * ~male
    means = [w @ x / w.sum(axis=1, keepdims=True) for w in (first, rest)]
    spread = np.sqrt(np.maximum(weights @ x**2 / n - (weights @ x / n) ** 2, 1e-300))
    return standardised_gaps(x, male), (means[0] - means[1]) / spread


def spearman_interval(words: Words, gaps: np.ndarray, drawn: np.ndarray, seed: int) -> dict[str, Any]:
    """Spearman of gap and planted share, with a percentile interval over resampled words and pictures."""
    rng = np.random.default_rng([seed, 2])
    planted, values = words.planted, []
    for own in drawn:
        chosen = rng.integers(len(planted), size=len(planted))
        if np.ptp(planted[chosen]) > 0:
            values.append(spearman(planted[chosen], own[chosen]))
    lo, hi = np.quantile(values, [0.025, 0.975])
    return {"estimate": spearman(planted, gaps), "lo": float(lo), "hi": float(hi), "n": len(planted)}


def directions(words: Words, gaps: np.ndarray) -> dict[str, Any]:
    """Planted words that lean the wrong way, and unplanted ones that are not quiet, by name."""
    names = [word["word"] for word in words.table]
    planted = words.leans("gender")
    loud = [name for name, d, own in zip(names, gaps, planted, strict=True) if not own and abs(d) > QUIET]
    wrong = direction_errors(names, words.planted, gaps)
    right = share_estimate(int(planted.sum()) - len(wrong), int(planted.sum()))
    return {
        "direction_right": right.to_json(),
        "wrong_direction": wrong,
        "quiet_controls": share_estimate(int((~planted).sum()) - len(loud), int((~planted).sum())).to_json(),
        "loud_controls": loud,
    }


# ------------------------------------------------------------------------------------------------------ findings


def findings(words: Words, attribute: str, k: int, seed: int) -> pd.DataFrame:
    """MaxSkew@k of every word with exact p against its null band, corrected over the words in both ways."""
    labels, groups = words.labels[attribute], words.groups[attribute]
    counts = np.bincount(labels[labels >= 0], minlength=len(groups)).tolist()
    target = target_distribution("uniform", groups, counts)
    metric = RANKING_METRICS.get("max_skew")()
    tops = labels[_best(words.scores, k)]
    skews = metric(tops, target)
    known = (tops >= 0).sum(axis=1)
    p = np.array([null_p(metric, float(v), counts, int(n), target, seed) for v, n in zip(skews, known, strict=True)])
    adjusted = {name: corrected(p, name).adjusted for name in ("holm", "benjamini-hochberg")}
    return pd.DataFrame({"max_skew": skews, "p": p, **adjusted})


def summary(planted: np.ndarray, found: pd.DataFrame) -> dict[str, Any]:
    """Share of planted words that are found and of other words that are flagged, by each correction."""
    document: dict[str, Any] = {"m": len(found)}
    for name in ("holm", "benjamini-hochberg"):
        flagged = (found[name] <= 0.05).to_numpy()
        document[name] = {
            "planted_found": share_estimate(int(flagged[planted].sum()), int(planted.sum())).to_json(),
            "unplanted_flagged": share_estimate(int(flagged[~planted].sum()), int((~planted).sum())).to_json(),
        }
    return document


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k largest scores of every word (words, k), best first, equal scores in row order."""
    return np.argsort(-scores, axis=0, kind="stable")[:k].T


def _table(words: Words, gaps: np.ndarray, drawn: np.ndarray, found: pd.DataFrame, k: int) -> pd.DataFrame:
    male = words.labels["gender"] == words.groups["gender"].index(FIRST)
    top = male[_best(words.scores, k)]
    lo, hi = np.quantile(drawn, [0.025, 0.975], axis=0)
    share_lo, share_hi = wilson(top.sum(axis=1), np.full(len(top), k))
    return pd.DataFrame(
        {
            "word": [word["word"] for word in words.table],
            "kind": [word["kind"] for word in words.table],
            "planted_male": words.planted,
            "gap": gaps,
            "gap_lo": lo,
            "gap_hi": hi,
            "male_share": top.mean(axis=1),
            "male_share_lo": share_lo,
            "male_share_hi": share_hi,
            "n": k,
            "max_skew": found["max_skew"],
            "p": found["p"],
            "p_holm": found["holm"],
            "planted_lean": words.leans("gender"),
            "flagged": found["holm"] <= 0.05,
        }
    ).sort_values("planted_male", kind="stable", ignore_index=True)


# ------------------------------------------------------------------------------------------------------- neurons


def neurons_found(request: StudyRequest, attribute: str) -> dict[str, Any]:
    """First specific neuron of every group on the probe rows, and how it separates the group on the measured rows."""
    gallery, probe = request.gallery, request.probe
    sae = request.require_sae()
    rows = probe.rows("all" if probe.manifest["split"].get("whole") else "probe")
    rule = social_neurons(codes_of(probe, sae).csr[rows], probe.labels(attribute)[rows], request.tau, "at-least")
    codes, labels = codes_of(gallery, sae).csc, gallery.labels(attribute)
    known = np.array([label is not None for label in labels])
    found = {}
    for group, own in rule.top(1).items():
        if not own:
            found[group] = {"neuron": None, "reason": f"no neuron is specific for {group} at tau {request.tau:g}"}
            continue
        active = np.asarray(codes[:, own[0]].todense()).reshape(-1)[known]
        estimate = auc_estimate(active, labels[known] == group)
        found[group] = {"neuron": own[0], "auc": estimate.to_json()}
    return {"tau": request.tau, "groups": found, "missing": rule.empty_groups}


# ----------------------------------------------------------------------------------------------------- intervals


def interval_coverage(words: Words, k: int, seed: int) -> dict[str, Any]:
    """Share of Wilson intervals, over resampled galleries and all words, that hold what the whole gallery shows.

    The gallery stands for the superpopulation and resamples of it for galleries, so that the truth is known and the
    scores are the model's own. 95 % is meant.
    """
    male = (words.labels["gender"] == words.groups["gender"].index(FIRST)).astype(np.int8)
    depth = min(k + 6 * int(np.sqrt(k)) + 20, len(male))
    ranked = _best(words.scores, depth)
    rng = np.random.default_rng([seed, 3])
    weights = rng.poisson(1.0, size=(GALLERIES, len(male))).astype(np.uint8)
    inside = []
    for rows in ranked:
        top = weighted_lists(male[rows], weights[:, rows], k)
        lo, hi = wilson((top == 1).sum(axis=1), (top >= 0).sum(axis=1))
        truth = male[rows[:k]].mean()
        inside.append(((lo <= truth) & (truth <= hi)).mean())
    share = np.array(inside)
    half = 1.96 * share.std(ddof=1) / np.sqrt(len(share))
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
        half=measured_half(request),
        where=request.where,
        seed=request.seed,
        null_draws=request.draws,
    )
    given = (request.backbone, request.saes)
    try:
        choice = EditChoice("rule", tau=request.tau, top=1)
        edit = choose_edits(gallery, request.probe, choice, asked, prompts, *given, request.bench)[0]
        asked = replace(asked, edits={gallery.side: edit})
        found = controls(gallery, asked, *given, prompts, bench=request.bench).to_json()
    except InputError as error:
        return {"estimate": None, "reason": str(error)}
    kept: dict[str, Any] = {}
    for name in ("original", "reconstruction_only", "chosen", "projection"):
        arm = found[name]
        kept[name] = {key: arm[key] for key in ("max_skew", "change", "cosine")} if "max_skew" in arm else arm
    return kept | {"random": {key: found["random"][key] for key in ("mean", "lo", "hi", "n", "p")}}


def _picture(words: Words, frame: pd.DataFrame) -> Picture:
    """Measured gap against planted share, a point a word, planted leans and controls apart."""
    series = []
    for name, own in (("planted lean", frame["planted_lean"]), ("no lean planted", ~frame["planted_lean"])):
        part = frame[own]
        columns = (part[key].tolist() for key in ("planted_male", "gap", "gap_lo", "gap_hi", "word"))
        series.append(Series(name, *columns))
    notes = "strokes: 95 % intervals over pictures"
    return Picture(
        Planted.title, "points", "planted share of men", "measured gap d", tuple(series), notes, {"no lean": 0.0}
    )


def _notes(document: dict[str, Any]) -> tuple[str, ...]:
    """The answers in sentences, each with its interval and n, and what must be known to read them."""
    order, right, quiet = (document[name] for name in ("spearman", "direction_right", "quiet_controls"))
    inside = document["intervals"]["share_interval"]
    notes = [
        f"Spearman of the measured gap and the planted share of men: {_said(order, 2)} words",
        f"planted words that lean the planted way: {_said(right, 2)}; {_listed(document['wrong_direction'])}",
        f"words without a planted lean whose gap stays within {QUIET:g}: {_said(quiet, 2)}; "
        f"{_listed(document['loud_controls'])}",
        f"Wilson intervals of shares that hold the truth, over resampled galleries: {_said(inside, 3)} words",
    ]
    for attribute, found in document["findings"].items():
        shares = found["holm"]
        notes.append(
            f"{attribute}, MaxSkew beyond its null band after Holm over m = {found['m']} words: planted leans found "
            f"{_said(shares['planted_found'], 2)}; words without one flagged {_said(shares['unplanted_flagged'], 2)}"
        )
    notes.append(
        "a word without planted lean may still lean: the model learnt from pictures, and what it picked up beside the "
        "captions is real. Flagging such a word is no error of the audit"
    )
    for attribute, found in document["neurons"].items():
        own = [f"{group} {one['neuron']}" for group, one in found["groups"].items() if one["neuron"] is not None]
        notes.append(f"{attribute}: specific neurons {', '.join(own) or 'none'}")
        notes += [f"{attribute}: no neuron is specific for {group}" for group in found["missing"]]
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
