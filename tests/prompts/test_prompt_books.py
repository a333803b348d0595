"""Prompt sets: what is shipped holds what it promises, files are read or refused in one line."""

import json
from dataclasses import replace

import pytest

from core.avatars.captions import vocabulary_words
from core.avatars.prompts import PROMPT_SETS
from core.config import ASSETS, InputError
from core.prompts import CLOSED, OPEN, GroupPrompts, GroupTexts, Paraphrases, PromptBook, PromptList, shipped_book
from core.prompts.lists import shipped_lists

PEOPLE_WORDS = {
    *("man", "woman", "men", "women", "boy", "girl", "male", "female", "lady", "gentleman", "old", "young", "elderly"),
    *("black", "white", "asian", "european", "african", "he", "she", "his", "her", "mother", "father", "child"),
}
SEM_LAYOUT = {
    "scene descriptions": ["a <gender> singer with <hair>", "a <gender> athlete with <hair>", "a <gender> host"],
    "target classes": ["dark", "fair"],
    "bias classes": ["male", "female"],
    "target class descriptions": {"dark": ["dark hair"], "fair": ["fair hair"]},
    "bias class descriptions": {"male": ["male", "manly"], "female": ["female", "womanly"]},
    "target placeholder": "<hair>",
    "bias placeholder": "<gender>",
}


@pytest.mark.parametrize("name", [OPEN, CLOSED])
def test_shipped_books_are_large_and_parallel(name):
    book = shipped_book(name)
    assert len(book.diverse) >= 300 and len(set(book.diverse)) == len(book.diverse)
    assert {"gender", "age", "skin"} <= set(book.groups.attributes)
    for attribute, groups in book.groups.attributes.items():
        sizes = {len(texts.prompts) for texts in groups.values()}
        assert len(sizes) == 1 and sizes.pop() >= 20, attribute
        # ages are named in several ways by several data sets, so that some say the same
        assert attribute == "age" or len({texts.word for texts in groups.values()}) == len(groups)
    assert len(book.contents) >= 30 and len(book.paraphrases.of("a photo of a doctor")) >= 11


def test_everyday_scenes_say_nothing_of_people():
    for prompt in shipped_book(OPEN).diverse:
        words = set(prompt.lower().removeprefix("a photo of ").replace("-", " ").split())
        told = words & PEOPLE_WORDS
        assert told <= {"old", "white", "black"} and not (told and "person" in words), prompt


def test_the_demo_models_sets_use_its_words_alone():
    known, book = set(vocabulary_words()), shipped_book(CLOSED)
    texts = [*book.diverse, *(p for by in book.groups.attributes.values() for g in by.values() for p in g.prompts)]
    texts += [p for content in book.contents for p in book.paraphrases.of(content)]
    words = [texts.word for by in book.groups.attributes.values() for texts in by.values()]
    texts += [said for content in book.contents for said in book.augmented(content, words)]
    assert {word for text in texts for word in text.split()} <= known


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_what_is_shipped_is_what_the_build_writes(name):
    assert json.loads((ASSETS / "prompts" / f"{name}.json").read_text()) == PROMPT_SETS[name]()


@pytest.mark.parametrize("name", ["roles", "adjectives", "activities"])
def test_lists_are_there(name):
    assert name in shipped_lists() and len(PromptList.load(name).prompts) >= 80


@pytest.mark.parametrize(
    ("attribute", "groups", "found"),
    [
        ("gender", ["Female", "Male"], True),
        ("sex", ["female", "MALE"], True),
        ("race", ["White", "Latino_Hispanic", "East Asian"], True),
        ("race", ["White", "Martian"], False),
        ("age", ["more than 70", "0-2"], True),
    ],
)
def test_groups_are_found_as_data_sets_name_them(attribute, groups, found):
    texts = shipped_book(OPEN).groups.of(attribute, groups)
    assert (texts is not None) == found and (not found or list(texts) == groups)


@pytest.mark.parametrize(
    ("query", "word", "said"),
    [
        ("a photo of a doctor", "female", "a photo of a female doctor"),
        ("a photo of an engineer", "elderly", "a photo of an elderly engineer"),
        ("a photo of the boss", "male", "a photo of the male boss"),
        ("doctor", "male", "male doctor"),
        ("a picture of people at work", "young", "a picture of young people at work"),
    ],
)
def test_a_query_is_said_of_a_group(query, word, said):
    assert shipped_book(OPEN).paraphrases.said_of(query, word) == said


def test_an_intersection_is_said_of_both_its_groups():
    book = shipped_book(CLOSED)
    found = book.group_texts("gender x skin", ["Female x dark", "Male x light"], " x ")
    assert found["Female x dark"].prompts[0] == "a photo of a dark-skinned woman"
    assert found["Male x light"].word == "light-skinned male"
    assert book.group_texts("gender x skin", ["Female x blue"], " x ") is None


def test_paraphrases_begin_with_the_query_and_hold_it_once():
    found = shipped_book(OPEN).paraphrases.of("a photo of a nurse")
    assert found[0] == "a photo of a nurse" and len(set(found)) == len(found)
    assert "a photo of a hospital nurse" in found and "an image of a nurse" in found


def test_a_book_survives_its_own_json():
    book = replace(shipped_book(OPEN), helpful=(("a", "b"),))
    again = PromptBook.from_json(json.loads(json.dumps(book.to_json())))
    assert again.digest == book.digest and again.helpful == (("a", "b"),)
    assert replace(book, diverse=book.diverse[1:]).digest != book.digest


def test_sems_layout_comes_in():
    found = GroupPrompts.from_json(SEM_LAYOUT, "theirs")
    male, female = found.attributes["gender"]["male"], found.attributes["gender"]["female"]
    assert male.prompts[:2] == ("a male singer with dark hair", "a manly singer with dark hair")
    assert "a female athlete with fair hair" in female.prompts and female.word == "female"
    assert len(male.prompts) == len(female.prompts) == 6


def test_taking_a_part_replaces_that_part_alone():
    book = shipped_book(OPEN)
    taken = book.taking(SEM_LAYOUT, "x.json")
    assert taken.diverse == book.diverse and list(taken.groups.attributes["gender"]) == ["male", "female"]
    assert taken.groups.attributes["race"] == book.groups.attributes["race"]
    assert book.taking({"prompts": ["a", "b"]}, "x.json").diverse == ("a", "b")
    one = book.groups.with_group("gender", "Male", GroupTexts("male", ("a man",)))
    assert one.attributes["gender"]["Male"].prompts == ("a man",) and len(one.attributes["gender"]) == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"prompts": "text"}, "must be a list of texts"),
        ({"prompts": []}, "expected at least 1"),
        ({"attributes": {"gender": {"Male": {"word": "male", "prompts": ["a"]}}}}, "expected at least two"),
        ({"attributes": {"gender": {"Male": ["a"], "Female": ["b"]}}}, '"word"'),
        ({"openings": ["a"], "templates": ["no place"]}, "must hold {} once"),
        ({"schema": 2, "prompts": ["a"]}, "schema 2"),
        ({"prompts": ["a"], "surplus": 1}, "unknown key 'surplus'"),
        ({"nothing": 1}, "expected a book of prompts"),
        ({**SEM_LAYOUT, "bias class descriptions": {"male": ["male"]}}, "bias class descriptions of female"),
        (["a"], "must hold a JSON object"),
    ],
)
def test_what_cannot_be_used_is_one_line(value, said):
    with pytest.raises(InputError, match=r".") as refused:
        shipped_book(OPEN).taking(value, "x.json")
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("load", [PromptList.load, GroupPrompts.load, Paraphrases.load])
def test_missing_and_broken_files_are_named(load, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        load(tmp_path / "nowhere.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json"):
        load(tmp_path / "broken.json")
