"""Reads a document fifty times at once over one connection of HTTP/2, and follows its events beside that:

python http2_client.py URL TOKEN DOCUMENT
"""

import asyncio
import json
import sys

import httpx


def insert(content):
    return {"changes": [{"operation": "insert", "position": 0, "content": content}]}


async def main(url, token, document):
    base = f"{url}/api/documents/{document}"
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(http1=False, http2=True, headers=headers, timeout=60) as client:
        changed = await client.post(f"{base}/changes", json=insert("Hello"))
        assert changed.status_code == 200 and changed.http_version == "HTTP/2", changed.text
        async with client.stream("GET", f"{base}/events") as events:
            lines = events.aiter_lines()

            async def next_of(kind):
                async for line in lines:
                    if line.startswith("data: ") and json.loads(line[6:])["type"] == kind:
                        return 1

            await next_of("document.state")
            states = await asyncio.gather(*(client.get(f"{base}/state") for _ in range(50)))
            await client.post(f"{base}/changes", json=insert("x"))
            told = await next_of("document.change")
    read = [state for state in states if state.json()["content"]["sections"]["body"] == "Hello"]
    print(f"{len(read)} states, {told} change")


asyncio.run(main(*sys.argv[1:]))
