"""Which neurons are found, what they pull, and what an edit of them is confirmed to do, as recorded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import Edit, InputError
from core.edits import EditChoice, choose_edits, direction_out
from core.edits.choosing import by_attribution, by_rule, by_search
from core.edits.probe_set import ProbeSet, departures, explained_set, probe_set, unit_queries
from core.edits.score_gap import ScoreGap, least_drift, score_gap_of
from core.edits.smallest import edit_of, smallest_edit
from core.edits.why import confirm, find_smallest, why
from core.ranking import RankRequest
from core.scene import Scene
from tests.as_recorded import Recording, told
from tests.edits.test_edits_heads import found as leaning
from tests.tiny import QUERY, TinyBackbone, TinyGallery, sae_file

RECORDED = Recording(Path(__file__).with_name("recorded.json"), near=1e-6)
FILES = {attach: {side: sae_file(side, attach) for side in ("image", "text")} for attach in ("pooled", "residual")}
EXPLICIT = {"a photo of a man": "Male", "a photo of a woman": "Female"}


class Plain(TinyGallery):
    """One without pictures."""

    has_thumbs = False


class Named(Plain):
    """Three groups, of which the second is rare and the last one large."""

    def groups(self, attribute: str) -> list[str]:
        return ["a", "b", "c"]

    def group_numbers(self, attribute: str) -> np.ndarray:
        return np.where(np.arange(self.n) % 11 == 0, -1, np.minimum(np.arange(self.n) * 7 % 23 // 5, 2)).astype(
            np.int32
        )


def scene_of(attach: str = "pooled", gallery: TinyGallery | None = None) -> Scene:
    return Scene(gallery or Plain(), FILES[attach], TinyBackbone())


def request(**choices: Any) -> RankRequest:
    given = {"attribute": "gender", "query": QUERY, "k": 30, "half": "evaluation", "null_draws": 40, "seed": 2}
    return RankRequest(**(given | choices))


def queries(*texts: str) -> np.ndarray:
    return unit_queries(TinyBackbone().encode_texts(texts or [QUERY, "a photo of a nurse"])["pooled"], 12)


def edits(found: Any) -> Any:
    """Neurons, strengths and values."""
    return [[one.neurons, one.each_strength, one.each_gamma, one.form, one.strength, one.alpha] for one in found]


# -- a choice ----------------------------------------------------------------------------------------------------------


def chosen(value: dict[str, Any], attach: str, given: dict[str, Any]) -> Any:
    choice, steps = EditChoice.from_json(value), []
    found = choose_edits(
        scene_of(attach), choice, request(**given), [QUERY, "a photo of a nurse"], lambda *said: steps.append(said)
    )
    return [choice.to_json(), edits(found), found.notes, steps[:2], steps[-2:]]


RECORDED.case(
    chosen,
    [
        ({"select": "rule", "tau": 0.2, "top": 2}, "pooled", {}),
        ({"select": "rule", "tau": 0.15, "rule": "published", "strength": 0.5}, "residual", {"attribute": "size"}),
        ({"neurons": [17, 3], "strength": 0.5, "gamma": 0.1, "form": "blend"}, "pooled", {}),
        ({"select": "attribution", "size": 3}, "pooled", {"target": "uniform"}),
        ({"select": "attribution", "size": 4, "per_query": False, "form": "blend", "alpha": 0.4}, "residual", {}),
        ({"select": "smallest", "target_skew": 0.05, "size": 3, "strength": 0.7}, "pooled", {"target": "uniform"}),
        ({"select": "smallest", "size": 4, "per_query": False, "explicit": EXPLICIT}, "pooled", {"target": "uniform"}),
        ({"select": "smallest", "target_skew": 0.0, "size": 2}, "residual", {"k": 12}),
    ],
)


def by_three(attach: str) -> Any:
    """The same of three groups, on bare probe rows."""
    probe = probe_set(scene_of(attach, Named()), request(target="uniform"))
    rule, notes = by_rule(probe, EditChoice("rule", tau=0.1, top=2))
    together = EditChoice("smallest", size=3, target_skew=0.2, per_query=False)
    return [
        [rule, notes, probe.k, probe.part.counts, probe.part.groups],
        edits(by_attribution(probe, EditChoice("attribution", size=3), queries())),
        edits(by_attribution(probe, EditChoice("attribution", size=3, per_query=False), queries())),
        edits(by_search(probe, together, queries(), [(queries("a photo of a man")[0], 2)])),
    ]


RECORDED.case(by_three, [("pooled",), ("residual",)])


# -- rows --------------------------------------------------------------------------------------------------------------


def looked_at(attach: str, gallery: TinyGallery, given: dict[str, Any]) -> Any:
    found: list[Any] = []
    for make in (probe_set, explained_set):
        probe: ProbeSet = make(scene_of(attach, gallery), request(**given))
        found += [probe.k, probe.part.rows, told(probe.lengths), told(probe.directions)]
        found += [None if probe.scale is None else told(probe.scale)]
        for query in queries():
            scores, group = probe.engine.scores(query), probe.leading_group(query)
            pulls = (
                probe.attribution(query, group),
                probe.attribution(query, group, (group + 1) % len(probe.part.groups)),
            )
            found += [group, told(probe.products(query)), probe.max_skew(scores), probe.skews(scores)]
            found += [[told(one.contributions), one.gap, one.order()[:4], one.towards(3)] for one in pulls]
            lean = probe.lean(scores)
            found += [lean.p, lean.leading, [(one.searched, one.retrieved) for one in lean.groups]]
    return found


RECORDED.case(
    looked_at,
    [
        ("pooled", Plain(), {"target": "uniform"}),
        ("residual", Plain(), {"where": {"size": "small"}, "k": 90}),
        ("pooled", Named(), {"half": "all", "k": 7}),
    ],
)


def far(counts: list[int], target: list[float]) -> Any:
    return departures(np.array(counts), np.array(target))


RECORDED.case(
    far,
    [
        ([5, 5], [0.5, 0.5]),
        ([0, 9], [0.1, 0.9]),
        ([3, 0, 9], [0.0, 0.2, 0.8]),
        ([1, 1, 8], [0.2, 0.2, 0.6]),
        ([0, 0], [0, 1]),
    ],
)


# -- the smallest edit -------------------------------------------------------------------------------------------------


def candidates(attach: str, gallery: TinyGallery, most: int, asked: int) -> Any:
    probe = probe_set(scene_of(attach, gallery), request(target="uniform"))
    groups = [probe.leading_group(query) for query in queries()]
    explicit = [(query, g % 2) for g, query in enumerate(queries("a photo of a man", "a photo of a woman"))]
    gap = score_gap_of(probe, list(queries()), groups, explicit[:asked], most)
    paths = [
        least_drift(gap, price, size, keep) for price, size, keep in ((0.01, 3, 0.0), (0.1, 4, 1.0), (0.3, 2, 0.5))
    ]
    on = least_drift(gap, 0.2, 3, start=paths[0])
    found = [gap.neurons, gap.means, gap.gains, gap.harm, told(gap.drift)]
    return [*found, [told(path) for path in paths], edits([edit_of(gap, on)])]


RECORDED.case(candidates, [("pooled", Plain(), 96, 0), ("residual", Plain(), 9, 2), ("pooled", Named(), 12, 1)])


def least(seed: int, n: int, size: int, price: float, keep: float) -> Any:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, n + 2))
    gap = ScoreGap(np.arange(n), rng.random(n), factor @ factor.T / n, rng.random(n), rng.random(n) / 2)
    return np.round(least_drift(gap, price, size, keep), 4)


RECORDED.case(
    least,
    [(s, n, size, price, keep) for s in range(6) for n, size, price, keep in ((9, 3, 1.0, 0.0), (14, 6, 2.0, 0.7))],
)


def searched(attach: str, target: float, size: int, asked: int) -> Any:
    steps: list[Any] = []
    probe = probe_set(scene_of(attach), request(target="uniform"))
    explicit = list(zip(queries(*EXPLICIT), (1, 0), strict=True))[:asked]
    found = smallest_edit(probe, queries()[: 1 + asked], target, size, explicit, lambda *said: steps.append(said))
    return [found.to_json(), [found.under(goal).chosen for goal in (0.0, 0.05, 0.1, 0.3, 9.0)], steps[:2], steps[-1]]


RECORDED.case(searched, [("pooled", 0.1, 3, 0), ("residual", 0.05, 2, 1)])


# -- why it leans ------------------------------------------------------------------------------------------------------


def explained(attach: str, top: int, given: dict[str, Any], gallery: TinyGallery) -> Any:
    found = why(scene_of(attach, gallery), request(**given), top)
    return [found.to_json(), found.share_of(0.01), found.first_order, found.leans]


RECORDED.case(
    explained,
    [
        ("pooled", 6, {}, Plain()),
        ("residual", 3, {"target": "uniform", "half": "all"}, Plain()),
        ("pooled", 4, {"query": None, "query_embedding": np.linspace(-1, 1, 12)}, Named()),
    ],
)


def served(given: dict[str, Any]) -> Any:
    return find_smallest(scene_of(), request(target="uniform"), 0.1, 3, **given).to_json()


RECORDED.case(served, [({},), ({"queries": [QUERY, "a baker"], "explicit": EXPLICIT},)])


def confirmed(edit: Edit, explicit: dict[str, str] | None) -> Any:
    steps: list[Any] = []
    found = confirm(scene_of(), request(k=12), edit, explicit, 2, lambda *said: steps.append(said))
    return [found.to_json(), steps[-1]]


RECORDED.case(confirmed, [(Edit((3, 17)), None), (Edit((5,), strength=0.5), EXPLICIT)])


def taken_out(k: int, gallery: TinyGallery) -> Any:
    given = request(k=k, target="uniform", edits={"image": Edit((1,))})
    found = direction_out(scene_of(gallery=gallery), given, queries("a man")[0] - queries("a woman")[0])
    return [found.before.to_json(), found.after.to_json(), found.change.to_json(), found.k]


RECORDED.case(taken_out, [(20, Plain()), (150, Named())])


def by_heads(places: list[int] | None, query: str | None) -> Any:
    asked = RankRequest("kind", query=query, query_embedding=None if query else np.array([0.0, 3.0, 1.0]))
    with pytest.MonkeyPatch.context() as patch:
        found = leaning(patch, asked, places=None if places is None else np.array(places))
    picture = found.picture()
    series = [[one.name, one.x, one.y] for one in picture.series]
    return [found.to_json(), found.explained, picture.title, picture.notes, series]


RECORDED.case(by_heads, [(None, None), ([0, 1, 3, 5, 6], "wanted"), ([0, 1, 2], None)])


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSED: list[Callable[[], Any]] = [
    *(lambda tau=tau: EditChoice("rule", tau=tau) for tau in (-0.01, 0, 1, 1.01, True, "0.5")),
    *(lambda skew=skew: EditChoice("smallest", target_skew=skew) for skew in (-0.01, 0, 3, True)),
    *(lambda n=n, name=name: EditChoice("rule", **{name: n}) for n in (0, 1, True, 1.5) for name in ("top", "size")),
    *(lambda given=given: EditChoice("smallest", explicit=given) for given in ({}, {"a": 1}, {"a": "b"}, [])),
    *(lambda given=given: EditChoice("label_set", label_set=given) for given in (None, "", "a")),
    *(lambda given=given: EditChoice("neurons", label_set=given) for given in (None, "")),
    *(lambda s=s: EditChoice("neurons", strength=s) for s in (-0.1, 0, 1, 1.1)),
    *(lambda a=a: EditChoice("neurons", alpha=a, form="blend") for a in (-0.1, 0, 1, 1.1)),
    lambda: EditChoice.from_json({"neurons": [True]}),
    lambda: EditChoice.from_json({"neurons": []}),
    lambda: EditChoice.from_json({"neurons": [1], "label_set": "a"}),
    lambda: EditChoice.from_json({"select": "label_set", "label_set": "a", "tau": 1}),
    *(lambda k=k: probe_set(scene_of(), request(k=k)).k for k in (1, 2, 3, 199, 200)),
    lambda: probe_set(scene_of(), replace(request(), where={"gender": "Male"})),
    lambda: find_smallest(scene_of(), request(), 0.1, 1, explicit={"a man": "Other"}),
    lambda: unit_queries(np.zeros((1, 12)), 12),
    lambda: unit_queries(np.ones(12), 12),
    lambda: unit_queries(np.ones(11), 12),
    *(lambda k=k: direction_out(scene_of(), request(k=k), np.ones(12)).k for k in (200, 201)),
]


def answered(call: Callable[[], Any]) -> Any:
    try:
        found = call()
    except InputError as error:
        return f"refused: {error}"
    return [found.to_json(), found.digest] if isinstance(found, EditChoice) else found


def refusals() -> Any:
    return [answered(call) for call in REFUSED]


RECORDED.case(refusals)


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()
