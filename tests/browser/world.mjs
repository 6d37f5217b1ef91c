// All that a part needs: the gateway between its servers, and browsers of people.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

import { Gateway } from "./gateway.mjs";
import { chromium } from "./modules.mjs";
import { marked } from "./seen.mjs";
import { MailServer, Site, Upstream } from "./servers.mjs";
import { speaks } from "./words.mjs";

/** What Chromium is started with: nothing of its own goes anywhere, and names end here. */
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
  "--host-resolver-rules=MAP *.test 127.0.0.1",
];

export class World {
  #contexts = [];
  #gateways = [];

  static async start(binary, python) {
    const world = new World();
    world.binary = binary;
    world.folder = mkdtempSync(`${tmpdir()}/browser-`);
    marked(`${world.folder}/templates`);
    try {
      world.upstream = await Upstream.start();
      world.stranger = await Site.start();
      world.mail = await MailServer.start(python, `${world.folder}/mail`);
      world.chromium = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** Where letters are handed over. */
  letters() {
    return `
[mail]
smtp = "smtp+clear://127.0.0.1:${this.mail.port}"
from = "Harbour <no-reply@harbour.test>"
retry = "100ms"`;
  }

  /** Another gateway before the same upstream. */
  async gateway(name, { origin, listen, pages = "", policy = "" }) {
    const folder = `${this.folder}/${name}`;
    const gateway = await Gateway.start(this.binary, folder, { origin, listen, policy: `
[auth.keys]
prefix = "shop"
[auth.throttle]
address = "1000/15m"
register = "100/h"
mail = "100/h"
recipient = "100/h"
[pages]
name = "Harbour"
${pages}
[pages.admin]
[upstreams]
app = { to = "http://127.0.0.1:${this.upstream.port}" }
gone = { to = "http://127.0.0.1:1" }
shut = { to = "http://127.0.0.1:1", health = "/" }
[routes]
"/app/*" = { to = "app", browser = true }
"/app/admin/*" = { to = "app", browser = true, allow = "role:admin" }
"/app/danger/*" = { to = "app", browser = true, fresh = "2s" }
"/app/vault/*" = { to = "app", browser = true, allow = "mfa" }
"/app/socket" = { to = "app", browser = true, websocket = true }
"/gone/*" = { to = "gone", allow = "anyone" }
"/shut/*" = { to = "shut", allow = "anyone" }
"/late/*" = { to = "app", allow = "anyone", timeout = "50ms" }
"/often/*" = { to = "app", allow = "anyone", rate = "1/d per route" }
${policy}` });
    this.#gateways.push(gateway);
    return gateway;
  }

  /** A browser of somebody, which knows nothing of others: a page of it. */
  async browser(gateway, options = {}) {
    const defaults = { baseURL: gateway.origin, locale: "en-GB", timezoneId: "UTC" };
    const context = await this.chromium.newContext({ ...defaults, ...options });
    context.setDefaultTimeout(10_000);
    speaks(context, options.locale ?? defaults.locale);
    this.#contexts.push(context);
    return context.newPage();
  }

  /** Closes all browsers. */
  async leave() {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
  }

  async stop() {
    await this.chromium?.close();
    this.mail?.stop();
    for (const site of [this.upstream, this.stranger]) site?.stop();
    try {
      await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    } finally {
      rmSync(this.folder, { recursive: true });
    }
  }
}
