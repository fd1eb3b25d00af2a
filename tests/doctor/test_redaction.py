"""What is removed from a capture, wherever it stands."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from simsync.doctor.redaction import Redaction, identifiers, identifiers_in_path, shape

KEY = 'k3y/with+odd="characters"&more'
URL = "wss://sim.example.com:8443/backtest"
WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
REDACTION = Redaction.of(KEY, URL, [WALLET])


def fragments(secret: str) -> list[str]:
    """Every form in which the secret could be read from a text."""
    raw = secret.encode()
    inside = [base64.b64encode(b"x" * before + raw + b"y" * 5).decode() for before in range(4)]
    urlsafe = [base64.urlsafe_b64encode(b"x" * before + raw).decode() for before in range(3)]
    return [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], raw.hex(), raw.hex().upper(), *inside, *urlsafe]


@pytest.mark.parametrize("form", fragments(KEY))
def test_the_key_in_every_form(form: str) -> None:
    found = REDACTION.named(f"before {form} behind")
    assert "<api-key>" in found
    assert found.startswith("before ") and found.endswith(" behind")
    for part in (KEY, quote(KEY, safe=""), KEY.encode().hex(), base64.b64encode(KEY.encode()).decode()[4:24]):
        assert part not in found


@pytest.mark.parametrize("form", fragments(WALLET)[:4])
def test_a_text_that_was_hidden_by_name(form: str) -> None:
    assert REDACTION.named(f"<{form}>") == "<<hidden-1>>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connect to sim.example.com:8443 failed", "connect to <host> failed"),
        ("SIM.example.com does not resolve", "<host> does not resolve"),
        (f"connect to {URL} failed", "connect to wss://<host>/backtest failed"),
        ("refused by 10.20.30.40, port 80", "refused by <number>, port 80"),
        ("connection from 10.1.2.3.", "connection from <number>."),
        ("connection from 1.2.3.4.", "connection from <word>."),
        ("version 1.2.3 of 2026", "version 1.2.3 of 2026"),
        ("is mysim.example.com down?", "is <word> down?"),
        ("nächst.example and my_host.internal", "<word> and <word>"),
    ],
)
def test_hosts_and_addresses_in_a_sentence(text: str, expected: str) -> None:
    assert REDACTION.sentence(text) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (URL, "wss://<host>/backtest"),
        ("https://other.example:9000/x?y", "https://<other-host>/<word>?<key>"),
        ("http://user:pass@other.example/usage", "http://<other-host>/usage"),
        (
            "https://sim.example.com:8443/usage?since=2026-01-01&token=tk",
            "https://<host>/usage?since=2026-01-01&token=<private>",
        ),
        ("wss://sim.example.com:8443/acme/backtest", "wss://<host>/<word>/backtest"),
        ("/backtest/abc", "/backtest/<word>"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    assert REDACTION.address(address) == expected


def test_values_keys_and_what_stands_under_telling_names() -> None:
    value = {
        "api_key_name": "Jane's key",
        "Email": "jane@example.com",
        "email": None,
        KEY: [KEY, 7, None, True],
        "nested": {"message": f"about {WALLET}"},
    }
    assert REDACTION.value(value) == {
        "api_key_name": "<private>",
        "Email": "<private>",
        "email": None,
        "<api-key>": ["<api-key>", 7, None, True],
        "nested": {"message": "about <hidden-1>"},
    }


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "access_token",
        "refreshToken",
        "set-cookie",
        "X-Api-Key",
        "clientSecret",
        "account_name",
        "ownerEmail",
    ],
)
def test_keys_that_name_a_secret_or_a_person(name: str) -> None:
    assert REDACTION.value({name: "value"}) == {name: "<private>"}


@pytest.mark.parametrize(
    "name", ["preTokenBalances", "uiTokenAmount", "token_program", "signature", "account", "owner", "brandNew"]
)
def test_values_of_the_chain_stay(name: str) -> None:
    for value in ("So11111111111111111111111111111111111111112", 7, True, None, "1761", "2026-07-01"):
        assert REDACTION.value({name: value, "slot": 1}) == {name: value, "slot": 1}


def test_a_signature_stays_where_one_belongs_and_elsewhere_may_be_a_secret_key() -> None:
    signature = "5" * 88
    transaction = {"signatures": [signature], "signature": signature}
    assert REDACTION.value(transaction) == transaction
    for value in ({"slot": 1, "signer": signature}, {"brandNew": signature}, {"error": f"bad {signature}"}):
        assert signature not in json.dumps(REDACTION.value(value))


@pytest.mark.parametrize(
    "value",
    [
        {"keypair": "5" * 88},
        {"mnemonic": "abandon ability"},
        *({key: "4711"} for key in ("pin", "otp", "customerNumber", "accountNo", "ssn", "name", "createdBy")),
        {"slot": 1, "balanceInDollars": 4_711_000},
        {"slot": 1, "reference": "4711000"},
        {"slot": 1, "latitude": 47.11},
        {"slot": 1, "label": "AcmeCapital4711"},
        *({"slot": 1, key: "AcmeCapital"} for key in ("label", "venue", "value", "scope")),
        {"quota": {"alice_smith": 5}},
        {"AcmeCapital": 5},
        {"slot": 1, "sk_live_4711zzzzzz": 1},
        {"slot": 1, "alice@fund.example": 1},
        {"slot": 1, "db.internal.example": 1},
        {"rpcEndpoint": "/backtest/a1?token=tk4711"},
    ],
)
def test_values_and_keys_that_are_not_of_the_protocol(value: dict[str, Any]) -> None:
    found = json.dumps(REDACTION.value({"params": value}))
    for secret in ("5" * 88, "abandon", "4711", "47.11", "AcmeCapital", "alice", "internal"):
        assert secret not in found


@pytest.mark.parametrize(
    "text",
    [
        "client_secret=S3cret",
        "refresh_token: S3cret",
        "session_name=S3cret",
        'got {"token":"S3cret"}',
        'got {"password": "S3cret"}',
        "pwd=S3cret",
        "pass=S3cret",
        "login=S3cret",
        "email=S3cret at fund",
        "name=S3cret",
        "key=S3cret",
        "password is S3cret",
        "password 'S3cret' refused",
        "Authorization: Token S3cret",
        "Authorization: ApiKey S3cret-12",
        "x-api-key: S3cret",
        "-----BEGIN PRIVATE KEY----- S3cret",
        "glpat-S3cretS3cret12",
        "redis://S3cret:6379/0",
        "postgres://bob:S3cret@db-1.corp.example/x",
        "s3://S3cret/runs",
        "amqp://S3cret",
        "grpc dns:///S3cret:443",
        "see //S3cret/x",
        "https://h.example/x?api_key=S3cret&y=1",
        "host S3cret-7:8080 is down",
        "cannot read /home/S3cret/keys/id.json",
        "cannot read C:\\Users\\S3cret\\keys",
    ],
)
def test_secrets_inside_a_text_of_the_server(text: str) -> None:
    for key in ("message", "error", "logs"):
        assert "S3cret" not in json.dumps(REDACTION.value({key: text}))


@pytest.mark.parametrize(
    "text",
    [
        "call +41 79 123 45 67",
        "call (212) 555-0147",
        "card 4539 1488 0343 6467",
        "mac 00:1B:44:11:3A:B7",
        "localhost:9931 is down",
        "account 4711123456 is closed",
        "pin 1234",
    ],
)
def test_numbers_of_persons_and_machines_inside_a_text(text: str) -> None:
    digits = ("123", "4539", "1488", "00:1B", "9931", "0147", "4711")
    assert not any(word in REDACTION.sentence(text) for word in digits)


@pytest.mark.parametrize(
    "text",
    [
        "Program TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA consumed 183 of 1400 compute units",
        "Program log: Instruction: Transfer",
        "Program 11111111111111111111111111111111 failed: custom program error: 0x1",
        "Transfer: insufficient lamports 0, need 5000",
        "no block between slot 1000 and 1009 at 2026-01-01T00:00:00Z",
        "invalid type: sequence, expected a string at line 1 column 1234",
        "transactions of actions[0] must be one base64 string, not a list",
        "unknown variant at actions[0].anchor",
        "everyNSlots can't be -1 (startSlot=1000)",
    ],
)
def test_what_a_program_and_a_server_usually_say_stays(text: str) -> None:
    assert REDACTION.sentence(text) == text


def test_a_long_number_in_a_sentence_goes() -> None:
    assert REDACTION.sentence("consumed 183 of 394611 units") == "consumed 183 of <number> units"


@pytest.mark.parametrize(
    "text",
    ["TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D failed", "AKQzLmNpXrSvWyBdFhJkMnPqRtUvWxYz is a key"],
)
def test_base58_of_another_length_is_no_address(text: str) -> None:
    assert "<word>" in REDACTION.sentence(text)
    assert REDACTION.value({"slot": 1, "owner": text.split()[0]}) == {"slot": 1, "owner": "<private>"}


def test_an_error_keeps_its_name_also_if_it_is_unknown() -> None:
    message = {"method": "error", "params": {"brandNewError": {"slot": 7}}}
    assert REDACTION.value(message) == message


def test_what_follows_the_name_of_a_secret() -> None:
    assert REDACTION.sentence("sent authorization: Bearer abc.def-123, twice") == "sent authorization <private>"
    assert REDACTION.sentence("basic requirements of something") == "basic <word> of something"
    assert REDACTION.sentence("there is no password.") == "there is no password <private>"
    assert REDACTION.sentence("there is no password") == "there is no password"


def test_a_short_secret_spoils_nothing_else() -> None:
    redaction = Redaction.of("id", "ws://localhost/backtest")
    assert redaction.named("session_id of id, identity") == "session_id of <api-key>, identity"


def test_without_secrets_nothing_changes() -> None:
    assert Redaction.of("", "").named("anything, also empty") == "anything, also empty"


def test_another_text_makes_another_redaction() -> None:
    more = REDACTION.also("backtest_1", "<session-1>")
    assert more.named("/backtest/backtest_1") == "/backtest/<session-1>"
    assert REDACTION.named("backtest_1") == "backtest_1"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"method": "sessionCreated", "params": {"session_id": "a", "task_id": "t"}},
            [("session", "a"), ("task", "t")],
        ),
        ({"sessionIds": ["a", "b"], "controlSessionId": "c"}, [("session", "a"), ("session", "b"), ("control", "c")]),
        ({"last_sequences": {"a": 1, "b": 2}}, [("session", "a"), ("session", "b")]),
        ({"rpc_endpoint": "https://x/backtest/secret"}, [("session", "secret")]),
        ({"task_ids": [None], "session_id": 5, "sessionid": ""}, []),
        ([{"requestId": "r"}], [("build", "r")]),
    ],
)
def test_ids_in_messages(message: Any, expected: list[tuple[str, str]]) -> None:
    assert list(identifiers(message)) == expected


def test_ids_in_addresses() -> None:
    assert list(identifiers_in_path("ws://h/backtest/abc")) == [("session", "abc")]
    assert list(identifiers_in_path("http://h/build-bundle/r-1?x=y")) == [("build", "r-1")]
    assert list(identifiers_in_path("ws://h/backtest")) == []


def test_the_shape_of_a_value() -> None:
    value = {"cost": 12.5, "name": "mine", "days": [{"slots": 3}, {"slots": 4}], "on": True, "none": None, "empty": []}
    assert shape(value) == {
        "cost": 0,
        "name": "<text>",
        "days": [{"slots": 0}],
        "on": True,
        "none": None,
        "empty": [],
    }


SECRETS: list[tuple[dict[str, Any], str]] = [
    ({"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.sig"}, "eyJzdWIiOiJ4In0"),
    ({"message": "token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.sig"}, "eyJzdWIiOiJ4In0"),
    ({"accessToken": "at-55aa"}, "at-55aa"),
    ({"set_cookie": "sid=cookie-77; Path=/"}, "cookie-77"),
    ({"message": "cookie sid=cookie-77; expired"}, "cookie-77"),
    ({"password": "pw-1"}, "pw-1"),
    ({"error": "password: hunter2 is wrong"}, "hunter2"),
    ({"account_name": "Some-Fund"}, "Some-Fund"),
    ({"desk": "Some-Fund"}, "Some-Fund"),
    ({"anything": {"new": ["Some-Fund"]}}, "Some-Fund"),
    ({"Some-Fund": 1}, "Some-Fund"),
    ({"status": "Some-Fund is waiting"}, "Some-Fund"),
    ({"scope": "desk of Jane"}, "Jane"),
    ({"owner_email": "x@fund.example"}, "x@fund.example"),
    ({"message": "mail x@fund.example about it"}, "x@fund.example"),
    ({"error": "connect to db7.internal.fund.example failed"}, "fund.example"),
    ({"error": "connect to db7.fund.example:5432 failed"}, "db7"),
    ({"message": "see https://status.fund.example/x"}, "fund.example"),
    ({"note": "http://user:pass@fund.example"}, "pass"),
    ({"error": "peer 10.20.30.40 closed"}, "10.20.30.40"),
    ({"error": "peer 2001:db8::8a2e:370:7334 closed"}, "2001:db8"),
    ({"error": "peer [fe80::1]:443 closed"}, "fe80::1"),
    ({"ip": "10.20.30.40"}, "10.20.30.40"),
    ({"error": "session backtest_01a22382-ae35-74eb-9334-65700931e655 is gone"}, "01a22382"),
    ({"error": "unknown session session_abc123def"}, "abc123def"),
    ({"message": "request 01a22382-ae35-74eb-9334-65700931e655"}, "01a22382"),
    ({"message": "key sk_live_9fQ2pLx7Vb is over quota"}, "9fQ2pLx7Vb"),
    ({"message": "AKIAIOSFODNN7EXAMPLE expired"}, "IOSFODNN7"),
    ({"trace": "d41d8cd98f00b204e9800998ecf8427e"}, "d41d8cd98f00"),
    ({"message": "trace d41d8cd98f00b204e9800998ecf8427e0"}, "d41d8cd98f00"),
    ({"phone": 4915112345678}, "4915112345678"),
    ({"contact_number": 4915112345678}, "4915112345678"),
    ({"error": {"unknownAccount": {"user": "jane"}}}, "jane"),
    ({"message": 'customer: "Jane Doe" has no quota'}, "Jane Doe"),
    ({"credentials": {"a": 1, "b": ["c"]}}, '"c"'),
    ({"message": "Cookie: lang=en; uid=jane77"}, "jane77"),
    ({"message": "Set-Cookie: sid=a; other=tok99"}, "tok99"),
    ({"error": "acme-prod-7:443 is down"}, "acme"),
    ({"error": "redis-1:80 is down"}, "redis"),
    ({"error": "acmedb:5432 is down"}, "acmedb"),
    ({"error": "my_host.internal is down"}, "my_host"),
    ({"error": "nächst.example is down"}, "chst"),
    ({"error": "password hunter2 refused"}, "hunter2"),
    ({"error": "password open refused"}, "open"),
    ({"error": "key abcdefgh12345678 is unknown"}, "abcdefgh12345678"),
    ({"error": "secret=abc,def"}, "def"),
    ({"error": "Basic dXNlcjpwYXNz"}, "dXNlcjpwYXNz"),
    ({"error": "unknown session backtest_a1"}, "backtest_a1"),
    ({"error": "task task-4711 failed"}, "task-4711"),
    ({"account": "4711123456"}, "4711123456"),
    ({"account": 4711123456}, "4711123456"),
    ({"error": "cannot read /srv/acme/keys/id.json"}, "acme"),
    ({"error": "user Jane Doe is over quota"}, "Jane"),
    ({"error": "Jane Doe is over quota"}, "Jane"),
    *(
        ({key: word}, word)
        for key in ("result", "version", "type", "kind", "status", "mode", "label", "params")
        for word in ("a3bf4f1b2b0b6c7d", "AcmeCapital", "jane77", "AQzLmNpXrSvWyBdFhJkMnPqRtUvWxYz")
    ),
    ({"data": "skliveA1b2c3d4e5f6"}, "skliveA1b2c3d4e5f6"),
    ({"data": ["skliveA1b2c3d4e5", "base64"]}, "skliveA1b2c3d4e5"),
    ({"transaction": "AcmeCapital"}, "AcmeCapital"),
    ({"id": "backtest_a1"}, "backtest_a1"),
    ({"slot": 1, "acme_password": "x"}, "acme"),
    ({"method": "error", "user": "open"}, "open"),
]


@pytest.mark.parametrize(("message", "secret"), SECRETS)
def test_nothing_of_a_secret_is_left(message: dict[str, Any], secret: str) -> None:
    for whole in (message, {"method": "status", "params": message}, {"method": "error", "params": message}):
        assert secret not in json.dumps(REDACTION.value(whole))


def test_what_a_capture_is_for_stays() -> None:
    message = {
        "method": "sessionEventV2",
        "params": {
            "seq_id": 3,
            "event": {"method": "status", "params": {"status": "warmingUpEngines", "newField": 7, "newFlag": True}},
            "error": {"invalidRequest": {"error": "startSlot 5 is below the first slot 1000"}},
            "data": ["<bytes>", "base64"],
            "bundleStartSlotUtc": "2026-06-01T00:00:00Z",
        },
    }
    assert REDACTION.value(message) == message
