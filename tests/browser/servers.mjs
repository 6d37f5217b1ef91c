// Real servers around the gateway: the upstream behind it, a site of a stranger, and a mail server.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import { createInterface } from "node:readline";

import { WebSocketServer } from "./modules.mjs";
import { until } from "./patience.mjs";

/** A port of this machine that is free. */
export async function freePort() {
  const server = http.createServer();
  await listening(server);
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** Serves pages that the tests put there: `pages[path]` is HTML, or answers a request. */
export class Site {
  pages = {};
  /** Each request that came, as it came. */
  seen = [];

  static async start() {
    const site = new this();
    site.server = http.createServer((request, response) => site.answer(request, response));
    await listening(site.server);
    site.port = site.server.address().port;
    return site;
  }

  async answer(request, response) {
    const path = request.url.split("?")[0];
    let body = "";
    for await (const part of request) body += part;
    this.seen.push({ method: request.method, url: request.url, path, headers: request.headers, body });
    const page = this.pages[path];
    if (typeof page === "function") return page(request, response);
    response.writeHead(page === undefined ? 404 : 200, { "Content-Type": "text/html; charset=utf-8" });
    response.end(page ?? "nothing");
  }

  /** The requests for a path. */
  of(path) {
    return this.seen.filter((request) => request.path === path);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** The application behind the gateway. Its page of a WebSocket says in its title how that is. */
export class Upstream extends Site {
  constructor() {
    super();
    this.pages["/app/"] = (request, response) => {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
      response.end(`<!doctype html><title>App</title><h1>Hello ${request.headers["x-user-name"]}</h1>`);
    };
    this.pages["/app/live"] = `<!doctype html><title>waits</title><script>
      const socket = new WebSocket(\`\${location.origin.replace("http", "ws")}/app/socket\`);
      socket.onmessage = (event) => { document.title = event.data; };
      socket.onclose = (event) => { document.title = \`closed \${event.code}\`; };
    </script>`;
  }

  static async start() {
    const upstream = await super.start();
    const sockets = new WebSocketServer({ server: upstream.server, path: "/app/socket" });
    sockets.on("connection", (socket, request) => {
      upstream.seen.push({ path: "/app/socket", headers: request.headers });
      socket.send(`open for ${request.headers["x-user-name"]}`);
    });
    return upstream;
  }
}

/** The mail server of tests/mail. */
export class MailServer {
  #read = new Set();

  static async start(python, folder) {
    mkdirSync(folder);
    const server = new MailServer();
    server.folder = folder;
    const command = ["tests/mail/server.py", folder, "0", "clear"];
    server.process = spawn(python, command, { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(createInterface(server.process.stdout), "line");
    server.port = Number(line);
    return server;
  }

  /** The link in the next letter to an address, which has to come. */
  async link(to) {
    const letter = await until(`a letter to ${to}`, () => this.#next(to));
    const text = letter.raw.replace(/=\r?\n/g, "").replace(/=3D/g, "=");
    const [link] = text.match(/http\S+\?uid=\d+&token=[\w-]{43}(?!\S)/) ?? [];
    if (!link) throw new Error(`no link in ${text}`);
    return link;
  }

  #next(to) {
    for (const name of readdirSync(this.folder).filter((name) => name.endsWith(".json"))) {
      if (this.#read.has(name)) continue;
      const letter = JSON.parse(readFileSync(`${this.folder}/${name}`, "utf8"));
      if (!letter.to.includes(to)) continue;
      this.#read.add(name);
      return letter;
    }
    return undefined;
  }

  stop() {
    this.process.kill();
  }
}
