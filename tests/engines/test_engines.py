"""A running search, asked: what is sent, what comes back, what fails and is said."""

import json

import pytest

from core.config import InputError
from core.engines import Asker, Engine, load_engine, read_lists
from core.engines.answers import ids_at, placed
from tests.engines.serving import Faults, described, serving


def numbers(query: str, k: int) -> list[str]:
    return [f"{query}-{i}" for i in range(k)]


def asked(address: str, faults: Faults, k: int = 5, **more):
    waits: list[float] = []
    asker = Asker(Engine(**described(address, **more)), sleep=waits.append)
    return asker("a nurse", k), waits


def test_the_question_is_filled_in_and_the_ids_come_in_order():
    faults = Faults()
    with serving(numbers, faults) as address:
        answer, _ = asked(address, faults)
    assert answer.ids == tuple(numbers("a nurse", 5)) and answer.failed is None and answer.tries == 1
    assert faults.requests == [{"text": "a nurse", "size": 5}]


def test_a_key_comes_from_the_environment_and_is_never_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SEARCH_KEY", "secret-1")
    faults, key = Faults(), {"header": "Authorization", "variable": "SEARCH_KEY", "prefix": "Bearer "}
    with serving(numbers, faults) as address:
        asked(address, faults, key=key)
    assert faults.headers[0]["Authorization"] == "Bearer secret-1"
    engine = Engine(**described("http://user:pass@127.0.0.1/s", key=key, headers={"X-Other": "secret-2"}))
    assert not {"secret", "pass"} & set(json.dumps(engine.to_json()).replace("-", " ").replace(":", " ").split())
    monkeypatch.delenv("SEARCH_KEY")
    with pytest.raises(InputError, match="environment variable SEARCH_KEY"):
        Asker(engine)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again(status):
    faults = Faults(status, 2)
    with serving(numbers, faults) as address:
        answer, waits = asked(address, faults)
    assert answer.ids and answer.tries == 3 and waits[0] > 0
    faults = Faults(status, 9)
    with serving(numbers, faults) as address:
        answer, _ = asked(address, faults)
    assert answer.failed == f"the engine answered with status {status}" and answer.tries == 3


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_what_cannot_pass_is_not_tried_again(status):
    faults = Faults(status, 9)
    with serving(numbers, faults) as address:
        answer, _ = asked(address, faults)
    assert answer.failed == f"the engine answered with status {status}" and len(faults.requests) == 1


def test_silence_refusals_and_answers_that_are_none_are_said():
    with serving(numbers, Faults(wait=0.5)) as address:
        answer, _ = asked(address, Faults(), timeout=0.05, retries=1)
        assert answer.failed == "the engine did not answer within 0.05 s" and answer.tries == 2
    answer, _ = asked("http://127.0.0.1:9/search", Faults(), retries=0)
    assert "cannot be reached" in str(answer.failed)
    for raw, said in (
        (b"no json", "no JSON"),
        (b'{"hits": 3}', "no list at hits"),
        (b'{"other": []}', "nothing at hits"),
    ):
        with serving(numbers, Faults(raw=raw)) as address:
            answer, _ = asked(address, Faults())
            assert said in str(answer.failed) and answer.tries == 1


def test_requests_keep_their_distance():
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    with serving(numbers) as address:
        asker = Asker(Engine(**described(address, per_second=2)), sleep=sleep, now=lambda: now[0])
        for query in ("a", "b", "c"):
            asker(query, 3)
    assert waits == [0.5, 0.5]


@pytest.mark.parametrize(
    ("path", "answer", "ids"),
    [
        ("ids", {"ids": ["a", 2]}, ("a", "2")),
        ("results.*.id", {"results": [{"id": "a"}, {"id": "b"}]}, ("a", "b")),
        ("$.hits.hits[*]._id", {"hits": {"hits": [{"_id": "a"}]}}, ("a",)),
        ("[].id", [{"id": 1}, {"id": 2}], ("1", "2")),
        ("results.0.matches[].id", {"results": [{"matches": [{"id": "x"}]}]}, ("x",)),
        ("hits[].id", {"hits": []}, ()),
    ],
)
def test_where_the_ids_are(path, answer, ids):
    assert ids_at(answer, path) == ids


def test_places_duplicates_strangers_and_the_other_half():
    found = placed(["a", "x", "b", "a", "c", "y"], {"a": 0, "b": 5}, {"a": 1, "b": 2, "c": 3})
    assert found.places == (0, 5) and found.duplicate == 1 and found.unknown == ("x", "y") and found.outside == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"address": None}, "either an address or lists"),
        ({"address": "ftp://x/{query}"}, "http://"),
        ({"method": "PUT"}, "GET or POST"),
        ({"body": {"size": "{k}"}}, "has {query}"),
        ({"per_second": 0}, "per_second was 0"),
        ({"retries": 1.5}, "whole number"),
        ({"key": {"header": "X"}}, "header and variable"),
        ({"colour": "red"}, "has no colour; known:"),
        ({"headers": {"X": 1}}, "headers was"),
        ({"schema": 7}, "schema 7"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused_with_its_file(change, said, tmp_path):
    path = tmp_path / "engine.json"
    path.write_text(json.dumps({**described("http://127.0.0.1:1/s"), **change}))
    with pytest.raises(InputError, match=said) as refused:
        load_engine(path)
    assert "engine.json" in str(refused.value) and "\n" not in str(refused.value)


def test_ranked_lists_from_files(tmp_path):
    (tmp_path / "lists.csv").write_text("query,rank,id\na nurse,2,y\na nurse,1,x\na pilot,1,z\n")
    (tmp_path / "lists.jsonl").write_text(
        '{"query": "a nurse", "ids": ["x", "y"]}\n\n{"prompt": "a pilot", "ids": ["z"]}\n'
    )
    for name in ("lists.csv", "lists.jsonl"):
        found = read_lists(tmp_path / name)
        assert {query: one.ids for query, one in found.lists.items()} == {"a nurse": ("x", "y"), "a pilot": ("z",)}
    for body, said in (
        ("", "holds no list"),
        ('{"query": 3}', "line 1"),
        ('{"query": "a", "ids": []}\n' * 2, "second list"),
    ):
        (tmp_path / "bad.jsonl").write_text(body)
        with pytest.raises(InputError, match=said):
            read_lists(tmp_path / "bad.jsonl")
    (tmp_path / "bad.csv").write_text("query,rank,id\na,first,x\n")
    with pytest.raises(InputError, match="the rank was 'first'"):
        read_lists(tmp_path / "bad.csv")
