// The API reference's JavaScript client on a document, in company: `reference_client.mjs URL TOKEN DOCUMENT`.
//
// Says each message it gets in a line of its own, `[type, payload, metadata]`, and in the end its text. It
// is the second one there: it waits for the other's change, inserts "World" behind it, waits for an answer
// to its heartbeat and for the other to leave, and ends.

import { createRequire } from 'node:module';

const require = createRequire(process.env.JDDB_TEST_NODE_PATH + '/');
const WebSocket = require('ws');

// As in the reference, but for the lines marked with "filled in".
class JDDBRealtimeClient {
  constructor(baseUrl, token) {
    this.baseUrl = baseUrl;
    this.token = token;
    this.websocket = null;
    this.messageHandlers = new Map();
    this.clientId = 'client_node'; // filled in
  }

  async connectToDocument(documentId) {
    const wsUrl = `${this.baseUrl}/ws/document/${documentId}?token=${this.token}`;

    this.websocket = new WebSocket(wsUrl);

    this.websocket.onopen = () => {
      console.error('Connected to document:', documentId); // filled in: not where the messages go
      this.startHeartbeat();
    };

    this.websocket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      this.handleMessage(message);
    };

    this.websocket.onclose = (event) => {
      console.error('Disconnected:', event.code, event.reason); // filled in: not where the messages go
      this.handleReconnection();
    };

    this.websocket.onerror = (error) => {
      console.error('WebSocket error:', error);
    };
  }

  sendDocumentChange(operation, position, content) {
    const message = {
      type: 'document.change',
      payload: {
        operation,
        position,
        content
      },
      metadata: {
        timestamp: new Date().toISOString(),
        client_id: this.clientId
      }
    };

    this.send(message);
  }

  updateCursorPosition(position, section) {
    const message = {
      type: 'cursor.position',
      payload: { position, section }
    };

    this.send(message);
  }

  send(message) {
    if (this.websocket?.readyState === WebSocket.OPEN) {
      this.websocket.send(JSON.stringify(message));
      return true;
    }
    return false;
  }

  onMessage(type, handler) {
    this.messageHandlers.set(type, handler);
  }

  handleMessage(message) {
    const handler = this.messageHandlers.get(message.type);
    if (handler) {
      handler(message.payload, message.metadata);
    }
  }

  startHeartbeat() {
    setInterval(() => {
      this.send({
        type: 'system.heartbeat',
        payload: { client_time: Date.now() }
      });
    }, 30000);
  }

  // Filled in: this test's connection is to end only when it says so.
  handleReconnection() {
    process.exit(1);
  }
}

const [url, token, documentId] = process.argv.slice(2);
const client = new JDDBRealtimeClient(url, token);
let text = '';
const happened = new Set();

function listen(type, then = () => {}) {
  client.onMessage(type, (payload, metadata) => {
    console.log(JSON.stringify([type, payload, metadata]));
    then(payload);
    happened.add(type === 'user.presence' ? payload.status : type);
    if (happened.has('system.heartbeat') && happened.has('left')) {
      console.log(JSON.stringify(['text', text]));
      process.exit(0);
    }
  });
}

listen('document.state', (payload) => {
  text = Object.values(payload.content.sections).join('');
});
listen('document.change', (payload) => {
  text = text.slice(0, payload.position) + payload.content + text.slice(payload.position);
  client.sendDocumentChange('insert', text.length, 'World');
  text += 'World';
  client.send({ type: 'system.heartbeat', payload: { client_time: Date.now() } });
});
listen('user.presence');
listen('system.heartbeat');
listen('system.error');
setTimeout(() => process.exit(1), 30000).unref();
await client.connectToDocument(documentId);
