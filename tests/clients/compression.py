"""Compression as the package websockets negotiates it: `compression.py URL TOKEN DOCUMENT`.

For each of several offers two clients join, one of them makes a large change and the other one reads it, and a third
reads the whole document. Says what the server answered to each offer and what was read, `[answer, change, document]`,
in a line of its own. The package closes on any frame or answer that RFC 7692 does not allow.
"""

import asyncio
import json
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate

OFFERS = [
    [Deflate(client_max_window_bits=True)],
    [Deflate(server_max_window_bits=10, client_max_window_bits=9)],
    [Deflate(server_max_window_bits=15, server_no_context_takeover=True, client_no_context_takeover=True)],
    [Deflate(server_max_window_bits=12), Deflate()],
    [],
]


async def next_of(socket, kind):
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == kind:
            return message["payload"]


async def try_offer(url, offer, number):
    def connect():
        return websockets.connect(url, compression=None, extensions=offer or None)

    async with connect() as writer, connect() as reader:
        state = await next_of(writer, "document.state")
        await next_of(reader, "document.state")
        change = {
            "operation": "insert",
            "position": 0,
            "content": f"{number}: développeur ou développeuse. " * 100,
            "base_version": state["version"],
        }
        metadata = {"client_id": "compression", "correlation_id": str(number)}
        await writer.send(json.dumps({"type": "document.change", "payload": change, "metadata": metadata}))
        await next_of(writer, "document.ack")
        changed = await next_of(reader, "document.change")
        async with connect() as late:
            document = await next_of(late, "document.state")
    answer = reader.response.headers.get("Sec-WebSocket-Extensions")
    print(json.dumps([answer, changed["content"], document["content"]["sections"]["body"]]), flush=True)


async def main(url, token, document):
    for number, offer in enumerate(OFFERS):
        await try_offer(f"{url}/ws/document/{document}?token={token}", offer, number)


asyncio.run(main(*sys.argv[1:]))
