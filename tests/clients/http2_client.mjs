// Reads a document fifty times at once over one connection of HTTP/2, and follows its events beside that:
//     node http2_client.mjs URL TOKEN DOCUMENT
import { connect } from "node:http2";

const [url, token, document] = process.argv.slice(2);
const session = connect(url);
session.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

function open(method, path, body) {
  const stream = session.request({
    ":method": method,
    ":path": path,
    authorization: `Bearer ${token}`,
    ...(body ? { "content-type": "application/json" } : {}),
  });
  stream.setEncoding("utf8");
  stream.end(body);
  return stream;
}

async function ask(method, path, body) {
  const stream = open(method, path, body);
  let text = "";
  for await (const part of stream) text += part;
  return JSON.parse(text);
}

const insert = (content) => JSON.stringify({ changes: [{ operation: "insert", position: 0, content }] });

await ask("POST", `/api/documents/${document}/changes`, insert("Hello"));
const events = open("GET", `/api/documents/${document}/events`);
const parts = events[Symbol.asyncIterator]();
let text = "";
async function told(type) {
  while (!text.includes(`"type":"${type}"`)) text += (await parts.next()).value;
  return 1;
}
await told("document.state");
const states = await Promise.all(Array.from({ length: 50 }, () => ask("GET", `/api/documents/${document}/state`)));
const read = states.filter((state) => state.content.sections.body === "Hello").length;
await ask("POST", `/api/documents/${document}/changes`, insert("x"));
console.log(`${read} states, ${await told("document.change")} change`);
events.close();
session.close();
