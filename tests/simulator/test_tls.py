"""Providers over TLS on real sockets: good certificates, bad ones, and the faults of the wire beneath and above."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx2
import msgspec
import openai
import pytest
import trio

from routeproof_simulator import Door, FleetThread
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.behaviours import cut, latency, ok, pace, reset, stall
from routeproof_simulator.fleet import Fleet, FleetConfig, ProviderConfig, load_fleet
from routeproof_simulator.wire.door import stand_at_door
from routeproof_simulator.wire.tls import FAREWELL_SECONDS_MAX, HANDSHAKE_SECONDS_MAX, issue_certificates
from routeproof_simulator.world.clock import run_virtual
from routeproof_simulator.world.memory_fleet import serve_fleet_in_memory
from routeproof_simulator.world.network import MemoryNetwork
from routeproof_spec.errors import ConfigError
from routeproof_spec.history import Ended
from tests.simulator.asking import KEY, MODELS, chat, chunks_of, raw, reset_memory

CONFIG = FleetConfig(
    providers=(
        ProviderConfig(name="alpha", key=KEY, models=MODELS, tokens=12, tls=True),
        ProviderConfig(name="plain", key=KEY, models=MODELS, tokens=12),
    )
)


@pytest.fixture(scope="module")
def running() -> Iterator[FleetThread]:
    with FleetThread(CONFIG) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: FleetThread) -> FleetThread:
    running.heal()
    return running


@pytest.fixture
def client(fleet: FleetThread) -> Iterator[httpx2.Client]:
    with client_of(fleet) as each:
        yield each


def trusting(fleet: FleetThread) -> ssl.SSLContext:
    assert fleet.ca_pem is not None
    return ssl.create_default_context(cadata=fleet.ca_pem)


def client_of(fleet: FleetThread) -> httpx2.Client:
    return httpx2.Client(
        base_url=fleet.base_urls["alpha"],
        headers={"authorization": f"Bearer {KEY}"},
        verify=trusting(fleet),
        trust_env=False,
    )


def dial(fleet: FleetThread) -> ssl.SSLSocket:
    url = httpx2.URL(fleet.base_urls["alpha"])
    sock = socket.create_connection((url.host, url.port or 0), timeout=5.0)
    return trusting(fleet).wrap_socket(sock, server_hostname=url.host)


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 2.0
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_client_that_trusts_the_fleet_is_answered(fleet: FleetThread, client: httpx2.Client) -> None:
    assert fleet.base_urls["alpha"].startswith("https://127.0.0.1:")
    assert fleet.base_urls["plain"].startswith("http://")
    assert client.post("/chat/completions", json=chat()).status_code == 200


def test_the_official_sdk_is_answered_and_paced(fleet: FleetThread) -> None:
    fleet.set_behaviour("alpha", pace(400))
    with openai.OpenAI(
        base_url=fleet.base_urls["alpha"],
        api_key=KEY,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=trusting(fleet)),
    ) as sdk:
        chunks = sdk.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("alpha: é 漢 🚀")
    frames = fleet.attempts()[-1].frames
    assert frames[-1].at - frames[0].at >= 11 / 400
    assert len({frame.at for frame in frames}) >= 12


def test_who_does_not_know_the_authority_sends_nothing(fleet: FleetThread) -> None:
    before = len(fleet.attempts())
    with httpx2.Client(trust_env=False) as stranger, pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY"):
        stranger.post(fleet.base_urls["alpha"] + "/chat/completions", json=chat())
    assert len(fleet.attempts()) == before


@pytest.mark.parametrize(
    ("door", "reason"),
    [
        (Door.TLS_EXPIRED, "certificate has expired"),
        (Door.TLS_WRONG_NAME, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (Door.TLS_ABORT, "UNEXPECTED_EOF_WHILE_READING"),
        (Door.RESET, "Connection reset by peer"),
    ],
)
def test_a_bad_door_is_felt_with_its_own_reason_and_healed(
    fleet: FleetThread, client: httpx2.Client, door: Door, reason: str
) -> None:
    assert client.post("/chat/completions", json=chat()).status_code == 200
    before = len(fleet.attempts())
    fleet.set_door("alpha", door)
    for _ in range(2):
        with pytest.raises(httpx2.ConnectError, match=reason):
            client.post("/chat/completions", json=chat())
    assert len(fleet.attempts()) == before, "a request came through a handshake that failed"
    fleet.heal()
    assert client.post("/chat/completions", json=chat()).status_code == 200


def test_the_official_sdk_raises_its_own_error_for_a_bad_certificate(fleet: FleetThread) -> None:
    fleet.set_door("alpha", Door.TLS_EXPIRED)
    http_client = openai.DefaultHttpxClient(verify=trusting(fleet))
    url = fleet.base_urls["alpha"]
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, http_client=http_client) as sdk:
        with pytest.raises(openai.APIConnectionError) as caught:
            sdk.models.list()
        assert "certificate has expired" in str(caught.value.__cause__)
        fleet.heal()
        assert [each.id for each in sdk.models.list()] == list(MODELS)


def test_who_verifies_nothing_is_answered_at_an_expired_certificate(fleet: FleetThread) -> None:
    """The fault is the certificate's alone: a gateway that does not look is caught by being answered."""
    fleet.set_door("alpha", Door.TLS_EXPIRED)
    with httpx2.Client(verify=False, trust_env=False, headers={"authorization": f"Bearer {KEY}"}) as careless:
        assert careless.post(fleet.base_urls["alpha"] + "/chat/completions", json=chat()).status_code == 200


def test_a_connection_serves_request_after_request(fleet: FleetThread, client: httpx2.Client) -> None:
    seen = len(fleet.attempts())
    for _ in range(3):
        assert client.post("/chat/completions", json=chat()).status_code == 200
    attempts = fleet.attempts()[seen:]
    assert [each.reused for each in attempts] == [False, True, True]
    assert len({each.connection for each in attempts}) == 1


def test_a_cut_ends_before_its_time(fleet: FleetThread, client: httpx2.Client) -> None:
    fleet.set_behaviour("alpha", cut(2))
    with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
        client.post("/chat/completions", json=chat(stream=True))
    assert fleet.attempts()[-1].ended is Ended.CUT


@pytest.mark.parametrize("behaviour", [reset(2), reset(before="headers")], ids=str)
def test_a_reset_is_one_of_the_socket_beneath(fleet: FleetThread, behaviour: Behaviour) -> None:
    """Read beneath TLS, for Python's own TLS calls every reset an early end."""
    fleet.set_behaviour("alpha", behaviour)
    tls = dial(fleet)
    tls.sendall(raw(chat(stream=True)))
    with socket.socket(fileno=tls.detach()) as beneath:
        beneath.settimeout(5.0)
        with pytest.raises(ConnectionResetError):
            read_to_end(beneath)
    assert fleet.attempts()[-1].ended is Ended.RESET


def test_an_answer_that_ends_with_the_connection_ends_in_order(fleet: FleetThread) -> None:
    """A close without notice is a truncation to OpenSSL; `suppress_ragged_eofs` off makes Python say so too."""
    url = httpx2.URL(fleet.base_urls["alpha"])
    sock = socket.create_connection((url.host, url.port or 0), timeout=5.0)
    with trusting(fleet).wrap_socket(sock, server_hostname=url.host, suppress_ragged_eofs=False) as tls:
        tls.sendall(raw(chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = read_to_end(tls).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert chunks_of(body)


def test_what_is_no_request_is_refused_over_tls_too(fleet: FleetThread) -> None:
    with dial(fleet) as tls:
        tls.sendall(b"BROKEN\r\n\r\n" + bytes(100_000))
        assert read_to_end(tls).startswith(b"HTTP/1.1 400 ")
    assert fleet.attempts()[-1].ended is Ended.BROKEN


def test_a_client_that_leaves_is_felt(fleet: FleetThread) -> None:
    fleet.set_behaviour("alpha", latency(60.0))
    seen = len(fleet.attempts())
    with dial(fleet) as tls:
        tls.sendall(raw(chat()))
        until(lambda: len(fleet.attempts()) > seen)
        left = time.monotonic()
    until(lambda: fleet.attempts()[-1].ended is Ended.LEFT)
    gone_at = fleet.attempts()[-1].peer_gone_at
    assert gone_at is not None
    assert gone_at - left < 0.05


def test_a_door_that_changes_ends_what_is_being_sent(fleet: FleetThread, client: httpx2.Client) -> None:
    fleet.set_behaviour("alpha", stall(1))
    with client.stream("POST", "/chat/completions", json=chat(stream=True)) as response:
        pieces = response.iter_bytes()
        assert next(pieces)
        fleet.set_door("alpha", Door.TLS_WRONG_NAME)
        with pytest.raises(httpx2.RemoteProtocolError):
            next(pieces)


def test_who_speaks_no_tls_is_sent_away_and_harms_nobody(fleet: FleetThread, client: httpx2.Client) -> None:
    plain = fleet.base_urls["alpha"].replace("https", "http")
    with httpx2.Client(trust_env=False) as stranger, pytest.raises(httpx2.TransportError):
        stranger.post(plain + "/chat/completions", json=chat())
    fleet.set_behaviour("alpha", ok)
    assert client.post("/chat/completions", json=chat()).status_code == 200


# Where a door of TLS has no place


def test_a_door_of_tls_needs_tls(fleet: FleetThread) -> None:
    sentence = (
        "provider 'plain': door: found 'tls_expired'; "
        "wanted one of open, refused, silent, reset: the provider is not served over TLS (tls = true)"
    )
    with pytest.raises(ConfigError) as caught:
        fleet.set_door("plain", Door.TLS_EXPIRED)
    assert str(caught.value) == sentence


def test_the_control_api_changes_the_door_and_refuses_one_that_has_no_place(
    fleet: FleetThread, client: httpx2.Client
) -> None:
    with httpx2.Client(base_url=fleet.control_url, trust_env=False) as control:
        refused = control.put("/providers/plain/door", json={"door": "tls_abort"})
        assert (refused.status_code, refused.json()["error"]["found"]) == (422, "'tls_abort'")
        assert control.put("/providers/alpha/door", json={"door": "tls_expired"}).status_code == 200
    with pytest.raises(httpx2.ConnectError, match="certificate has expired"):
        client.post("/chat/completions", json=chat())


def test_a_fleet_file_says_tls_and_its_door(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text('[[providers]]\nname = "a"\nkey = "k"\ntls = true\ndoor = "tls_expired"')
    (provider,) = load_fleet(file).providers
    assert (provider.tls, provider.door) == (True, Door.TLS_EXPIRED)
    assert load_fleet(file) == msgspec.convert(msgspec.to_builtins(load_fleet(file)), FleetConfig)
    file.write_text('[[providers]]\nname = "a"\nkey = "k"\ndoor = "tls_expired"')
    with pytest.raises(ConfigError, match=r"fleet\.toml: providers\[0\]\.door: found 'tls_expired'; wanted one of"):
        load_fleet(file)


def test_the_network_in_memory_refuses_tls() -> None:
    with pytest.raises(ConfigError, match="TLS is served on sockets alone"):
        serve_fleet_in_memory(Fleet(CONFIG, now=lambda: 0.0), MemoryNetwork()).send(None)


def test_the_control_api_hands_the_authority_out(fleet: FleetThread) -> None:
    answered = httpx2.get(fleet.control_url + "/ca.pem", trust_env=False)
    assert (answered.status_code, answered.text) == (200, fleet.ca_pem)


def test_a_fleet_without_tls_has_no_authority() -> None:
    with FleetThread(FleetConfig(providers=CONFIG.providers[1:])) as fleet:
        assert fleet.ca_pem is None
        answered = httpx2.get(fleet.control_url + "/ca.pem", trust_env=False)
    assert (answered.status_code, answered.json()["error"]["message"]) == (404, "No provider is served over TLS.")


@pytest.mark.parametrize("door", [Door.OPEN, Door.TLS_EXPIRED, Door.TLS_ABORT])
def test_who_begins_no_handshake_is_sent_away_in_time(door: Door) -> None:
    async def main() -> None:
        provider = Fleet(CONFIG, now=trio.current_time).providers["alpha"]
        provider.set_door(door)
        network = MemoryNetwork()
        stand = partial(
            stand_at_door,
            provider,
            partial(network.listen, "alpha.test", 443),
            now=trio.current_time,
            reset=reset_memory,
            certificates=issue_certificates("alpha.test"),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(stand)
            stream = await network.connect("alpha.test", 443)
            assert await stream.receive_some() == b""
            assert trio.current_time() == pytest.approx(HANDSHAKE_SECONDS_MAX, abs=FAREWELL_SECONDS_MAX)
            nursery.cancel_scope.cancel()

    run_virtual(main)
