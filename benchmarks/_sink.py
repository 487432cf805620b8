"""An SMTP server that takes everything and keeps nothing, in a process of its own: its time is not the sender's.

python -m benchmarks._sink        prints its port, serves until its stdin ends
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ANSWERS = {b"EHLO": b"250-sink\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Sink(asyncio.Protocol):
    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.wire, self.unread, self.in_content = transport, b"", False
        self.wire.write(b"220 sink\r\n")

    def data_received(self, received: bytes) -> None:
        self.unread += received
        answers = []
        while True:
            end = b"\r\n.\r\n" if self.in_content else b"\r\n"
            taken, found, rest = self.unread.partition(end)
            if not found:
                break
            self.unread = rest
            if self.in_content:
                Sink.taken += 1
                self.in_content = False
                answers.append(b"250 2.0.0 kept\r\n")
                continue
            verb = taken[:4].upper()
            self.in_content = verb == b"DATA"
            answers.append(b"250 %d\r\n" % Sink.taken if verb == b"XCNT" else ANSWERS.get(verb, b"250 ok\r\n"))
        if answers:
            self.wire.write(b"".join(answers))


@contextmanager
def sink() -> Iterator[str]:
    """Its address, as SMTP_URL has it."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks._sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        try:
            yield f"smtp://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.stdin.close()
            child.wait(10)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
