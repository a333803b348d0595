"""Two servers on one PostgreSQL: what is kept is everybody's, and a browser stays where its session is."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.store import JobStore
from core.labelling import LabelEvent, LabelLog
from core.team.record import Record
from tests.jobs import rounds
from tests.team import nginx
from tests.team.nginx import Nginx
from tests.team.postgres import Server
from tests.team.running import SHARED, TeamServer
from tests.team.visiting import Visitor


@pytest.fixture(scope="module")
def replicas(database_server: Server) -> Iterator[tuple[str, list[TeamServer], Nginx]]:
    """The database's address, two servers of which the second alone has a worker, and the proxy before them."""
    if why := nginx.why_not():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="unskew-replicas"))
    address = database_server.database(f"replicas_{time.time_ns()}")
    servers: list[TeamServer] = []
    proxy = None
    try:
        for number in range(2):
            (folder / str(number)).mkdir()
            servers.append(TeamServer(folder / str(number), SHARED.format(address=address, workers=number)))
        proxy = Nginx(folder, [server.port for server in servers])
        for server in servers:
            server.name_outside(proxy.address)
            server.start()
        yield address, servers, proxy.start()
    finally:
        if proxy is not None:
            proxy.stop()
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_browser_stays_with_its_replica(replicas: tuple[str, list[TeamServer], Nginx]) -> None:
    _, servers, proxy = replicas
    went = set()
    for _ in range(8):
        with Visitor(proxy.address) as visitor:
            for _ in range(2):
                assert "Start" in visitor.open("guide").pages
                sessions = [int(server.metrics()["unskew_sessions"]) for server in servers]
                assert sorted(sessions) == [0, 1] or sum(sessions) == 1, sessions
                here = sessions.index(max(sessions))
                went.add(here)
                visitor.leave()
                end = time.monotonic() + 10
                while sum(server.metrics()["unskew_sessions"] for server in servers) and time.monotonic() < end:
                    time.sleep(0.1)
        if went == {0, 1}:
            break
    assert went == {0, 1}, "both are used"


def test_labels_jobs_and_the_record_are_everybodys(
    replicas: tuple[str, list[TeamServer], Nginx], tmp_path: Path
) -> None:
    address, servers, _ = replicas
    rounds.world(tmp_path / "world", captions=20)
    (tmp_path / "out").mkdir()
    order = rounds.orders(tmp_path / "world", tmp_path / "out")["gallery-import"]
    store, log, kept = JobStore(address), LabelLog(address), Record(address)
    job = store.submit("gallery-import", order, rounds.WHO)
    log.add(LabelEvent(neuron=1, rater="ada", sae="a" * 64, type="social", attribute="gender"))
    end = time.monotonic() + 120
    while store.get(job).open and time.monotonic() < end:
        time.sleep(0.3)
    assert store.get(job).state == "done", "the replica without a worker need not have one"
    for server in servers:
        assert server.metrics()['unskew_jobs{state="done"}'] == 1
    assert [line.action for line in kept.lines(action="serve")] == ["serve", "serve"] and kept.damages() == []
    for one in (store, log, kept):
        one.close()
