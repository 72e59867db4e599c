"""Mails in a directory, and over the wire to a real SMTP server."""

import socket
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from clarity_server.adapters.local.carriers import FileCarrier, SmtpCarrier, is_this_machine
from clarity_server.domain.errors import MailDelayed, MailRefused, StartRefused
from clarity_server.domain.mail import Mail, MailKind
from tests.adapters.smtp_server import HOST, Certificate, Post, certificate, serving

SENDER = "CLARITY <no-reply@clarity.example>"
MAIL = Mail(MailKind.RESET_PASSWORD, "owl@example.org", "Your code: 12345678", "Hello Ówl,\n\n12345678\n", "a" * 26)
AUTH = "clarity:p%40ss%3Aword%2F@"


@pytest.fixture
def trusted(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


def mail_to(address: str) -> Mail:
    return Mail(MAIL.kind, address, MAIL.subject, MAIL.text)


def check(message: EmailMessage) -> None:
    assert message["From"] == SENDER
    assert message["To"] == MAIL.to
    assert message["Subject"] == MAIL.subject
    assert message.get_content().replace("\r\n", "\n") == MAIL.text
    assert message["Date"].datetime.tzinfo is not None
    assert message["Message-ID"].endswith("@clarity.example>")
    assert message["Auto-Submitted"] == "auto-generated"


# ---- files ----------------------------------------------------------------------------------------------------------


def written(directory: Path) -> list[EmailMessage]:
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(directory.glob("*.eml"))]


def test_a_mail_becomes_a_file_that_mail_readers_open(tmp_path: Path) -> None:
    FileCarrier(tmp_path / "outbox", SENDER).carry(MAIL)
    (message,) = written(tmp_path / "outbox")
    check(message)


def test_mails_are_for_their_owner_only(tmp_path: Path) -> None:
    FileCarrier(tmp_path / "outbox", SENDER).carry(MAIL)
    paths = [tmp_path / "outbox", *(tmp_path / "outbox").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600, 0o700}
    assert list((tmp_path / "outbox" / "aside").iterdir()) == []


def test_files_sort_by_when_they_were_written(tmp_path: Path) -> None:
    carrier = FileCarrier(tmp_path, SENDER)
    for number in range(5):
        carrier.carry(mail_to(f"{number}@example.org"))
    assert [str(message["To"]) for message in written(tmp_path)] == [f"{number}@example.org" for number in range(5)]


def test_a_directory_that_is_gone_delays_a_mail(tmp_path: Path) -> None:
    carrier = FileCarrier(tmp_path / "outbox", SENDER)
    (tmp_path / "outbox").rename(tmp_path / "elsewhere")
    with pytest.raises(MailDelayed):
        carrier.carry(MAIL)


@pytest.mark.parametrize(
    "address",
    ["", "owl", "owl@example.org, lark@example.org", "owl@example.org\r\nBcc: lark@example.org", "<owl@example.org>"],
)
def test_an_address_that_is_none_is_refused_and_not_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(MailRefused) as error:
        FileCarrier(tmp_path, SENDER).carry(mail_to(address))
    assert not address or address not in str(error.value)
    assert written(tmp_path) == []


def test_a_subject_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MailRefused):
        FileCarrier(tmp_path, SENDER).carry(Mail(MAIL.kind, MAIL.to, "one\r\nBcc: lark@example.org", MAIL.text))


# ---- SMTP -----------------------------------------------------------------------------------------------------------


def test_a_mail_is_handed_over() -> None:
    post = Post()
    with serving(post) as port:
        SmtpCarrier(f"smtp://{HOST}:{port}", SENDER).carry(MAIL)
    (message,) = post.taken
    check(message)
    assert post.envelopes == [("no-reply@clarity.example", [MAIL.to])]
    assert post.sealed == [False]


def test_the_wire_is_sealed_where_the_server_offers_it(trusted: Certificate) -> None:
    post = Post()
    with serving(post, start_tls=trusted.server, auth=True) as port:
        SmtpCarrier(f"smtp://{AUTH}{HOST}:{port}", SENDER, context=trusted.client).carry(MAIL)
    check(post.taken[0])
    assert post.sealed == [True]
    assert post.logins == [(b"clarity", b"p@ss:word/")]


def test_the_wire_is_sealed_from_the_first_byte_for_smtps(trusted: Certificate) -> None:
    post = Post()
    with serving(post, tls=trusted.server, auth=True) as port:
        SmtpCarrier(f"smtps://{AUTH}{HOST}:{port}", SENDER, context=trusted.client).carry(MAIL)
    check(post.taken[0])
    assert post.logins == [(b"clarity", b"p@ss:word/")]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_nobody_vouches_for_gets_neither_mail_nor_password(scheme: str, trusted: Certificate) -> None:
    post = Post()
    offered = {"start_tls": trusted.server} if scheme == "smtp" else {"tls": trusted.server}
    with serving(post, **offered, auth=True) as port, pytest.raises(MailDelayed, match="CertVerification"):
        SmtpCarrier(f"{scheme}://{AUTH}{HOST}:{port}", SENDER).carry(MAIL)
    assert not post.taken
    assert not post.logins


def test_a_password_is_sent_without_tls_to_this_machine_only() -> None:
    post = Post()
    with serving(post, auth=True) as port:
        SmtpCarrier(f"smtp://{AUTH}{HOST}:{port}", SENDER).carry(MAIL)
        assert len(post.logins) == 1
        # There is no other machine here: the question whether it is this one gets the other answer.
        elsewhere = SmtpCarrier(f"smtp://{AUTH}{HOST}:{port}", SENDER, is_near=lambda _: False)
        with pytest.raises(MailDelayed, match="offers no TLS"):
            elsewhere.carry(MAIL)
    assert len(post.logins) == len(post.taken) == 1


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("localhost.example.org", False)],
)
def test_this_machine_is_known_by_name_and_address(host: str, ours: bool) -> None:
    assert is_this_machine(host) is ours


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"RCPT": "550 no such mailbox"}, MailRefused),
        ({"RCPT": "450 greylisted"}, MailDelayed),
        ({"DATA": "554 spam"}, MailRefused),
        ({"DATA": "451 try later"}, MailDelayed),
        ({"MAIL": "550 not your sender"}, MailDelayed),
        ({"MAIL": "451 try later"}, MailDelayed),
    ],
)
def test_what_the_server_says_of_the_mail_is_for_good_and_all_else_is_not(
    answers: dict[str, str], error: type[Exception]
) -> None:
    post = Post(answers)
    with serving(post) as port, pytest.raises(error) as raised:
        SmtpCarrier(f"smtp://{HOST}:{port}", SENDER).carry(MAIL)
    assert str(raised.value) == f"the mail server answered {next(iter(answers.values()))[:3]}"
    assert raised.value.__cause__ is None
    assert post.taken == []


def test_a_wrong_password_of_ours_delays_a_mail() -> None:
    post = Post()
    with serving(post, auth=True) as port, pytest.raises(MailDelayed, match="answered 535"):
        SmtpCarrier(f"smtp://clarity:wrong@{HOST}:{port}", SENDER).carry(MAIL)
    assert post.taken == []


def test_a_mail_that_was_taken_is_handed_over_whatever_is_said_at_the_end() -> None:
    post = Post({"QUIT": "500 what?"})
    with serving(post) as port:
        SmtpCarrier(f"smtp://{HOST}:{port}", SENDER).carry(MAIL)
    assert len(post.taken) == 1


def test_a_server_that_is_not_there_delays_a_mail() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MailDelayed, match="ConnectionRefused"):
        SmtpCarrier(f"smtp://{HOST}:{port}", SENDER).carry(MAIL)


def test_a_server_that_says_nothing_delays_a_mail() -> None:
    with socket.create_server((HOST, 0)) as mute, pytest.raises(MailDelayed, match="cannot be spoken to"):
        SmtpCarrier(f"smtp://{HOST}:{mute.getsockname()[1]}", SENDER, timeout_s=0.2).carry(MAIL)


def test_a_server_that_hangs_up_delays_a_mail() -> None:
    with serving(Post({"RCPT": "421 going down"})) as port, pytest.raises(MailDelayed, match="421"):
        SmtpCarrier(f"smtp://{HOST}:{port}", SENDER).carry(MAIL)


@pytest.mark.parametrize("host", ["", ":25", "host:port", "host:99999"])
@pytest.mark.parametrize("scheme", ["smtp", "smtps", "http"])
def test_an_address_of_no_mail_server_is_refused_and_its_password_not_shown(scheme: str, host: str) -> None:
    with pytest.raises(StartRefused) as error:
        SmtpCarrier(f"{scheme}://clarity:Night-0wl@{host}", SENDER)
    assert "Night" not in str(error.value)
    assert error.value.__cause__ is None
