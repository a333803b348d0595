"""The team server's file: everything that is wrong is a line, all at once; every key is documented."""

import dataclasses
import re
from pathlib import Path

import pytest

from core.access import CONFIG_VARIABLE
from core.config import ASSETS, InputError
from core.team import configuration as reading
from core.team.configuration import Configuration, Limits, checked, current, read
from core.team.settings import COOKIE_SECRET, OIDC_SECRET, PROXY_SECRET

LONG = "0123456789abcdef" * 4
OIDC = """
[server]
public_url = "https://unskew.example.org"
[access]
mode = "oidc"
[access.oidc]
metadata_url = "https://id.example.org/.well-known/openid-configuration"
client_id = "unskew"
[roles]
operator = ["ada@example.org"]
"""
PROXY = """
[access]
mode = "proxy-header"
[access.proxy]
trusted = ["10.0.0.2"]
[roles]
operator = ["ada@example.org"]
"""
OPEN = '[access]\nmode = "open"\n'


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (OIDC_SECRET, COOKIE_SECRET, PROXY_SECRET):
        monkeypatch.setenv(variable, LONG)
    for variable in ("UNSKEW_LABELS", "UNSKEW_JOBS", "UNSKEW_RECORD"):
        monkeypatch.delenv(variable, raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "unskew.toml"
    path.write_text(text)
    return path


WRONG = {
    "no mode": ("", ["[access] mode is missing; expected one of open, oidc, proxy-header, kiosk"]),
    "unknown mode": ('[access]\nmode = "ldap"', ["[access] mode is 'ldap'; expected one of open"]),
    "unknown section": (OPEN + "[acess]\nx = 1", ["[acess] is no key of this file; did you mean access?"]),
    "unknown key": (OPEN + "[server]\nprot = 1", ["[server] prot is no key of this file; did you mean port?"]),
    "no table": ("access = 3", ["[access] is 3; expected a table of keys", "[access] mode is missing"]),
    "text for a number": (
        OPEN + '[server]\nport = "8501"',
        ["[server] port is '8501'; expected a whole number from 1 to 65535"],
    ),
    "true is no number": (OPEN + "[jobs]\nworkers = true", ["[jobs] workers is True; expected a whole number"]),
    "a port too high": (OPEN + "[server]\nport = 70000", ["[server] port is 70000; expected"]),
    "two doors on one port": (OPEN + "[server]\nmetrics_port = 8501", ["metrics_port is 8501; expected another port"]),
    "number for a flag": (OPEN + "[server]\noffline = 1", ["[server] offline is 1; expected true or false"]),
    "a name for an address": (
        OPEN + '[server]\naddress = "here"',
        ["[server] address is 'here'; expected an address", "on here, which others reach"],
    ),
    "an address with a path": (
        OPEN + 'everyone = ["viewer"]\n[server]\npublic_url = "https://a.b/c"',
        ["[server] public_url is 'https://a.b/c'; expected what people type, without a path"],
    ),
    "no list": (OPEN + 'everyone = "viewer"', ["[access] everyone is 'viewer'; expected a list of texts"]),
    "no role": (OPEN + 'everyone = ["boss"]', ["[access] everyone is 'boss'; expected roles among viewer, rater"]),
    "open to others": (
        OPEN + '[server]\naddress = "0.0.0.0"',
        ["[access] mode is 'open' on 0.0.0.0, which others reach; expected everyone = [...]"],
    ),
    "open to others behind a proxy": (
        OPEN + '[server]\npublic_url = "https://unskew.example.org"',
        ["[access] mode is 'open' on https://unskew.example.org, which others reach"],
    ),
    "everyone an operator": (
        OPEN + 'everyone = ["operator"]\n[server]\naddress = "0.0.0.0"',
        ["[access] everyone holds operator in mode 'open' on an address that others reach"],
    ),
    "kiosk to others": (
        '[access]\nmode = "kiosk"\n[server]\naddress = "::"',
        ["[access] mode is 'kiosk' on ::, which others reach; expected everyone"],
    ),
    "kiosk with raters": (
        '[access]\nmode = "kiosk"\neveryone = ["rater"]',
        ["[access] everyone is 'rater'; expected roles among guest"],
    ),
    "kiosk of a gallery that is not there": (
        '[access]\nmode = "kiosk"\n[access.kiosk]\ngalleries = ["faces"]',
        ["[access.kiosk] galleries holds 'faces'; expected shipped names or names under [roots.galleries]"],
    ),
    "kiosk that is never reset": (
        '[access]\nmode = "kiosk"\n[access.kiosk]\nidle_minutes = 0',
        ["[access.kiosk] idle_minutes is 0; expected a number above 0"],
    ),
    "no provider": (
        '[access]\nmode = "oidc"\n[roles]\nviewer = ["@example.org"]',
        ["metadata_url is missing", "client_id is missing", "[server] public_url is missing"],
    ),
    "provider in the clear": (
        OIDC.replace("https://id", "http://id"),
        [
            "[access.oidc] metadata_url is 'http://id.example.org/.well-known/openid-configuration'; expected an https://"
        ],
    ),
    "cookies in the clear": (
        OIDC.replace("https://unskew", "http://unskew"),
        ["[server] public_url is 'http://unskew.example.org'; expected https:// with sign-in"],
    ),
    "sign-in without openid": (
        OIDC.replace('client_id = "unskew"', 'client_id = "unskew"\nscopes = ["email"]'),
        ["[access.oidc] scopes is ['email']; expected a list with 'openid'"],
    ),
    "a secret in the file": (
        OIDC.replace('client_id = "unskew"', f'client_id = "unskew"\nclient_secret = "{LONG}"'),
        ["[access.oidc] client_secret: secrets never stand in the file"],
    ),
    "nobody may enter": (OIDC.partition("[roles]")[0], ["[roles] names nobody; expected at least one role"]),
    "proxy from anywhere": (
        PROXY.replace('["10.0.0.2"]', "[]"),
        ["[access.proxy] trusted is missing; expected the addresses from which the proxy connects"],
    ),
    "proxy from every address": (
        PROXY.replace("10.0.0.2", "0.0.0.0/0"),
        ["[access.proxy] trusted is ['0.0.0.0/0']; expected the proxy's networks"],
    ),
    "no network": (PROXY.replace("10.0.0.2", "proxy"), ["[access.proxy] trusted is 'proxy'; expected addresses"]),
    "no header": (
        PROXY.replace('trusted = ["10.0.0.2"]', 'trusted = ["10.0.0.2"]\nheader = "X User:"'),
        ["[access.proxy] header is 'X User:'; expected the name of a header"],
    ),
    "unknown role": (OPEN + '[roles]\nboss = ["a@b.org"]', ["[roles] boss is no role; expected viewer, rater"]),
    "nobody's address": (OPEN + '[roles]\nrater = ["ada"]', ["[roles] rater is 'ada'; expected e-mail addresses"]),
    "unknown kind of root": (OPEN + '[roots.pictures]\na = "/tmp"', ["[roots] pictures is no key of this file"]),
    "a root that is not there": (
        OPEN + '[roots.galleries]\nfaces = "/no/such/folder"',
        ["[roots.galleries] faces is '/no/such/folder'; expected the path of a folder that is there"],
    ),
    "a root named like what ships": (
        OPEN + '[roots.galleries]\ndefault = "."',
        ["[roots.galleries] a name is 'default'; expected another one than what is shipped has"],
    ),
    "a root named like a path": (
        OPEN + '[roots.galleries]\n"../x" = "."',
        ["[roots.galleries] a name is '../x'; expected letters, digits"],
    ),
    "a whole disk": (OPEN + '[roots.saes]\nall = "/"', ["[roots.saes] all is '/'; expected a folder of its own"]),
    "limits of no role": (OPEN + "[limits.boss]\njobs = 1", ["[limits.boss] boss is no role"]),
    "limits below nothing": (
        OPEN + "[limits.viewer]\nupload_mb = -1\njobs = 1.5",
        ["[limits.viewer] upload_mb is -1; expected a number above 0", "[limits.viewer] jobs is 1.5; expected a whole"],
    ),
    "a password": (
        OPEN + '[labels]\naddress = "postgresql://u:geheim@db/x"',
        ["[labels] address holds a password; secrets never stand in the file"],
    ),
    "no database": (OPEN + '[jobs]\naddress = "mysql://db/x"', ["[jobs] address is 'mysql'; expected an address that"]),
    "no TOML": ("[access", ["is no readable TOML"]),
    "a number that is too large": (
        OPEN + f"[limits.viewer]\nupload_mb = {'9' * 400}",
        ["[limits.viewer] upload_mb is 9999999999"],
    ),
    "a number that nobody reads": (OPEN + f"[limits.viewer]\nupload_mb = {'9' * 5000}", ["is no readable TOML"]),
    "lists without end": (OPEN + f"[limits.viewer]\nupload_mb = {'[' * 50_000}", ["is no readable TOML"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_line_by_line(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    configuration, lines = checked(written(tmp_path, text))
    assert configuration is None and len(lines) == len(expected), lines
    for line, said in zip(lines, expected, strict=True):
        assert said in line and "\n" not in line
    assert LONG not in "".join(lines) and "geheim" not in "".join(lines)


def test_every_mistake_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    text = '[server]\nport = 0\n[access]\nmode = "oidc"\n[roots.saes]\nx = "/none"\n[roles]\nboss = []\n'
    _, lines = checked(written(tmp_path, text))
    assert len(lines) == 7 and all(
        any(part in line for line in lines)
        for part in ("port", "metadata_url", "client_id", "public_url", "[roots.saes]", "boss", "names nobody")
    )
    with pytest.raises(InputError, match="port is 0"):
        read(written(tmp_path, text))


@pytest.mark.parametrize("value", [None, "", "short", "x" * 15])
@pytest.mark.parametrize(
    ("text", "variable"), [(OIDC, OIDC_SECRET), (OIDC, COOKIE_SECRET), (PROXY, PROXY_SECRET)], ids=["a", "b", "c"]
)
def test_secrets_come_from_the_environment_and_are_long(
    value: str | None, text: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, text)
    assert checked(path)[1] == []
    monkeypatch.delenv(variable) if value is None else monkeypatch.setenv(variable, value)
    configuration, (line,) = checked(path)
    assert configuration is None and line.startswith(f"{variable} holds {len(value or '')} characters")
    assert read(path).mode, "workers need no secret of the server"


def test_every_key_reaches_the_configuration(tmp_path: Path) -> None:
    for name in ("faces", "saes", "models", "audits", "own"):
        (tmp_path / name).mkdir()
    text = """
    [server]
    address = "0.0.0.0"
    port = 443
    public_url = "https://unskew.example.org/"
    offline = false
    metrics_address = "::1"
    metrics_port = 9000
    home = "own"
    [access]
    mode = "oidc"
    everyone = ["viewer", "rater"]
    contact = "Ada, room 7"
    [access.oidc]
    metadata_url = "https://id.example.org/.well-known/openid-configuration"
    client_id = "unskew"
    groups_claim = "teams"
    scopes = ["openid", "email", "groups"]
    [access.proxy]
    header = "X-User"
    groups_header = "X-Groups"
    trusted = ["10.0.0.0/24"]
    [access.kiosk]
    galleries = ["default"]
    idle_minutes = 1.5
    [roles]
    operator = ["Ada@Example.org"]
    rater = ["@example.org", "group:raters"]
    [roots.galleries]
    faces = "faces"
    [roots.saes]
    ours = "saes"
    [roots.models]
    ours = "models"
    clip = "RN50:openai"
    [roots.audits]
    kept = "audits"
    [limits.auditor]
    upload_mb = 50
    jobs = 2
    disk_gb = 0.5
    [labels]
    address = "postgresql+psycopg://db/labels"
    [jobs]
    address = "redis://db/0"
    workers = 3
    memory_gb = 8
    hours = 2
    keep_days = 30
    keep = 500
    [record]
    address = "sqlite:////var/lib/unskew/record.sqlite"
    """
    given = read(written(tmp_path, text))
    assert given == Configuration(
        path=tmp_path / "unskew.toml",
        mode="oidc",
        address="0.0.0.0",
        port=443,
        public_url="https://unskew.example.org",
        offline=False,
        metrics_address="::1",
        metrics_port=9000,
        everyone=frozenset({"viewer", "rater"}),
        contact="Ada, room 7",
        grants={"operator": ("Ada@Example.org",), "rater": ("@example.org", "group:raters")},
        oidc={
            "metadata_url": "https://id.example.org/.well-known/openid-configuration",
            "client_id": "unskew",
            "groups_claim": "teams",
            "scopes": ("openid", "email", "groups"),
        },
        proxy={"header": "X-User", "groups_header": "X-Groups", "trusted": ("10.0.0.0/24",)},
        kiosk={"galleries": ("default",), "idle_minutes": 1.5},
        roots={
            "galleries": {"faces": tmp_path / "faces"},
            "saes": {"ours": tmp_path / "saes"},
            "models": {"ours": tmp_path / "models"},
            "audits": {"kept": tmp_path / "audits"},
        },
        models={"clip": "RN50:openai"},
        limits={"auditor": Limits(50, 2, 0.5)},
        home=tmp_path / "own",
        labels="postgresql+psycopg://db/labels",
        jobs="redis://db/0",
        workers=3,
        job_memory_gb=8,
        job_hours=2.0,
        job_keep_days=30.0,
        job_keep=500,
        record="sqlite:////var/lib/unskew/record.sqlite",
    )
    plain = read(written(tmp_path, OPEN))
    unset = [
        one.name
        for one in dataclasses.fields(Configuration)
        if getattr(plain, one.name) == getattr(given, one.name) and one.name != "path"
    ]
    assert unset == [], "every field differs from what holds without its key"


def test_an_address_with_a_password_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSKEW_JOBS", "postgresql://u:geheim@db/x")
    assert read(written(tmp_path, OPEN)).jobs == "postgresql://u:geheim@db/x"
    monkeypatch.setenv("UNSKEW_LABELS", str(tmp_path / "labels.sqlite"))
    assert read(written(tmp_path, OPEN)).labels == str(tmp_path / "labels.sqlite"), "the path of a file will do there"
    assert read(written(tmp_path, OPEN + '[jobs]\naddress = "sqlite:////x"')).jobs == "sqlite:////x"


def test_the_configuration_in_force_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    assert current() is None
    monkeypatch.setenv(CONFIG_VARIABLE, str(written(tmp_path, OPEN)))
    assert current() is current() and current().mode == "open" and current().everyone == {"viewer"}
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match="there is no such file"):
        current()


def test_the_guide_names_every_key() -> None:
    """Every key that the reader asks for stands in the page, in the section's own part."""
    text = (ASSETS / "guide" / "team-server.md").read_text()
    source = Path(reading.__file__).read_text()
    keys = set(re.findall(r'\.(?:text|flag|whole|number|texts|folder)\(\s*"([a-z_]+)"', source))
    assert len(keys) > 20 and {key for key in keys if f"`{key}`" not in text} == set()
    sections = {"server", "access", "access.oidc", "access.proxy", "access.kiosk", "roles", "labels", "jobs", "record"}
    kinds = {f"roots.{kind}" for kind in reading.KINDS}
    assert {name for name in {*sections, *kinds, "limits.ROLE"} if f"[{name}]" not in text} == set()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert "[access]" in example


def test_the_guides_example_is_right(tmp_path: Path) -> None:
    text = (ASSETS / "guide" / "team-server.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    for number, folder in enumerate(re.findall(r'"(/srv/[^"]*)"', example)):
        (tmp_path / str(number)).mkdir()
        example = example.replace(f'"{folder}"', f'"{tmp_path / str(number)}"', 1)
    assert checked(written(tmp_path, example))[1] == []


@pytest.mark.parametrize("option", ["password=geheim", "sslmode=require&PASSWORD=geheim", "sslpassword=geheim"])
def test_a_password_among_the_options_of_an_address_is_one(option: str, tmp_path: Path) -> None:
    given, wrong = checked(written(tmp_path, OPEN + f'[labels]\naddress = "postgresql://u@db/x?{option}"\n'))
    assert given is None and "address holds a password" in wrong[0] and "geheim" not in wrong[0]
