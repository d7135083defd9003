"""An SMTP server that writes each message as a line of JSON and refuses recipients called refused@."""

import email
import email.policy
import json
import sys
import threading

from aiosmtpd.controller import Controller


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


controller = AnyPort(Sink(sys.argv[1]), hostname="127.0.0.1", port=0)
controller.start()
print(controller.port, flush=True)
threading.Event().wait()
