# The integration test of the API reference. Only the port and the tokens are filled in.
import os
import pytest
import asyncio
import websockets
import json

port = os.environ["JDDB_PORT"]
user1_token = os.environ["JDDB_USER1_TOKEN"]
user2_token = os.environ["JDDB_USER2_TOKEN"]
user3_token = os.environ["JDDB_USER3_TOKEN"]

@pytest.mark.asyncio
async def test_multiple_users_collaboration():
    """Test multiple users editing the same document"""

    # Connect three users to the same document
    user1_ws = await websockets.connect(
        f"ws://localhost:{port}/ws/document/test_doc?token={user1_token}"
    )
    user2_ws = await websockets.connect(
        f"ws://localhost:{port}/ws/document/test_doc?token={user2_token}"
    )
    user3_ws = await websockets.connect(
        f"ws://localhost:{port}/ws/document/test_doc?token={user3_token}"
    )

    # User 1 makes a change
    change_message = {
        "type": "document.change",
        "payload": {
            "operation": "insert",
            "position": 0,
            "content": "Hello "
        }
    }
    await user1_ws.send(json.dumps(change_message))

    # User 2 and 3 should receive the change
    user2_response = await user2_ws.recv()
    user3_response = await user3_ws.recv()

    user2_data = json.loads(user2_response)
    user3_data = json.loads(user3_response)

    assert user2_data["type"] == "document.change"
    assert user2_data["payload"]["content"] == "Hello "
    assert user3_data["type"] == "document.change"
    assert user3_data["payload"]["content"] == "Hello "

    # Test concurrent changes
    await asyncio.gather(
        user2_ws.send(json.dumps({
            "type": "document.change",
            "payload": {
                "operation": "insert",
                "position": 6,
                "content": "World"
            }
        })),
        user3_ws.send(json.dumps({
            "type": "document.change",
            "payload": {
                "operation": "insert",
                "position": 6,
                "content": "Everyone"
            }
        }))
    )

    # Verify operational transformation handled conflicts
    # Both users should receive both changes with adjusted positions
    user1_msg1 = json.loads(await user1_ws.recv())
    user1_msg2 = json.loads(await user1_ws.recv())

    # Final document should contain both changes
    # Exact order depends on timestamp or user priority
    assert "World" in [user1_msg1["payload"]["content"], user1_msg2["payload"]["content"]]
    assert "Everyone" in [user1_msg1["payload"]["content"], user1_msg2["payload"]["content"]]
