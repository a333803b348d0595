"""Prompt sets of our own writing: what methods are fitted on, and lists of what to ask. Plain texts, no model."""

from core.prompts.book import CLOSED, OPEN, PromptBook, shipped_book
from core.prompts.groups import GroupPrompts, GroupTexts
from core.prompts.lists import PromptList, shipped_lists
from core.prompts.paraphrases import Paraphrases, article

__all__ = [
    "CLOSED",
    "OPEN",
    "GroupPrompts",
    "GroupTexts",
    "Paraphrases",
    "PromptBook",
    "PromptList",
    "article",
    "shipped_book",
    "shipped_lists",
]
