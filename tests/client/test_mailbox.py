"""The mail that a server of our own leaves in a folder, written by the server's own carrier."""

from pathlib import Path

import pytest

from clarity.local import LocalError
from clarity.mailbox import Mailbox
from clarity_server.adapters.local.carriers import FileCarrier
from clarity_server.domain.mail import Mail, MailKind

ADA, BOB = "ada@example.org", "bob@example.org"


def sent(folder: Path, to: str, text: str) -> None:
    FileCarrier(folder, "clarity@localhost").carry(Mail(MailKind.CONFIRM_SIGN_UP, to, "Your code", text))


def coded(code: str) -> str:
    return f"Hello,\n\nthe year 20261123 is no code. Enter this one:\n\n    {code}\n\nCLARITY\n"


def test_the_code_that_stands_alone_on_its_line_is_read(tmp_path: Path) -> None:
    mail = Mailbox(tmp_path)
    for _ in range(2):
        sent(tmp_path, ADA, coded("01234567"))
    assert mail.text(ADA) == coded("01234567")
    assert mail.code(ADA) == "01234567"


def test_mails_of_before_and_to_others_are_passed_over(tmp_path: Path) -> None:
    sent(tmp_path, ADA, coded("11111111"))
    mail = Mailbox(tmp_path)
    sent(tmp_path, BOB, coded("22222222"))
    sent(tmp_path, ADA, "Hello,\n\nyour password was changed.\n")
    sent(tmp_path, "Ada@Example.org", coded("33333333"))
    assert mail.code(ADA) == "33333333"
    assert mail.code(BOB) == "22222222"


def test_each_mail_is_read_once_in_the_order_of_its_coming(tmp_path: Path) -> None:
    mail = Mailbox(tmp_path)
    for code in ("11111111", "22222222"):
        sent(tmp_path, ADA, coded(code))
    assert [mail.code(ADA), mail.code(ADA)] == ["11111111", "22222222"]
    with pytest.raises(LocalError, match="no mail to"):
        mail.code(ADA, within_s=0)


def test_a_folder_that_is_not_there_yet_has_no_mail(tmp_path: Path) -> None:
    mail = Mailbox(tmp_path / "outbox")
    sent(tmp_path / "outbox", ADA, coded("11111111"))
    assert mail.code(ADA) == "11111111"
