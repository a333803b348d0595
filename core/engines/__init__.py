"""A search that somebody runs, asked as a black box: what it is, and what it answers."""

from core.engines.answers import Answer, Answers
from core.engines.asking import Asker
from core.engines.description import Engine, load_engine
from core.engines.recorded_lists import read_lists

__all__ = ["Answer", "Answers", "Asker", "Engine", "load_engine", "read_lists"]
