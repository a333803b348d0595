"""The record of what was done: who did or was refused what, and when; lines that are only ever added, each tied to the
one before, so that one that was removed or changed is found."""

import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from core import access
from core.access import Person
from core.config import digest_of, own_folder
from core.databases import DatabaseDown, make_tables, open_database, public_address, reason_of
from core.team.configuration import current
from core.writing import csv_text

SIGNED_IN, SIGNED_OUT, SERVED, STOPPED = "sign-in", "sign-out", "serve", "stop"
"""What is recorded beside the actions of `core.access`."""
UNRECORDED = frozenset({"look", "compare", "ask", "follow", "see-jobs", "operate"})
"""Actions that leave nothing behind and happen with every click."""
DONE, ALLOWED, REFUSED = "done", "allowed", "refused"
AGAIN_SECONDS = 60.0
"""One process writes the same line about the same person once within this time: pages ask with every click."""
LONGEST = 400
"""Characters of a name that are kept."""
COLUMNS = ("seq", "at", "who", "action", "what", "outcome", "before", "digest")
SEARCHED = ("at", "who", "action", "what", "outcome")
START = "0" * 64

TABLES = MetaData()
LINES = Table(
    "record_lines",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("who", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("what", Text, nullable=False),
    Column("outcome", String(LONGEST), nullable=False),
    Column("before", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
HEAD = Table(
    "record_head",
    TABLES,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)


@dataclass(frozen=True)
class Line:
    """One line of the record.

    Parameters
    ----------
    seq : its number, from 1 without gaps.
    at : when, in UTC (ISO 8601).
    who : the person's name for good; "" for the server itself.
    what : on what, by name; "" where the action says it all.
    outcome : "done", "allowed" (asked and begun), "refused", or how it ended.
    before : digest of the line before; 64 zeros before the first.
    digest : SHA-256 of the canonical JSON of all of the above.
    """

    seq: int
    at: str
    who: str
    action: str
    what: str
    outcome: str
    before: str
    digest: str

    def computed(self) -> str:
        """The digest that the line's content has."""
        return digest_of([getattr(self, name) for name in COLUMNS[:-1]])


class Record:
    """Lines in the order in which they were written, in SQLite or a PostgreSQL that replicas share.

    One line is one transaction, on disk when `add` returns; any number of processes may write at once.

    Parameters
    ----------
    where : a database URL or the path of an SQLite file, made if missing; None: the default.
    """

    def __init__(self, where: str | Path | None = None) -> None:
        self.where = str(where or default_address())
        self._engine = open_database(self.where, "record")
        self._writer = self._engine.execution_options(writes=True)
        with self._speaking():
            make_tables(self._engine, TABLES)

    @property
    def public(self) -> str:
        """Where the record is, without a password."""
        return public_address(self.where)

    def add(self, who: str, action: str, what: str = "", outcome: str = DONE) -> Line:
        """Write one line behind the last."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._speaking(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":  # writers in turn, as in SQLite: each line needs the one before
                connection.execute(text(f"LOCK TABLE {LINES.name} IN SHARE ROW EXCLUSIVE MODE"))
            head = connection.execute(select(HEAD.c.seq, HEAD.c.digest)).first()
            seq, before = (1, START) if head is None else (head[0] + 1, head[1])
            line = Line(seq, at, _plain(who), action, _plain(what), _plain(outcome), before, "")
            line = Line(**{**asdict(line), "digest": line.computed()})
            connection.execute(insert(LINES).values(**asdict(line)))
            ended = {"seq": line.seq, "digest": line.digest}
            connection.execute(insert(HEAD).values(one=1, **ended) if head is None else update(HEAD).values(**ended))
        return line

    def lines(self, who: str = "", action: str = "", words: str = "", newest: int | None = None) -> list[Line]:
        """The lines in order: all, of one person, of one action, with these words in them; or the newest of these."""
        query = select(*(LINES.c[name] for name in COLUMNS)).order_by(LINES.c.seq.desc())
        query = query.where(LINES.c.who == who) if who else query
        query = query.where(LINES.c.action == action) if action else query
        for word in words.split():
            held = [
                LINES.c[name].icontains(word, autoescape=True) for name in ("at", "who", "action", "what", "outcome")
            ]
            query = query.where(held[0] | held[1] | held[2] | held[3] | held[4])
        query = query if newest is None else query.limit(newest)
        with self._speaking(), self._engine.connect() as connection:
            return [Line(*row) for row in connection.execute(query)][::-1]

    def damages(self) -> list[str]:
        """One line for everything in the record that is not as it was written; none where it is whole.

        Whoever may write to the database can write a whole record anew: an export kept elsewhere tells that.
        """
        with self._speaking(), self._engine.connect() as connection:
            head = connection.execute(select(HEAD.c.seq, HEAD.c.digest)).first()
        return damages(self.lines(), (0, START) if head is None else (head[0], head[1]))

    def close(self) -> None:
        self._engine.dispose()

    # -- private ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the database says, as one line for people."""
        try:
            yield
        except SQLAlchemyError as error:
            reason = reason_of(error, self.where, "it holds no record of this app")
            raise DatabaseDown(
                f"the record of what was done, {self.public}, cannot be used ({reason}); nothing that has to be "
                "recorded can be done until it can"
            ) from None


def damages(lines: Iterable[Line], head: tuple[int, str]) -> list[str]:
    """What is wrong with lines in order, whose last has this number and digest."""
    found, number, digest = [], 0, START
    for line in lines:
        if line.seq != number + 1:
            missing = f"line {number + 1} is" if line.seq == number + 2 else f"lines {number + 1} to {line.seq - 1} are"
            found.append(f"{missing} missing from the record")
        elif line.before != digest:
            found.append(f"line {line.seq} of the record does not follow the one before: one of them was changed")
        if line.computed() != line.digest:
            found.append(f"line {line.seq} of the record was changed after it was written")
        number, digest = line.seq, line.digest
    if (number, digest) != head:
        found.append(f"the record ends with line {number}, and the last that was written is line {head[0]}")
    return found


Written = Callable[[Iterable[Line]], str]
"""How lines are written for somebody to take away."""


def as_csv(lines: Iterable[Line]) -> str:
    """The lines as a table that no spreadsheet takes for formulas."""
    return csv_text(COLUMNS, (asdict(line) for line in lines))


def as_json_lines(lines: Iterable[Line]) -> str:
    """The lines, a JSON object each, as they are digested."""
    return "".join(f"{json.dumps(asdict(line), ensure_ascii=False)}\n" for line in lines)


def default_address() -> str:
    """The address that the configuration names, else record.sqlite in the app's own folder."""
    configuration = current()
    return (configuration.record if configuration else "") or str(own_folder() / "record.sqlite")


def kept() -> Record:
    """The record of this server."""
    return _kept(default_address())


def wrote(action: str, what: str = "", outcome: str = DONE) -> None:
    """Record that the one who acts did something; nothing where no configuration is in force."""
    if access.configured():
        kept().add(access.acting().name, action, what, outcome)


def keep() -> None:
    """Record from now on what this process is asked to do; the server and every worker call it when they start."""
    access.tell(_heard)


_last: dict[tuple[str, ...], float] = {}
_came: dict[tuple[str, str], None] = {}
CAME = 5000
"""Sign-ins that one process remembers, so that each is a line once and not with every page."""


def came(person: Person, sign_in: str = "") -> None:
    """Record once in this process that somebody came in by this sign-in (its time, or what else tells it apart)."""
    mark = (person.name, sign_in)
    if access.configured() and mark not in _came:
        _came[mark] = None
        while len(_came) > CAME:
            _came.pop(next(iter(_came)))
        kept().add(person.name, SIGNED_IN, ", ".join(sorted(person.roles)))


def _heard(person: Person, action: str, what: str, allowed: bool) -> None:
    """A line for an answer of `require`, unless the same was written a moment ago."""
    if action in UNRECORDED or not access.configured():
        return
    line, now = (person.name, action, what, ALLOWED if allowed else REFUSED), time.monotonic()
    if now - _last.get(line, -AGAIN_SECONDS) < AGAIN_SECONDS:
        return
    kept().add(*line)
    for old in [old for old, at in _last.items() if now - at >= AGAIN_SECONDS]:
        _last.pop(old, None)
    _last[line] = now


@functools.cache
def _kept(where: str) -> Record:
    return Record(where)


def _plain(given: str) -> str:
    """One line of characters that every database holds."""
    line = "".join(letter if letter.isprintable() else " " for letter in given)
    return " ".join(line.split())[:LONGEST]
