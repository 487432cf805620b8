"""A relay that misbehaves by script: at a named step it answers what it is told to, hangs, hangs up, or drips."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Self

ANSWERS = {
    "greeting": "220 scripted",
    "EHLO": "250-scripted\r\n250 ENHANCEDSTATUSCODES",
    "HELO": "250 scripted",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 kept",
    "RSET": "250 ok",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}
HANG, CLOSE, ACCEPT_AND_CLOSE = "hang", "close", "accept and close"


class ScriptedRelay:
    """`script` maps a step to what happens there: a reply, HANG, CLOSE, "drip:" and a reply; or a list of such, one
    for each time the step is reached, the last one staying. Context manager; `kept` holds the contents accepted."""

    def __init__(self, script: dict[str, str | list[str]] | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script or {}
        self.tls = tls
        self.implicit_tls = False
        self.kept: list[bytes] = []
        self.connections = 0
        self.commands: list[str] = []
        self._reached: dict[str, int] = {}
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def url(self, scheme: str = "smtp", login: str = "") -> str:
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _next(self, step: str) -> str:
        planned = self.script.get(step, ANSWERS.get(step, "500 what?"))
        if isinstance(planned, str):
            return planned
        time_of_it = self._reached.get(step, 0)
        self._reached[step] = time_of_it + 1
        return planned[min(time_of_it, len(planned) - 1)]

    def _answer(self, connection: socket.socket, step: str) -> bool:
        """False when the conversation is over."""
        planned = self._next(step)
        if planned == HANG:
            self._over.wait(20)
            return False
        if planned in (CLOSE, ACCEPT_AND_CLOSE):
            return False
        if planned.startswith("drip:"):
            for byte in f"{planned[5:]}\r\n".encode():
                connection.sendall(bytes([byte]))
                if self._over.wait(0.05):
                    return False
            return True
        connection.sendall(f"{planned}\r\n".encode())
        return not planned.startswith("421")

    def _talk(self, connection: socket.socket) -> None:
        try:
            if self.implicit_tls and self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._converse(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        going = self._answer(connection, "greeting")
        lines = connection.makefile("rb")
        while going and (line := lines.readline()):
            words = line.decode("utf-8", "replace").strip()
            self.commands.append(words)
            verb = words.split(" ")[0].upper()
            if verb == "STARTTLS" and self.tls:
                connection.sendall(b"220 go on\r\n")
                connection = self.tls.wrap_socket(connection, server_side=True)
                lines = connection.makefile("rb")
                continue
            going = self._answer(connection, verb)
            if verb == "DATA" and going and self._next("DATA").startswith("354"):
                content = bytearray()
                while (line := lines.readline()) not in (b".\r\n", b""):
                    content += line
                if not line:
                    return
                if self._will_keep():
                    self.kept.append(bytes(content))
                going = self._answer(connection, "dot")
            if verb == "QUIT":
                return

    def _will_keep(self) -> bool:
        planned = self.script.get("dot", "250")
        if isinstance(planned, list):
            planned = planned[min(self._reached.get("dot", 0), len(planned) - 1)]
        return planned.startswith("2") or planned in (ACCEPT_AND_CLOSE, HANG)
