"""The API reference's Python client on a document, in company: `reference_client.py URL TOKEN DOCUMENT`.

Says each message it gets in a line of its own, `[type, payload, metadata]`, and in the end its text. It
is the first one there: it waits for somebody to join, inserts "Hello ", waits for their change and an
answer to its heartbeat, and leaves.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Any, Callable, Dict

import websockets


# As in the reference, but for the three lines marked with "filled in".
class JDDBRealtimeClient:
    def __init__(self, base_url: str, token: str):
        self.base_url = base_url
        self.token = token
        self.websocket = None
        self.message_handlers: Dict[str, Callable] = {}
        self.client_id = "client_python"  # filled in

    async def connect_to_document(self, document_id: str):
        ws_url = f"{self.base_url}/ws/document/{document_id}?token={self.token}"

        self.websocket = await websockets.connect(ws_url)

        # Start message handler
        self.handling = asyncio.create_task(self._handle_messages())  # filled in: the task is kept

        # Start heartbeat
        self.beating = asyncio.create_task(self._heartbeat())  # filled in: the task is kept

    async def _handle_messages(self):
        async for message in self.websocket:
            data = json.loads(message)
            await self._process_message(data)

    async def _process_message(self, message: Dict[str, Any]):
        msg_type = message.get('type')
        handler = self.message_handlers.get(msg_type)

        if handler:
            await handler(message['payload'], message.get('metadata', {}))

    async def send_document_change(self, operation: str, position: int, content: str):
        message = {
            'type': 'document.change',
            'payload': {
                'operation': operation,
                'position': position,
                'content': content
            },
            'metadata': {
                'timestamp': datetime.utcnow().isoformat(),
                'client_id': self.client_id
            }
        }

        await self.send(message)

    async def send(self, message: Dict[str, Any]):
        if self.websocket:
            await self.websocket.send(json.dumps(message))

    def on_message(self, message_type: str, handler: Callable):
        self.message_handlers[message_type] = handler

    async def _heartbeat(self):
        while True:
            await asyncio.sleep(30)
            await self.send({
                'type': 'system.heartbeat',
                'payload': {'client_time': time.time()}
            })


async def main(url: str, token: str, document: str):
    client = JDDBRealtimeClient(url, token)
    text = ""
    events: "asyncio.Queue[str]" = asyncio.Queue()

    def listen(kind: str):
        async def handler(payload, metadata):
            nonlocal text
            print(json.dumps([kind, payload, metadata]), flush=True)
            if kind == "document.change":
                text = text[:payload["position"]] + payload["content"] + text[payload["position"]:]
            await events.put(payload.get("status", kind) if kind == "user.presence" else kind)

        client.on_message(kind, handler)

    async def happened(event: str):
        while await asyncio.wait_for(events.get(), 30) != event:
            pass

    for kind in ["document.state", "document.change", "user.presence", "system.heartbeat", "system.error"]:
        listen(kind)
    await client.connect_to_document(document)
    await happened("document.state")
    await happened("joined")
    await client.send_document_change("insert", 0, "Hello ")
    text = "Hello " + text
    await happened("document.change")
    await client.send({'type': 'system.heartbeat', 'payload': {'client_time': time.time()}})
    await happened("system.heartbeat")
    await client.websocket.close()
    print(json.dumps(["text", text]), flush=True)


asyncio.run(main(*sys.argv[1:]))
