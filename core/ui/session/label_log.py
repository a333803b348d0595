"""The label log of this server, and what stands in it."""

import os
from typing import TYPE_CHECKING

import streamlit as st

from core.labelling import LabelLog, LiveStandings
from core.labelling.log import default_url

if TYPE_CHECKING:
    pass


@st.cache_resource(max_entries=4, show_spinner=False)
def _log(where: str, process: int) -> LabelLog:
    return LabelLog(where)


@st.cache_resource(max_entries=8, show_spinner=False)
def _live(where: str, sae: str, process: int) -> LiveStandings:
    return LiveStandings(_log(where, process), sae)


def log() -> LabelLog:
    """The log of this server."""
    return _log(default_url(), os.getpid())


def live(sae: str) -> LiveStandings:
    """What stands in it about an SAE's neurons."""
    return _live(default_url(), sae, os.getpid())
