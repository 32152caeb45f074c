// Node's http with an EventEmitter: GET is a stream, POST writes one event to every stream.

import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const frame = readFileSync(process.env.FRAME);
const board = new EventEmitter().setMaxListeners(0);

createServer((request, response) => {
  if (request.method === "POST") board.emit("event");
  if (request.method === "POST" || request.url === "/readyz") {
    response.writeHead(200, { "content-length": 0 }).end();
    return;
  }
  const write = () => response.write(frame);
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  board.on("event", write);
  request.on("close", () => board.off("event", write));
}).listen(Number(process.env.PORT), "127.0.0.1", 4096);
