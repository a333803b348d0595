"""Files that browsers send stay in memory, within limits, and are zeros when they go."""

import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.formparsers import MultiPartParser
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.ui.session import keeping
from core.ui.session.state import AppState
from core.ui.session.uploads import Upload, Uploads


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    keeping.guard_uploads()
    monkeypatch.setattr(keeping, "_kept", {})  # pages that other tests opened in this process have theirs
    monkeypatch.setattr(keeping, "_away", {})
    return MemoryUploadedFileManager("/upload")


def record(name: str, data: bytes) -> UploadedFileRec:
    return UploadedFileRec(name, name, "image/png", data)


def test_nothing_that_is_taken_is_spooled(manager: MemoryUploadedFileManager) -> None:
    assert MultiPartParser.spool_max_size > 25 << 20


def test_files_are_zeros_when_their_session_or_their_owner_drops_them(manager: MemoryUploadedFileManager) -> None:
    for drop in (lambda: manager.remove_session_files("s"), lambda: manager.remove_file("s", "a")):
        data = bytes(bytearray(b"marker" * 1000))
        manager.add_file("s", record("a", data))
        drop()
        assert data == bytes(len(data))
        assert manager.get_files("s", ["a"]) == []


def test_a_session_and_all_sessions_have_a_ceiling(manager: MemoryUploadedFileManager, monkeypatch) -> None:
    monkeypatch.setattr(keeping, "SESSION_BYTES", 1000)
    monkeypatch.setattr(keeping, "ALL_BYTES", 1500)
    manager.add_file("s", record("a", b"x" * 900))
    manager.add_file("s", record("b", b"x" * 200))
    assert keeping.refused(SimpleNamespace(file_id="b")) and not keeping.refused(SimpleNamespace(file_id="a"))
    assert manager.get_files("s", ["b"])[0].data == b""
    manager.add_file("t", record("c", b"x" * 700))
    assert keeping.refused(SimpleNamespace(file_id="c"))
    manager.remove_session_files("s")
    manager.add_file("t", record("d", b"x" * 700))
    assert not keeping.refused(SimpleNamespace(file_id="d"))


def test_a_closed_tab_is_forgotten_and_a_reload_is_not(manager: MemoryUploadedFileManager) -> None:
    picture, row = bytes(bytearray(b"face" * 500)), np.ones(8, np.float32)
    uploads = Uploads([Upload("a", "image", "d", {"pooled": row}, picture)])
    keeping.keep("s", uploads)
    manager.add_file("s", record("a", bytes(bytearray(b"raw" * 500))))
    active = {"s"}
    runtime = SimpleNamespace(uploaded_file_mgr=manager, is_active_session=lambda session: session in active)
    assert keeping.look(runtime, 0.0) == 0
    active.clear()
    assert keeping.look(runtime, 10.0) == 0
    active.add("s")
    assert keeping.look(runtime, 50.0) == 0  # it came back
    active.clear()
    assert keeping.look(runtime, 100.0) == 0 and uploads.items
    assert keeping.look(runtime, 100.0 + keeping.GONE_SECONDS) == 1
    assert not uploads.items and picture == bytes(len(picture)) and not row.any()
    assert "s" not in manager.file_storage
    assert keeping.look(runtime, 1000.0) == 0


def test_sessions_of_closed_tabs_go_after_their_time_though_no_other_tab_comes() -> None:
    now = [0.0]
    closed = TTLCache(maxsize=8, ttl=120, timer=lambda: now[0])
    runtime = SimpleNamespace(_session_mgr=SimpleNamespace(_session_storage=SimpleNamespace(_cache=closed)))
    session = AppState()
    gone = weakref.ref(session)
    closed["s"] = session
    del session
    now[0] = 119.0
    assert not keeping.forget_closed(runtime) and gone() is not None
    now[0] = 121.0
    assert keeping.forget_closed(runtime) and gone() is None
    assert not keeping.forget_closed(runtime)


def test_where_sessions_of_closed_tabs_are_looked_for() -> None:
    storage = MemorySessionStorage()
    assert isinstance(storage._cache, TTLCache) and len(storage._cache._data) == 0
