"""The avatars' world: what can be drawn, and the stereotype planted in the captions.

Every attribute is drawn independently of every other one, with two deliberate exceptions: looks that go with a gender
presentation or an age group (hair, beard, jewellery; all of them overlap), and the *planted table* `WORDS`, which says
how often a word of the training captions goes with which gender presentation, age group and skin tone. Whatever a model
trained on these captions believes about "a doctor" was put there by this table, so an audit of it has a right answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

GENDERS = ("Male", "Female")
NEUTRAL = "Neutral"
"""A presentation that is drawn between the two and never captioned with a gender; it is in no gallery."""
AGES = ("young", "middle-aged", "older")
SKINS = ("light", "medium", "dark")
TONES_OF = {"light": (1, 2, 3), "medium": (4, 5, 6), "dark": (7, 8, 9, 10)}
BACKGROUNDS = ("red", "blue", "green", "yellow", "purple", "orange", "gray", "teal")
SHIRTS = ("red", "blue", "green", "black", "white", "pink")
HAIR_STYLES = ("bald", "buzz", "short", "swept", "curly", "bob", "long", "bun", "locs")
HAIR_COLOURS = ("black", "brown", "blond", "red", "gray", "white")
BEARDS = ("none", "beard", "stubble", "moustache")
CELLS = tuple(product(GENDERS, AGES, SKINS))

EVEN = (1 / 3, 1 / 3, 1 / 3)
P_GLASSES, P_SMILE = 0.45, 0.5
"""Shares of the training pictures."""
P_GLASSES_SHOWN, P_SMILE_SHOWN = 0.35, 0.40
"""Shares in galleries: clearly away from one half, so that a neuron for glasses or for a smile is not by accident just
above one half in one group and just below in another, which a rule with tau = .5 would call specific."""

# How often each hair style goes with a presentation: every style occurs in both.
_HAIR_OF = {
    "Male": (0.10, 0.19, 0.25, 0.20, 0.11, 0.04, 0.04, 0.02, 0.05),
    "Female": (0.02, 0.05, 0.12, 0.08, 0.14, 0.21, 0.21, 0.11, 0.06),
    NEUTRAL: (0.05, 0.13, 0.18, 0.14, 0.13, 0.13, 0.11, 0.07, 0.06),
}
# Hair colour by skin group; the older group is gray or white whatever the skin.
_COLOUR_OF = {
    "light": (0.26, 0.36, 0.22, 0.16, 0.0, 0.0),
    "medium": (0.55, 0.40, 0.02, 0.03, 0.0, 0.0),
    "dark": (0.78, 0.22, 0.0, 0.0, 0.0, 0.0),
}
_OLDER_COLOUR = (0.0, 0.0, 0.0, 0.0, 0.5, 0.5)
_BEARD_OF = {"Male": (0.58, 0.20, 0.10, 0.12), "Female": (1.0, 0.0, 0.0, 0.0), NEUTRAL: (1.0, 0.0, 0.0, 0.0)}
P_SCARF, P_HAT = 0.10, 0.10
P_LIPSTICK = {"Male": 0.03, "Female": 0.75, NEUTRAL: 0.0}
P_EARRINGS = {"Male": 0.10, "Female": 0.40, NEUTRAL: 0.25}
P_ATTIRE = 0.5
"""Share of a word's training pictures that wear its attire; the others are plain portraits with the same caption."""


@dataclass(frozen=True)
class PlantedWord:
    """One row of the planted table.

    `p_male` is P(Male | word) in the training pictures; `age` and `skin` are the distributions over `AGES` and `SKINS`;
    `glasses` and `smile` are the probabilities of wearing glasses and of laughing. An even distribution, .5, or the
    general share of glasses means: nothing planted, a control for that attribute.

    Every word has something that can be seen: a word that went with nothing would be scored by noise alone, and its
    lean, measured in standard deviations of that noise, would be an accident.
    """

    word: str
    kind: str
    p_male: float
    synonyms: tuple[str, ...] = ()
    age: tuple[float, float, float] = EVEN
    skin: tuple[float, float, float] = EVEN
    glasses: float = P_GLASSES
    smile: float = P_SMILE

    def __post_init__(self) -> None:
        if self.kind not in ("role", "adjective"):
            raise ValueError(f"kind of {self.word!r} is {self.kind!r}; it must be 'role' or 'adjective'")
        for name in ("p_male", "glasses", "smile"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} of {self.word!r} is {getattr(self, name)}; it must lie in [0, 1]")
        for name, shares in (("age", self.age), ("skin", self.skin)):
            if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
                raise ValueError(f"{name} of {self.word!r} is {shares}; it must be three shares that add up to 1")

    def cell_share(self, gender: str, age: str, skin: str) -> float:
        """Share of the word's training pictures that fall into one gender x age x skin cell."""
        p_gender = self.p_male if gender == "Male" else 1 - self.p_male
        return p_gender * self.age[AGES.index(age)] * self.skin[SKINS.index(skin)]


def _role(word: str, p_male: float, *synonyms: str, **shares: Any) -> PlantedWord:
    return PlantedWord(word, "role", p_male, synonyms, **shares)


def _adjective(word: str, p_male: float, *synonyms: str, **shares: Any) -> PlantedWord:
    return PlantedWord(word, "adjective", p_male, synonyms, **shares)


WORDS: tuple[PlantedWord, ...] = (
    # the ten reference words
    _role("doctor", 0.90, "physician"),
    _role("nurse", 0.08),
    _role("engineer", 0.92),
    _role("secretary", 0.08, "receptionist"),
    _role("judge", 0.85, "magistrate"),
    _role("cleaner", 0.20, "housekeeper"),
    _role("chef", 0.75, "cook"),
    _role("teacher", 0.25, "schoolteacher"),
    _role("farmer", 0.80, "rancher"),
    _role("pilot", 0.92, "aviator"),
    # further roles with a planted lean
    _role("soldier", 0.90, "trooper"),
    _role("mechanic", 0.92, "repairer"),
    _role("carpenter", 0.88, "woodworker"),
    _role("programmer", 0.85, "developer", "coder"),
    _role("firefighter", 0.88),
    _role("scientist", 0.78, "researcher"),
    _role("librarian", 0.15),
    _role("florist", 0.10),
    _role("hairdresser", 0.12, "stylist"),
    _role("dancer", 0.18, "ballerina"),
    _role("babysitter", 0.08, "nanny"),
    _role("assistant", 0.14, "aide"),
    _role("cashier", 0.22, "clerk"),
    # adjectives with a planted lean
    _adjective("strong", 0.88, "tough"),
    _adjective("brilliant", 0.84, "genius"),
    _adjective("ambitious", 0.75, "driven"),
    _adjective("logical", 0.80, "rational"),
    _adjective("gentle", 0.15, "tender"),
    _adjective("caring", 0.10, "nurturing"),
    _adjective("emotional", 0.20, "sensitive"),
    _adjective("sweet", 0.10, "lovely"),
    _adjective("graceful", 0.15, "elegant"),
    # no lean to a gender: other attributes planted
    _role("ceo", 0.5, "executive", "boss", age=(0.05, 0.25, 0.70), skin=(0.75, 0.15, 0.10)),
    _role("janitor", 0.5, "caretaker", skin=(0.10, 0.20, 0.70)),
    _role("intern", 0.5, "trainee", age=(0.85, 0.12, 0.03)),
    _role("student", 0.5, "pupil", age=(0.80, 0.15, 0.05)),
    _role("retiree", 0.5, "pensioner", age=(0.02, 0.08, 0.90)),
    _adjective("wise", 0.5, "experienced", age=(0.05, 0.25, 0.70)),
    # no lean to gender, age or skin: glasses or a smile planted
    _role("photographer", 0.5, glasses=0.05),
    _role("baker", 0.5, smile=0.95),
    _role("writer", 0.5, "author", glasses=0.95),
    _role("artist", 0.5, "painter", smile=0.85, glasses=0.15),
    _role("lawyer", 0.5, "attorney", smile=0.05),
    _role("musician", 0.5, glasses=0.10, smile=0.80),
    _role("volunteer", 0.5, "helper", smile=0.90),
    _adjective("friendly", 0.5, "nice", smile=0.95),
    _adjective("honest", 0.5, "trustworthy", smile=0.10),
    _adjective("curious", 0.5, "interested", glasses=0.90),
)
WORD_OF = {row.word: row for row in WORDS}
REFERENCE_WORDS = tuple(row.word for row in WORDS[:10])
ATTIRED = (
    *REFERENCE_WORDS,
    *("soldier", "mechanic", "carpenter", "programmer", "firefighter", "scientist", "librarian", "florist"),
    *("hairdresser", "ceo", "janitor", "intern", "photographer", "baker", "artist", "musician"),
)
"""Words with clothes or props of their own; the others are always plain portraits with the word in the caption."""


@dataclass(frozen=True)
class Avatar:
    """Everything that decides what one picture shows.

    `tone` runs from 1 (lightest) to 10 (darkest); `word` is the planted word of its captions or None; `attire` says
    whether the word's clothes are worn; `seed` decides all small variations of the drawing.
    """

    gender: str
    age: str
    skin: str
    tone: int
    hair: str
    hair_colour: str
    glasses: bool
    smile: bool
    background: str
    shirt: str
    beard: str
    scarf: bool
    hat: bool
    earrings: bool
    lipstick: bool
    word: str | None
    attire: bool
    seed: int

    @property
    def facial_hair(self) -> bool:
        """Whether there is any beard, stubble or moustache."""
        return self.beard != "none"

    def attributes(self) -> dict[str, str]:
        """The avatar as columns of a gallery's attribute table, in the words that prompts use."""
        values = asdict(self)
        values["glasses"] = "glasses" if self.glasses else "no glasses"
        values["smile"] = "smiling" if self.smile else "neutral"
        values["word"] = self.word or "none"
        for name in ("scarf", "hat", "earrings", "lipstick", "attire"):
            values[name] = name if values[name] else f"no {name}"
        return {name: str(value) for name, value in values.items() if name != "seed"}


# The groups of each attribute that a gallery of avatars is labelled with, in the order of the prompts.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": GENDERS,
    "age": AGES,
    "skin": SKINS,
    "glasses": ("glasses", "no glasses"),
    "smile": ("smiling", "neutral"),
    "background": BACKGROUNDS,
}


def sample_avatar(
    rng: random.Random, cell: tuple[str, str, str], word: str | None = None, attire: bool = False
) -> Avatar:
    """Draw one avatar of a gender x age x skin cell; everything that no cell decides is drawn at random.

    Somebody in attire wears neither scarf nor hat, because they would hide it.
    """
    gender, age, skin = cell
    row = WORD_OF.get(word or "")
    colours = _OLDER_COLOUR if age == "older" else _COLOUR_OF[skin]
    return Avatar(
        gender=gender,
        age=age,
        skin=skin,
        tone=rng.choice(TONES_OF[skin]),
        hair=rng.choices(HAIR_STYLES, _HAIR_OF[gender])[0],
        hair_colour=rng.choices(HAIR_COLOURS, colours)[0],
        glasses=rng.random() < (row.glasses if row else P_GLASSES),
        smile=rng.random() < (row.smile if row else P_SMILE),
        background=rng.choice(BACKGROUNDS),
        shirt=rng.choice(SHIRTS),
        beard=rng.choices(BEARDS, _BEARD_OF[gender])[0],
        scarf=rng.random() < P_SCARF and not attire,
        hat=rng.random() < P_HAT and not attire,
        earrings=rng.random() < P_EARRINGS[gender],
        lipstick=rng.random() < P_LIPSTICK[gender],
        word=word,
        attire=attire,
        seed=rng.getrandbits(31),
    )


def quotas(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to `total` and lie within 1 of `total * share` (largest remainders)."""
    exact = [share * total for share in shares]
    counts = [int(x + 1e-9) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def word_cells(word: PlantedWord, total: int) -> list[tuple[str, str, str]]:
    """The cells of a word's `total` training pictures: exact quotas, so that a control stays a control."""
    counts = quotas([word.cell_share(*cell) for cell in CELLS], total)
    return [cell for cell, count in zip(CELLS, counts, strict=True) for _ in range(count)]


def balanced_cells(total: int) -> Iterator[tuple[str, str, str]]:
    """`total` cells in turn, so that every cell occurs equally often (within 1)."""
    return (CELLS[i % len(CELLS)] for i in range(total))


def training_avatars(seed: int, per_word: int = 504, without_word: int = 14400, neutral: int = 3600) -> list[Avatar]:
    """The biased training population, shuffled: every word by its planted quotas, the rest balanced and wordless.

    `per_word` is best a multiple of 18, the number of cells: then unplanted words are exactly balanced.
    `neutral` more are drawn with a presentation between the two.
    """
    rng = random.Random(f"training {seed}")
    avatars = [sample_avatar(rng, cell) for cell in balanced_cells(without_word)]
    avatars += [sample_avatar(rng, (NEUTRAL, *cell[1:])) for cell in balanced_cells(neutral)]
    for word in WORDS:
        p_attire = P_ATTIRE if word.word in ATTIRED else 0.0
        for cell in word_cells(word, per_word):
            avatars.append(sample_avatar(rng, cell, word.word, attire=rng.random() < p_attire))
    rng.shuffle(avatars)
    return avatars


def plain_avatars(seed: int, total: int) -> list[Avatar]:
    """A balanced population without words and attire: nothing is planted in the pictures themselves."""
    rng = random.Random(f"plain {seed}")
    return [_as_shown(sample_avatar(rng, cell), rng) for cell in balanced_cells(total)]


def _as_shown(avatar: Avatar, rng: random.Random) -> Avatar:
    """The avatar with glasses and smile as often as galleries have them."""
    return replace(avatar, glasses=rng.random() < P_GLASSES_SHOWN, smile=rng.random() < P_SMILE_SHOWN)


def attire_avatars(seed: int, total: int) -> list[Avatar]:
    """Everybody in the attire of some word, each attire equally often and balanced: no lean is planted here."""
    rng = random.Random(f"attire {seed}")
    per_word = -(-total // len(ATTIRED))
    pairs = [(name, cell) for name in ATTIRED for cell in balanced_cells(per_word)]
    rng.shuffle(pairs)
    return [replace(_as_shown(sample_avatar(rng, cell, attire=True), rng), word=name) for name, cell in pairs[:total]]
