"""What is said about a job, for people who read no path of the server's disk."""

import re

from core.team.configuration import current
from core.team.roots import without_paths as by_roots

PATH = re.compile(r"(?<![\w.:/])(?:~|[A-Za-z]:)?(?:/[^\s/:;,'\"()<>]+)+/([^\s/:;,'\"()<>]+)/?")
"""An absolute path of two parts or more; addresses (https://...) are none."""


def without_paths(text: str) -> str:
    """The text with every absolute path by its last part, and without what is left of the configuration's folders."""
    configuration, short = current(), PATH.sub(r"\1", text)
    return short if configuration is None else by_roots(short, configuration)
