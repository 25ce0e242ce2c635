"""The socket that a server listens on."""

from __future__ import annotations

import asyncio
import socket

from mlops_provider.serving.server import listen


def test_small_answers_are_not_held_back_by_nagle():
    """A head and a body in two packets wait 40 ms for the client's acknowledgement where TCP_NODELAY is not set."""
    listening = listen("127.0.0.1", 0)

    async def nodelay_of_a_connection():
        found = asyncio.get_running_loop().create_future()

        def connected(_, writer):
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            writer.close()
            return await asyncio.wait_for(found, 30)

    assert asyncio.run(nodelay_of_a_connection()) == 1
