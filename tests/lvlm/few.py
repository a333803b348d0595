"""Audits of answers that look at fewer pictures, where a test is not about how many.

A tenth of the time of an audit goes to its own questions: the rest to what a model still sees, which every arm is asked
of every picture again, and to the pictures among which neurons are chosen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

SEEN, PROBED = 15, 60
"""One batch of pictures that are looked at, and a quarter of those that neurons are chosen on."""


@contextmanager
def few_pictures() -> Iterator[None]:
    """Inside, an audit asks what is seen in SEEN pictures, and chooses on PROBED."""
    from core.lvlm import ability, audit

    with mock.patch.object(ability, "PICTURES", SEEN), mock.patch.object(audit, "PROBE_PICTURES", PROBED):
        yield
