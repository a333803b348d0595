"""Verification: a report's digests compared, and every number computed again, by code of its own and without torch."""

from core.verify.digests import Places, compare_digests, find_places
from core.verify.verdict import Verdict, verify

__all__ = ["Places", "Verdict", "compare_digests", "find_places", "verify"]
