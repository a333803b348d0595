"""A team server starts, keeps its parts going, says how it is, and stops without leaving anything behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.cli import main
from core.config import ROOT, InputError
from core.team import serving
from core.team.configuration import Configuration
from core.team.metrics import Endpoint, Standing
from core.team.record import Record
from core.team.serving import Part, Watch
from core.team.tied import command
from tests.team.running import TeamServer
from tests.team.visiting import Visitor

OPEN = '[access]\nmode = "open"\neveryone = ["viewer"]\n[jobs]\nworkers = 1\n'
SLEEPER = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- parts, without the app -------------------------------------------------------------------------------------------


def test_check_says_what_is_configured_or_all_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "team.toml"
    file.write_text('[access]\nmode = "kiosk"\n[labels]\naddress = "postgresql://ada@db.example/labels"\n')
    assert main(["serve", "--config", str(file), "--check"]) == 0
    said = capsys.readouterr().out
    assert "mode: kiosk" in said and "db.example/labels" in said and "ada" not in said
    file.write_text('[access]\nmode = "kisok"\n[roles]\nboss = ["a@b.c"]\n')
    assert main(["serve", "--config", str(file), "--check"]) == 2
    wrong = capsys.readouterr().err.splitlines()
    assert len(wrong) >= 2 and any("kisok" in line for line in wrong) and any("boss" in line for line in wrong)
    assert main(["serve", "--config", str(tmp_path / "none.toml"), "--check"]) == 2
    assert main(["serve", "--check"]) == 0


def test_the_guides_commands_write_a_configuration_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "assets" / "guide" / "team-server.md").read_text()
    text = guide.split("cat > /etc/unskew/team.toml <<'END'\n")[1].split("END\n")[0]
    for folder in ("home", "galleries", "saes"):
        (tmp_path / folder).mkdir()
    text = text.replace("/srv/unskew", str(tmp_path)).replace("https://NAME", "https://unskew.example.org")
    text = text.replace("PROVIDER", "id.example.org").replace("EXAMPLE.ORG", "example.org")
    (tmp_path / "team.toml").write_text(text)
    for name in ("UNSKEW_OIDC_SECRET", "UNSKEW_COOKIE_SECRET"):
        monkeypatch.setenv(name, "0123456789abcdef0123456789abcdef")
    assert main(["serve", "--config", str(tmp_path / "team.toml"), "--check"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "mode: oidc, offline" in said and "postgresql+psycopg:///unskew" in said and "0123456789" not in said
    for named in re.findall(r"\.github/deploy/[\w.]+", guide):
        assert (ROOT / named).is_file(), named


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}"):
            serving.require_port("127.0.0.1", port, "the app")


def test_secrets_are_in_a_file_of_this_user_alone_and_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{serving.PRIVATE}{2**22 + 1}-abc"
    left.mkdir()
    (left / "secrets.toml").write_text("of a server that was killed")
    with serving.private_file("secret") as file:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.read_text() == "secret" and not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_apps_options_name_whom_it_listens_to(tmp_path: Path) -> None:
    asked = Configuration(tmp_path / "team.toml", "open", public_url="https://unskew.example.org")
    given = serving.options(asked, Path("/private/secrets.toml"))
    pairs = list(zip(given[::2], given[1::2], strict=True))
    assert ("--browser.serverAddress", "unskew.example.org") in pairs and ("--browser.serverPort", "443") in pairs
    assert ("--server.corsAllowedOrigins", "https://unskew.example.org") in pairs
    assert ("--server.allowedHosts", "unskew.example.org") in pairs
    assert ("--server.enableXsrfProtection", "true") in pairs and ("--server.enableAgentApi", "false") in pairs
    assert "secret" not in " ".join(given).replace("--secrets.files", "").replace("/private/secrets.toml", "").lower()


def test_a_part_that_ends_is_started_again_after_a_while_that_grows() -> None:
    part, now = Part("worker 1", [sys.executable, "-c", "raise SystemExit(3)"]), 100.0
    part.start(os.environ)
    waited = []
    for _ in range(3):
        assert part.process is not None
        part.process.wait()
        said = part.look(os.environ, now)
        assert said is not None and "worker 1 ended with code 3" in said
        waited.append(part.due - now)
        assert part.look(os.environ, now + waited[-1] / 2) is None and part.process is None
        now = part.due
        assert part.look(os.environ, now) is None and part.process is not None
    assert waited == list(serving.WAITS[:3]) and part.restarts == 3
    part.end(time.monotonic() + 5)


def test_the_app_ends_before_the_workers_and_who_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "APP_STOPS", 5.0)
    monkeypatch.setattr(serving, "WORKERS_STOP", 1.0)
    said: list[str] = []
    parts = [
        Part("app", [sys.executable, "-c", SLEEPER]),
        Part("worker 1", [sys.executable, "-c", SLEEPER]),
        Part("worker 2", [sys.executable, "-c", STUBBORN]),
    ]
    watch = Watch(Configuration(tmp_path / "x", "open"), parts, os.environ, dict, said.append)
    for part in parts:
        part.start(os.environ)
    time.sleep(1.5)  # until each has said what it does with a signal
    watch.stop()
    monkeypatch.setattr(Part, "start", lambda *_: None)
    watch.run()
    assert not any(part.running for part in parts)
    assert len(said) == 1 and "worker 2 did not end" in said[0]
    assert [part.process.returncode for part in parts if part.process] == [0, 0, -signal.SIGKILL]


def test_nothing_outlives_who_started_it() -> None:
    code = (
        "import subprocess, sys, time; from core.team.tied import command;"
        "child = subprocess.Popen(command('http.server', '0', '--bind', '127.0.0.1'), start_new_session=True,"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(child.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert until(lambda: runs(child)) and not until(lambda: not runs(child), 1.0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: not runs(child), 5.0), "a child goes on that nobody watches over"


def test_a_child_whose_parent_has_gone_before_it_looked_ends_at_once() -> None:
    stranger = command("http.server", "0")
    stranger[stranger.index(str(os.getpid()))] = "1" if os.getpid() != 1 else "2"
    assert subprocess.run(stranger, cwd=ROOT, check=False, timeout=30, capture_output=True).returncode == 1


def test_health_and_metrics_say_what_is_down(tmp_path: Path) -> None:
    now = Standing({"app": True, "worker 1": True}, 3, {"waiting": 2, "done": 5}, {"app": 1 << 20}, {"app": 0})

    def asked(path: str, method: str = "GET") -> tuple[int, str]:
        try:
            address = urllib.request.Request(f"http://127.0.0.1:{endpoint.port}{path}", method=method)
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    endpoint = Endpoint("127.0.0.1", 0, lambda: now, {"own": tmp_path})
    try:
        assert asked("/health")[0] == 200 and asked("/")[0] == 404
        assert [asked(path, "HEAD") for path in ("/health", "/metrics", "/")] == [(200, ""), (200, ""), (404, "")]
        status, text = asked("/metrics")
        assert status == 200 and 'unskew_jobs{state="waiting"} 2.0' in text and "unskew_sessions 3.0" in text
        assert 'unskew_disk_free_bytes{folder="own"}' in text and str(tmp_path) not in text
        for down in (
            Standing({"app": False, "worker 1": True}, None, {}, {}, {}),
            Standing({"app": True, "worker 1": False}, 0, {}, {}, {}),
            Standing({"app": True, "worker 1": True}, 0, None, {}, {}),
            Standing({"app": True, "worker 1": True}, 0, {}, {}, {}, stopping=True),
        ):
            now = down
            assert asked("/health")[0] == 503 and asked("/metrics")[0] == 200
            assert asked("/health", "HEAD") == (503, "")
    finally:
        endpoint.close()


# -- the whole --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    running = TeamServer(tmp_path_factory.mktemp("team"), OPEN)
    try:
        yield running.start()
    finally:
        running.kill()


def test_a_visitor_is_counted_and_served(server: TeamServer) -> None:
    with Visitor(server.address) as visitor:
        drawn = visitor.open()
        assert "Start" in drawn.pages
        assert server.metrics()["unskew_sessions"] == 1
    assert until(lambda: server.metrics()["unskew_sessions"] == 0)


def test_who_makes_a_browser_take_his_name_for_this_machines_is_refused(server: TeamServer) -> None:
    for host, origin in (("evil.example", "http://evil.example"), (f"127.0.0.1:{server.port}", "http://evil.example")):
        with Visitor(server.address, origin=origin, host=host) as visitor, pytest.raises(Exception, match="403"):
            visitor.enter()


def test_a_worker_and_the_app_that_are_killed_come_back(server: TeamServer) -> None:
    for module in ("core.jobs", "core.ui.server.run"):
        name, number = next((n, p) for n, p in server.parts().items() if n.startswith(module))
        os.kill(number, signal.SIGKILL)
        assert until(lambda number=number: not runs(number))
        server.await_health()
        assert name not in server.parts() and any(one.startswith(module) for one in server.parts())
    with Visitor(server.address) as visitor:
        assert "Start" in visitor.open().pages


def test_a_stop_ends_everything_and_is_recorded(server: TeamServer) -> None:
    before = list(server.parts().values())
    assert server.stop() == 0
    assert not any(runs(process) for process in before)
    lines = Record(server.folder / "home" / "record.sqlite").lines()
    assert [line.action for line in lines if line.who == ""] == ["serve", "stop"]


def test_no_process_survives_a_server_that_is_killed(tmp_path: Path) -> None:
    running = TeamServer(tmp_path, OPEN).start()
    before = list(running.parts().values())
    assert len(before) == 2
    running.kill()
    assert until(lambda: not any(runs(process) for process in before), 10.0)
    again = TeamServer(tmp_path, OPEN, port=running.port).start()
    assert again.stop() == 0
    assert Record(tmp_path / "home" / "record.sqlite").damages() == []
