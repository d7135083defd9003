"""An SMTP server that writes each message as a line of JSON and refuses recipients called refused@.

It listens in clear, with STARTTLS, and with TLS from the start; the latter two want a name and a password, both of them
"relay", and have a certificate for localhost. The ports are printed in this order, once all of them are open.

    python ci/smtp_sink.py LOG TLS_LOG CA

writes messages to LOG, those that came by TLS to TLS_LOG, and the certificate to trust to CA.
"""

import email
import email.policy
import json
import ssl
import sys
import threading

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Sink:
    def __init__(self, path):
        self.path = path

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {kind: message.get_body((kind,)).get_content() for kind in ("plain", "html")}
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "text": parts["plain"],
            "html": parts["html"],
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return "250 OK"


class AnyPort(Controller):
    """Lets the system choose the port: what is bound is known once the server listens."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def authenticate(server, session, envelope, mechanism, given):
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"relay", b"relay")
    # The answer is left to the library.
    return AuthResult(success=right, handled=False)


log, tls_log, trusted = sys.argv[1:]
authority = trustme.CA()
authority.cert_pem.write_to_path(trusted)
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
authority.issue_cert("localhost").configure_cert(tls)
guarded = {"authenticator": authenticate, "auth_required": True}
controllers = [
    AnyPort(Sink(log), hostname="127.0.0.1", port=0),
    AnyPort(Sink(tls_log), hostname="127.0.0.1", port=0, tls_context=tls, require_starttls=True, **guarded),
    # It does not know by itself that TLS is there already.
    AnyPort(Sink(tls_log), hostname="127.0.0.1", port=0, ssl_context=tls, auth_require_tls=False, **guarded),
]
for controller in controllers:
    controller.start()
print(*(controller.port for controller in controllers), flush=True)
threading.Event().wait()
