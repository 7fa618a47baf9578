"use strict";
// Draws openapi.json and asyncapi.json. All text is set as text, and nothing is asked of any other server.

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// What a reference stands for: in its own file, or in the other one.
function resolve(value, file, files) {
  let depth = 0;
  while (value && value.$ref && depth++ < 16) {
    const [other, path] = value.$ref.split("#/");
    file = other || file;
    value = path.split("/").reduce((at, key) => at && at[key.replaceAll("~1", "/").replaceAll("~0", "~")], files[file]);
  }
  return [value || {}, file];
}

function typeOf(schema) {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const bounds = ["minimum", "maximum", "minItems", "maxItems", "maxLength", "pattern"].filter((key) => key in schema);
  const type = [schema.type || []].flat().join(" | ");
  return [type, schema.format || "", ...bounds.map((key) => `${key} ${schema[key]}`)].filter(Boolean).join(", ");
}

function drawSchema(reference, file, files, depth) {
  const [schema, at] = resolve(reference, file, files);
  const box = element("div", {});
  if (schema.description) box.append(element("p", { class: "note" }, schema.description));
  if (depth > 6) return box;
  for (const [words, list] of [["all of", schema.allOf], ["any of", schema.anyOf], ["one of", schema.oneOf]]) {
    if (!list) continue;
    box.append(element("span", { class: "note" }, words));
    const items = list.map((one) => element("li", {}, element("code", {}, typeOf(resolve(one, at, files)[0])), drawSchema(one, at, files, depth + 1)));
    box.append(element("ul", { class: "fields" }, ...items));
  }
  if (schema.items) box.append(element("span", { class: "note" }, "each: "), element("code", {}, typeOf(resolve(schema.items, at, files)[0])), drawSchema(schema.items, at, files, depth + 1));
  const fields = Object.entries(schema.properties || {}).map(([name, field]) => {
    const needed = (schema.required || []).includes(name) ? " (required)" : "";
    return element("li", {}, element("code", {}, name), ` ${typeOf(resolve(field, at, files)[0])}${needed}`, drawSchema(field, at, files, depth + 1));
  });
  if (fields.length) box.append(element("ul", { class: "fields" }, ...fields));
  return box;
}

function folded(title, ...children) {
  return element("details", {}, element("summary", {}, title), ...children);
}

function drawContent(content, file, files) {
  return Object.entries(content || {}).map(([media, { schema }]) =>
    element("div", {}, element("code", {}, media), drawSchema(schema || {}, file, files, 0)));
}

function drawOperation(path, method, operation, files) {
  const file = "openapi.json";
  const id = `operation-${operation.operationId}`;
  const title = element("h3", { id }, element("code", { class: "method" }, method.toUpperCase()), element("code", {}, path));
  const box = element("section", {}, title, element("p", {}, operation.summary || ""), element("p", {}, operation.description || ""));
  const parameters = (operation.parameters || []).map((one) => resolve(one, file, files)[0]);
  if (parameters.length) {
    box.append(folded("Parameters", element("ul", { class: "fields" }, ...parameters.map((one) => {
      const schema = resolve(one.schema, file, files)[0];
      return element("li", {}, element("code", {}, one.name), ` ${one.in}, ${typeOf(schema)} `, one.description || "");
    }))));
  }
  if (operation.requestBody) box.append(folded("Body", ...drawContent(operation.requestBody.content, file, files)));
  for (const [status, reference] of Object.entries(operation.responses)) {
    const response = resolve(reference, file, files)[0];
    box.append(folded(`${status}: ${response.description}`, ...drawContent(response.content, file, files)));
  }
  return [id, `${method.toUpperCase()} ${path}`, box];
}

function drawChannel(name, channel, files) {
  const file = "asyncapi.json";
  const id = `channel-${name}`;
  const box = element("section", {}, element("h3", { id }, element("code", {}, channel.address)), element("p", {}, channel.description || ""));
  for (const [key, reference] of Object.entries(channel.messages)) {
    const message = resolve(reference, file, files)[0];
    const way = key.startsWith("told.") ? "server to client" : "client to server";
    box.append(folded(`${message.name}, ${way}: ${message.summary}`, drawSchema(message.payload, file, files, 0)));
  }
  return [id, channel.address, box];
}

async function draw() {
  const names = ["openapi.json", "asyncapi.json"];
  const read = await Promise.all(names.map(async (name) => {
    const answer = await fetch(name);
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer.json();
  }));
  const files = Object.fromEntries(names.map((name, index) => [name, read[index]]));
  const operations = Object.entries(read[0].paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => drawOperation(path, method, operation, files)));
  const channels = Object.entries(read[1].channels).map(([name, channel]) => drawChannel(name, channel, files));
  const main = document.getElementById("descriptions");
  main.replaceChildren(element("h2", {}, "HTTP"), element("p", {}, read[0].info.description), ...operations.map(([, , box]) => box),
    element("h2", {}, "WebSocket and event streams"), element("p", {}, read[1].info.description), ...channels.map(([, , box]) => box));
  const links = [...operations, ...channels].map(([id, title]) => element("li", {}, element("a", { href: `#${id}` }, title)));
  document.getElementById("contents").replaceChildren(element("ul", {}, ...links));
}

draw().catch((error) => {
  document.getElementById("descriptions").replaceChildren(element("p", {}, `The descriptions cannot be read: ${error.message}`));
});
