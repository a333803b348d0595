"""Asking a running search over HTTP: slowly enough, again where it may help, and saying what failed."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from core.config import InputError
from core.engines.answers import Answer, ids_at
from core.engines.description import Engine, pause
from core.reading import parse_json

LARGEST = 64 << 20
"""Bytes of an answer that are read."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which a further try may help."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key goes to the address that was given and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class Asker:
    """Asks one engine; `sleep` and `now` are those of the clock, but in tests."""

    engine: Engine
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    _last: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._open = urllib.request.build_opener(_NoRedirect()).open
        self._key()

    def __call__(self, query: str, k: int, embedding: Sequence[float] | None = None) -> Answer:
        """The engine's list for a query; what cannot be had is said in `failed`, nothing is raised for it."""
        k = min(k, self.engine.most)
        said = ""
        for attempt in range(self.engine.retries + 1):
            if attempt:
                self.sleep(pause(self.engine, attempt - 1))
            self._wait()
            said, final, ids = self._once(query, k, embedding)
            if not said or final:
                break
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return Answer(query, k, ids, attempt + 1, at, said or None)

    def _once(self, query: str, k: int, embedding: Sequence[float] | None) -> tuple[str, bool, tuple[str, ...]]:
        """What went wrong in words (empty: nothing), whether a further try is of no use, and the ids."""
        try:
            with self._open(self._request(query, k, embedding), timeout=self.engine.timeout) as reply:
                raw = reply.read(LARGEST + 1)
            if len(raw) > LARGEST:
                return f"the answer is longer than {LARGEST:,} bytes", True, ()
            return "", False, ids_at(parse_json(raw, "the answer"), self.engine.ids)
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code in AGAIN
            return f"the engine answered with status {error.code}", not again, ()
        except InputError as error:
            return str(error), True, ()
        except TimeoutError:
            return f"the engine did not answer within {self.engine.timeout:g} s", False, ()
        except (OSError, ValueError) as error:  # refused connections, broken replies, addresses that are none
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                return f"the engine did not answer within {self.engine.timeout:g} s", False, ()
            return f"the engine cannot be reached ({' '.join(str(reason).split())[:120]})", False, ()
        except Exception as error:  # http.client's own, which share no base with the others
            if type(error).__module__ != "http.client":
                raise
            return f"the engine broke off its answer ({type(error).__name__})", False, ()

    def _request(self, query: str, k: int, embedding: Sequence[float] | None) -> urllib.request.Request:
        engine = self.engine
        address = str(engine.address).replace("{query}", quote(query, safe="")).replace("{k}", str(k))
        body = None if engine.body is None else json.dumps(_filled(engine.body, query, k, embedding)).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", **engine.headers, **self._key()}
        return urllib.request.Request(address, body, headers, method=engine.method)

    def _key(self) -> dict[str, str]:
        """The header with the key; InputError naming the variable that lacks it."""
        key = self.engine.key
        if key is None:
            return {}
        value = os.environ.get(key["variable"])
        if not value:
            raise InputError(f"the engine's key is expected in the environment variable {key['variable']}; set it")
        return {key["header"]: f"{key.get('prefix', '')}{value}"}

    def _wait(self) -> None:
        """Leave as much time between two requests as the engine wants."""
        if self._last is not None:
            left = self._last + 1 / self.engine.per_second - self.now()
            if left > 0:
                self.sleep(left)
        self._last = self.now()


def _filled(value: Any, query: str, k: int, embedding: Sequence[float] | None) -> Any:
    """A body with the question in it."""
    if isinstance(value, dict):
        return {key: _filled(one, query, k, embedding) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, query, k, embedding) for one in value]
    if value == "{k}":
        return k
    if value == "{embedding}":
        return [float(one) for one in embedding or ()]
    return value.replace("{query}", query).replace("{k}", str(k)) if isinstance(value, str) else value
