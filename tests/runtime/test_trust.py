"""One trust store: an option and the usual variables mean the same for WebSockets, RPC and services."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
import trustme

import simsync
from simsync.cli.app import run as run_command
from simsync.doctor.checkup import FAILED, OK, check_up
from simsync.local import Faults, Ledger, Simulator
from simsync.runtime.trust import VARIABLES
from tests.security.listeners import tls_in_front_of
from tests.tls import serving, trusting


def ask_rpc(client: simsync.Client) -> None:
    with contextlib.closing(simsync.Rpc(client.url.replace("wss:", "https:") + "/x", client.options)) as rpc:
        rpc.get_slot()


CREATE = simsync.CreateSession(1000, 1009)
Call = Callable[[simsync.Client], object]
CALLS: dict[str, Call] = {
    "websocket": lambda client: client.session(CREATE, timeout=20).close(),
    "services": lambda client: client.available_ranges(),
    "rpc": lambda client: ask_rpc(client),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def url(authority: trustme.CA) -> Iterator[str]:
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1)) as simulator:
        with tls_in_front_of(simulator.port, serving(authority.issue_cert("127.0.0.1"))) as port:
            yield f"wss://127.0.0.1:{port}"


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def asking(url: str, **options: object) -> simsync.Client:
    settings = simsync.Options(reconnect_attempts=1, backoff_initial=0.001, rpc_timeout=10.0, **options)  # type: ignore[arg-type]
    return simsync.Client(url, "local-dev-key", options=settings)


def reach(what: str, client: simsync.Client) -> None:
    try:
        CALLS[what](client)
    except simsync.HttpStatusError as error:  # there is no such session
        assert (what, error.status) == ("rpc", 404)


@pytest.mark.parametrize("what", CALLS)
def test_each_way_to_name_a_bundle(what: str, url: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(simsync.ConnectError, match=r"certificate was not accepted.*ca_bundle"):
        CALLS[what](asking(url))
    reach(what, asking(url, ca_bundle=bundle))
    reach(what, asking(url, ca_bundle=str(bundle)))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(bundle))
            reach(what, asking(url))


@pytest.mark.parametrize("what", CALLS)
def test_the_option_goes_before_the_variables(
    what: str, url: str, bundle: Path, tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(simsync.ConnectError, match="certificate was not accepted"):
        CALLS[what](asking(url))
    reach(what, asking(url, ca_bundle=bundle))
    reach(what, asking(url, ssl_context=trusting(authority)))
    with pytest.raises(simsync.ConnectError, match="certificate was not accepted"):
        CALLS[what](asking(url, ca_bundle=other))


@pytest.mark.parametrize("what", CALLS)
def test_a_bundle_that_cannot_be_used_is_named_at_once(
    what: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n", encoding="utf-8")
    missing = tmp_path / "missing.pem"
    for name in VARIABLES:
        with monkeypatch.context() as patch:
            patch.setenv(name, str(missing))
            with pytest.raises(simsync.ConnectError, match=rf"missing\.pem' \({name}\).*No such file") as caught:
                CALLS[what](asking(url))
            assert not caught.value.retryable
    with pytest.raises(simsync.ConnectError, match=r"empty\.pem' \(ca_bundle\).*no certificate"):
        CALLS[what](asking(url, ca_bundle=empty))


@pytest.fixture
def folder(bundle: Path, tmp_path: Path) -> Path:
    """A folder in the form of ``openssl rehash``."""
    found = tmp_path / "hashed"
    found.mkdir()
    subject = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(bundle)]
    name = subprocess.run(subject, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    (found / f"{name}.0").write_bytes(bundle.read_bytes())
    return found


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@needs_openssl
@pytest.mark.parametrize("what", CALLS)
def test_folders(
    what: str, url: str, folder: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(what, asking(url, ca_bundle=folder))
    bare = tmp_path / "bare"
    bare.mkdir()
    for _empty_then_not_hashed in range(2):
        for setting, client in (
            ("ca_bundle", lambda: asking(url, ca_bundle=bare)),
            ("SSL_CERT_DIR", lambda: asking(url)),
        ):
            with monkeypatch.context() as patch:
                if setting != "ca_bundle":
                    patch.setenv(setting, str(bare))
                with pytest.raises(
                    simsync.ConnectError, match=rf"bare' \({setting}\).*openssl rehash .*bare"
                ) as caught:
                    CALLS[what](client())
                assert not caught.value.retryable
        (bare / "ca.pem").write_bytes(bundle.read_bytes())
    for folders in (f"/nowhere:{folder}", f"{bare}:{folder}", f"{folder}:/nowhere", f":{folder}"):
        with monkeypatch.context() as patch:
            patch.setenv("SSL_CERT_DIR", folders)
            reach(what, asking(url))
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere:/neither")
    with pytest.raises(simsync.ConnectError, match=r"'/nowhere:/neither' \(SSL_CERT_DIR\).*No such file"):
        CALLS[what](asking(url))


@pytest.mark.parametrize("what", CALLS)
def test_what_was_trusted_is_named(
    what: str, url: str, bundle: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(simsync.ConnectError, match=r"of this system; to trust another CA pass Options\(ca_bundle"):
        CALLS[what](asking(url))
    trustme.CA().cert_pem.write_to_path(str(bundle))
    with pytest.raises(simsync.ConnectError, match=r"those in .*ca\.pem \(ca_bundle\): add that of the") as caught:
        CALLS[what](asking(url, ca_bundle=bundle))
    assert "Options(ca_bundle" not in str(caught.value)
    with pytest.raises(simsync.ConnectError, match=r"those of Options\(ssl_context=\.\.\.\): load that"):
        CALLS[what](asking(url, ssl_context=trusting(trustme.CA())))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(simsync.ConnectError, match=r"those in .*ca\.pem \(SSL_CERT_FILE\): add that of the"):
        CALLS[what](asking(url))


def test_a_bundle_that_was_cut_off(url: str, bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[:-100])
    with pytest.raises(simsync.ConnectError, match=r"no certificate that can be read \(it is damaged or cut off\)$"):
        asking(url, ca_bundle=bundle).available_ranges()


def test_a_missing_bundle_does_not_matter_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/missing.pem")
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        assert client.available_ranges()
        client.session(CREATE, timeout=20).close()


def test_a_bundle_that_was_replaced_is_read_again(url: str, bundle: Path) -> None:
    right = bundle.read_bytes()
    trustme.CA().cert_pem.write_to_path(str(bundle))
    client = asking(url, ca_bundle=bundle)
    with pytest.raises(simsync.ConnectError, match="certificate was not accepted"):
        client.available_ranges()
    times = bundle.stat()
    bundle.write_bytes(right)
    os.utime(bundle, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert client.available_ranges()
    client.session(CREATE, timeout=20).close()


class Mending(logging.Handler):
    """Puts the bundle right when one attempt to connect has failed for it."""

    def __init__(self, mend: Callable[[], object]) -> None:
        super().__init__()
        self._mend = mend
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if len(self.lines) == 2:
            self._mend()


@pytest.mark.parametrize("plane", ["control", "subscription"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged or cut off"),
        (lambda path: trustme.CA().cert_pem.write_to_path(str(path)), "certificate was not accepted"),
    ],
    ids=["missing", "cut off", "another"],
)
def test_a_bundle_that_is_being_replaced_costs_an_attempt_and_not_the_run(
    plane: str, spoil: Callable[[Path], object], words: str, authority: trustme.CA, bundle: Path
) -> None:
    right, faults = bundle.read_bytes(), Faults()
    mending = Mending(lambda: bundle.write_bytes(right))
    logger = logging.getLogger(f"simsync.{plane}")
    options = simsync.Options(ca_bundle=bundle, backoff_initial=0.01)
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(Simulator(Ledger.generate(slots=20, transactions_per_slot=1), faults=faults))
        port = stack.enter_context(tls_in_front_of(simulator.port, serving(authority.issue_cert("127.0.0.1"))))
        client = simsync.Client(f"wss://127.0.0.1:{port}", simulator.api_key, options=options)
        session = stack.enter_context(client.session(simsync.CreateSession(1000, 1019), timeout=20))
        session.subscribe_transactions()
        logger.addHandler(mending)
        stack.callback(logger.removeHandler, mending)
        seen = []
        for event in session.events(advance=1, timeout=20):
            seen.append(event)
            if isinstance(event, simsync.Transaction) and event.slot == 1005:
                spoil(bundle)
                if plane == "control":
                    session.drop_connection()
                else:
                    faults.drop_data_at(faults.notifications_sent + 1)
    assert words in mending.lines[1]
    assert sum(isinstance(one, simsync.Transaction) for one in seen) == 20
    assert session.coverage.complete


def test_on_the_command_line(url: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--url", url, "--api-key", "local-dev-key"]
    assert run_command([*words, "--ca-bundle", str(bundle), "ranges"]) == 0
    assert run_command([*words, "--ca-bundle", str(bundle), "doctor"]) == 0
    assert f"trusted: those in {bundle} (ca_bundle)" in capsys.readouterr().out
    assert run_command([*words, "ranges"]) == 3
    assert "certificate was not accepted" in capsys.readouterr().err
    assert run_command([*words, "--ca-bundle", "/missing.pem", "ranges"]) == 3
    assert "the CA bundle '/missing.pem' (ca_bundle) cannot be used: No such file" in capsys.readouterr().err


def test_the_checks_name_what_is_trusted(url: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.check: one for one in check_up(asking(url))}["TLS"].result == FAILED
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    found = {one.check: one for one in check_up(asking(url))}["TLS"]
    assert (found.result, "(SSL_CERT_FILE)" in found.detail) == (OK, True)
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    found = {one.check: one for one in check_up(asking(url))}["TLS"]
    assert (found.result, found.advice) == (FAILED, "correct the path, see docs/guides/network.md")


def test_bad_options(bundle: Path, authority: trustme.CA) -> None:
    for bad in (5, "", b"ca.pem"):
        with pytest.raises(simsync.InvalidParams, match="must be the path"):
            simsync.Options(ca_bundle=bad)  # type: ignore[arg-type]
    with pytest.raises(simsync.InvalidParams, match="cannot be combined with ssl_context"):
        simsync.Options(ca_bundle=bundle, ssl_context=trusting(authority))
