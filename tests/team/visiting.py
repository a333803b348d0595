"""A visitor without a browser: the cookies, the redirects and the websocket of one, quick enough for many at once."""

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core.ui.parts import answer_first

REST = f"-{answer_first.KEY}"
"""How the identity of the component ends that asks for what follows an answer."""
RUN_SECONDS = 120.0
"""The first run of a cold server loads the models; two cores with other work take their time."""


class Run:
    """What one run of the app sent; `known` are messages that a browser kept and that are named by their hash alone."""

    def __init__(self, messages: list[ForwardMsg], known: Mapping[str, ForwardMsg] | None = None) -> None:
        self.messages = messages
        self._named = [(known or {})[m.ref_hash].delta for m in messages if m.WhichOneof("type") == "ref_hash"]
        self.deltas = [message.delta for message in messages if message.WhichOneof("type") == "delta"]

    @property
    def text(self) -> str:
        """Every text that was drawn, in order."""
        return "\n".join(part for delta in self.deltas for part in _strings(delta))

    @property
    def everything(self) -> str:
        """Every text of every message, what pages do not draw too."""
        return "\n".join(part for message in self.messages for part in _strings(message))

    @property
    def buttons(self) -> dict[str, str]:
        """Label -> identity of every button that can be clicked."""
        found = [delta.new_element.button for delta in self.deltas if delta.new_element.WhichOneof("type") == "button"]
        return {button.label: button.id for button in found if not button.disabled}

    @property
    def switches(self) -> list[str]:
        """Identities of every switch that can be turned, in order."""
        found = [
            delta.new_element.checkbox for delta in self.deltas if delta.new_element.WhichOneof("type") == "checkbox"
        ]
        return [switch.id for switch in found if not switch.disabled]

    def part_of(self, identity: str) -> str:
        """The part of the page that runs by itself in which a switch stands; "" where it stands in none."""
        return next(delta.fragment_id for delta in self.deltas if delta.new_element.checkbox.id == identity)

    @property
    def owed(self) -> dict[str, tuple[str, str]]:
        """What a browser asks for once it has drawn this answer: who tells it -> the event and its value."""
        for delta in [*self.deltas, *self._named]:
            component = delta.new_element.bidi_component
            if component.id.endswith(REST):
                owed = json.loads(component.mixed.json or component.json)["owed"]
                return {component.id: ("owed", owed)} if owed else {}
        return {}

    @property
    def address(self) -> str | None:
        """Parameters of the address that the app has written; None where it wrote none."""
        told = [m.page_info_changed.query_string for m in self.messages if m.WhichOneof("type") == "page_info_changed"]
        return told[-1] if told else None

    @property
    def inputs(self) -> dict[str, str]:
        """Label -> identity of every line that can be typed into."""
        found = [delta.new_element for delta in self.deltas if delta.new_element.WhichOneof("type") == "text_input"]
        return {element.text_input.label: element.text_input.id for element in found}

    @property
    def numbers(self) -> dict[str, str]:
        """Label -> identity of every field of a whole number."""
        found = [delta.new_element for delta in self.deltas if delta.new_element.WhichOneof("type") == "number_input"]
        return {element.number_input.label: element.number_input.id for element in found}

    @property
    def fragments(self) -> list[str]:
        """Parts of the page that ask to be drawn again by themselves."""
        return [m.auto_rerun.fragment_id for m in self.messages if m.WhichOneof("type") == "auto_rerun"]

    @property
    def pages(self) -> list[str]:
        """Titles of the pages that the navigation offers."""
        for message in reversed(self.messages):
            if message.WhichOneof("type") == "navigation":
                return [page.page_name for page in message.navigation.app_pages]
        return []

    @property
    def redirect(self) -> str:
        """Where the app sends the browser to sign in or out; "" where it does not."""
        for message in self.messages:
            if message.WhichOneof("type") == "auth_redirect":
                return message.auth_redirect.url
        return ""


def say(state: ClientState, told: Mapping[str, tuple[str, str]]) -> None:
    """Put what components tell of (identity -> event and its value) into what a browser sends."""
    for identity, (event, value) in told.items():
        own, widget = state.widget_states.widgets.add(), state.widget_states.widgets.add()
        own.id, own.json_value = identity, "{}"
        widget.id = f"$$STREAMLIT_INTERNAL_KEY_{identity}__events"
        widget.json_trigger_value = json.dumps([{"event": event, "value": value}])


class Visitor:
    """Somebody with cookies, who opens pages and clicks.

    Parameters
    ----------
    address : what is typed: http://127.0.0.1:8501.
    headers : sent with everything, as by a proxy or by somebody who pretends to be one.
    origin, host : what the browser says in the websocket's request that it talks to; the address where left out.
    source : address of this machine from which the websocket comes: 127.0.0.2; any where left out.
    seconds : how long a run may take.
    """

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str] | None = None,
        origin: str = "",
        host: str = "",
        source: str = "",
        seconds: float = RUN_SECONDS,
    ) -> None:
        self.address, self.headers, self.origin = address, dict(headers or {}), origin or address
        self.host, self.source, self.seconds = host or urlsplit(address).netloc, source, seconds
        self.web = httpx.Client(verify=False, headers=self.headers, timeout=RUN_SECONDS)
        self.socket: ClientConnection | None = None
        self._widgets: dict[str, str | bool | int] = {}
        self._page, self._query = "", ""

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.web.close()

    # -- cookies and redirects ----------------------------------------------------------------------------------------

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.web.get(urljoin(self.address, path), **more)

    def follow(self, path: str) -> list[str]:
        """Every address that the browser is sent through from here on, the last with a page."""
        went, address = [], urljoin(self.address, path)
        for _ in range(10):
            went.append(address)
            answer = self.web.get(address)
            if answer.status_code not in (301, 302, 303, 307):
                return went
            address = urljoin(address, answer.headers["Location"])
        raise AssertionError(f"sent round and round: {went}")

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.web.cookies.jar}

    # -- the websocket ------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Open the page's websocket with the cookies that are there."""
        self.leave()
        self.get("/_stcore/health")  # as the page does, which gets the XSRF cookie here
        parts = urlsplit(self.address)
        secure = parts.scheme == "https"
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if secure else None
        if trusting is not None:
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        jar = SimpleCookie(self.cookies)
        cookie = "; ".join(f"{name}={one.coded_value}" for name, one in jar.items())
        self.socket = connect(
            f"{'wss' if secure else 'ws'}://{self.host}/_stcore/stream",
            subprotocols=[
                "streamlit",
                *([self.cookies["_streamlit_xsrf"]] if "_streamlit_xsrf" in self.cookies else []),
            ],  # type: ignore[list-item]
            additional_headers={**self.headers, **({"Cookie": cookie} if cookie else {})},
            origin=self.origin,  # type: ignore[arg-type]
            ssl=trusting,
            sock=socket.create_connection(
                (parts.hostname or "", parts.port or (443 if secure else 80)),
                timeout=30,
                source_address=(self.source, 0) if self.source else None,
            ),
            max_size=None,
            open_timeout=RUN_SECONDS,
            ping_interval=None,
        )

    def leave(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def open(self, page: str = "", query: str = "") -> Run:
        """Open a page in a new tab and wait for it."""
        self.enter()
        self._page, self._query, self._widgets = page, query, {}
        return self._run({})

    def click(self, run: Run, label: str) -> Run:
        """Click a button of what was drawn."""
        if label not in run.buttons:
            raise AssertionError(f"no button {label!r}; there are {sorted(run.buttons)}")
        return self._run({run.buttons[label]: True})

    def type(self, run: Run, label: str, text: str | int) -> Run:
        """Type into a line, or a number into its field, and leave it."""
        self._widgets[(run.inputs if isinstance(text, str) else run.numbers)[label]] = text
        return self._run({})

    def switch(self, identity: str, on: bool, fragment: str = "") -> Run:
        """Turn a switch; where it stands in a part of the page that runs by itself, that part runs alone."""
        self._widgets[identity] = on
        return self._run({}, fragment)

    def rest(self, run: Run) -> Run:
        """What follows an answer: the part around it."""
        return self._run({}, told=run.owed)

    def move(self, page: str, query: str = "") -> Run:
        """Go to another address in the same tab, as Back and Forward do."""
        self._page, self._query = page, query
        return self._run({})

    def again(self, fragment: str = "") -> Run:
        """Let the page, or a part of it that does so by itself, run once more."""
        return self._run({}, fragment)

    def _run(
        self, triggered: Mapping[str, bool], fragment: str = "", told: Mapping[str, tuple[str, str]] | None = None
    ) -> Run:
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_name, state.fragment_id = self._query, self._page, fragment
        for identity, given in self._widgets.items():
            widget = state.widget_states.widgets.add()
            widget.id = identity
            if isinstance(given, bool):
                widget.bool_value = given
            elif isinstance(given, int):
                widget.int_value = given
            else:
                widget.string_value = given
        state.context_info.url, state.context_info.timezone = f"{self.address}/{self._page}", "UTC"
        for identity, value in triggered.items():
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = identity, value
        say(state, told or {})
        assert self.socket is not None, "nobody has entered"
        self.socket.send(asked.SerializeToString())
        run = Run(list(self._messages()))
        self._query = self._query if run.address is None else run.address  # as the browser shows it from now on
        return run

    def _messages(self) -> Iterator[ForwardMsg]:
        """All that comes until the run is over; a run that only begins the next one is not over."""
        end = time.monotonic() + self.seconds
        while True:
            assert self.socket is not None
            message = ForwardMsg()
            try:
                message.ParseFromString(self.socket.recv(timeout=max(end - time.monotonic(), 0.0)))  # type: ignore[arg-type]
            except ConnectionClosed:
                return
            yield message
            ended = message.WhichOneof("type") == "script_finished"
            if ended and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return


def sign_in(visitor: Visitor, button: str = "Sign in") -> list[str]:
    """Click what signs in, go where the app sends the browser, come back with cookies."""
    drawn = visitor.open()
    clicked = visitor.click(drawn, button)
    assert clicked.redirect, f"nobody is sent to the provider: {clicked.text[:400]}"
    return visitor.follow(clicked.redirect)


def _strings(message: Any) -> Iterator[str]:
    """Every text in a message, at any depth."""
    for field, value in message.ListFields():
        if field.name == "fragment_id":  # of the part of the page that drew it: no text
            continue
        many = value if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in value:
                one = value[key]
                yield from _strings(one) if hasattr(one, "ListFields") else [f"{one}"]
        elif field.cpp_type == field.CPPTYPE_MESSAGE:
            for one in many:
                yield from _strings(one)
        elif field.cpp_type == field.CPPTYPE_STRING and field.type == field.TYPE_STRING:
            yield from many
