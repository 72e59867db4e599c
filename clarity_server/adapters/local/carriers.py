"""Who brings mails: a directory to look into, or an SMTP server (RFC 5321)."""

import ipaddress
import smtplib
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from clarity_server.adapters.local import files
from clarity_server.domain.errors import MailDelayed, MailRefused, StartRefused
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail

SMTP_TIMEOUT_S = 20.0  # of each step of the conversation
FOR_GOOD = 500  # from which reply code on trying again is pointless (RFC 5321, section 4.2.1)
POLICY = SMTP.clone(cte_type="7bit")  # any server takes it


class FileCarrier:
    """Implements ports.Carrier: one .eml per mail, for its owner's eyes only."""

    def __init__(self, directory: Path | str, sender: str) -> None:
        """Make the directory where there is none. Raises StoreUnavailable."""
        self._directory = Path(directory)
        self._aside = self._directory / "aside"
        self._sender = sender
        with files.translated():
            for made in (self._directory, self._aside):
                files.make_directory(made)
            files.sweep(self._aside)

    def carry(self, mail: Mail) -> None:
        """Write the mail; its name begins with the time. Raises MailRefused, MailDelayed."""
        content = _message(mail, self._sender).as_bytes()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{new_id()}.eml"
        try:
            files.place(self._directory / name, content, self._aside)
        except OSError as why:
            raise MailDelayed(f"the mail cannot be written: {why.strerror}") from None


class SmtpCarrier:
    """Implements ports.Carrier: one conversation per mail. No error names an address."""

    def __init__(
        self,
        url: str,
        sender: str,
        *,
        timeout_s: float = SMTP_TIMEOUT_S,
        context: ssl.SSLContext | None = None,
        is_near: Callable[[str], bool] | None = None,
    ) -> None:
        """Take `smtp://[user:password@]host[:port]` or `smtps://…`, user and password percent-encoded.

        `smtp` turns to TLS where the server offers it, and sends no password without, except to this machine itself.
        `context` says whom to trust: else the authorities that this machine does. `is_near` tells whether a host is
        this machine: else its name and address do. Raises StartRefused.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise StartRefused("a mail server is smtp://[user:password@]host[:port], or smtps://…")
        self._sealed = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = _port(parts)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._timeout_s = timeout_s
        self._is_near = is_near or is_this_machine
        self._context = context or ssl.create_default_context()

    def carry(self, mail: Mail) -> None:
        """Hand the mail over. Raises MailRefused, MailDelayed.

        Only what the server says of this very mail, its recipient or its content, is for good: a wrong password of
        ours, say, can be put right while the mails wait.
        """
        message = _message(mail, self._sender)
        try:
            connection = self._connected()
            with closing(connection):
                self._hand_over(connection, message)
                with suppress(OSError):  # it is handed over, whatever the server says now
                    connection.quit()
        except smtplib.SMTPResponseException as why:
            raise MailDelayed(f"the mail server answered {why.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as why:  # its text may have the address
            raise MailDelayed(f"the mail server cannot be spoken to: {type(why).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        if self._sealed:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout_s, context=self._context)
        return smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)

    def _hand_over(self, connection: smtplib.SMTP, message: EmailMessage) -> None:
        connection.ehlo_or_helo_if_needed()
        sealed = self._sealed
        if not sealed and connection.has_extn("starttls"):
            connection.starttls(context=self._context)
            sealed = True
        if self._user:
            if not sealed and not self._is_near(self._host):
                raise MailDelayed("the mail server offers no TLS, and the password is sent to none without")
            connection.login(self._user, self._password)
        self._send(connection, message)

    def _send(self, connection: smtplib.SMTP, message: EmailMessage) -> None:
        recipient = parseaddr(str(message["To"]))[1]
        try:
            connection.send_message(message, parseaddr(self._sender)[1], [recipient])
        except smtplib.SMTPRecipientsRefused as why:
            ((code, _),) = why.recipients.values()
            raise _failed(code) from None
        except smtplib.SMTPDataError as why:
            raise _failed(why.smtp_code) from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("the mail server takes no such address") from None


def _failed(code: int) -> MailRefused | MailDelayed:
    text = f"the mail server answered {code}"
    return MailRefused(text) if code >= FOR_GOOD else MailDelayed(text)


def _message(mail: Mail, sender: str) -> EmailMessage:
    """Put a mail into the form of RFC 5322. Raises MailRefused where address or subject do not fit it."""
    message = EmailMessage(POLICY)
    try:
        message["From"] = sender
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # nobody's holiday note answers it (RFC 3834)
        message.set_content(mail.text)
    except (ValueError, IndexError, MessageError):  # what the parser raises shows the address
        raise MailRefused("the address or the subject fits no mail") from None
    return message


def _port(parts: SplitResult) -> int:
    with suppress(ValueError):
        return parts.port or (smtplib.SMTP_SSL_PORT if parts.scheme == "smtps" else smtplib.SMTP_PORT)
    raise StartRefused("the mail server's port is no number up to 65535")


def is_this_machine(host: str) -> bool:
    """Tell whether a host is the one we are on, by its name or address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
