// The gateway under test.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";

import { freePort } from "./servers.mjs";
import { until } from "./patience.mjs";

export const PASSWORD = "Tr1cky-phrase-77";

/** The binary, with a policy of its own in a folder of its own. */
export class Gateway {
  /** `origin` is what people type, without its port; `listen` adds to the listener's table. */
  static async start(binary, folder, { origin, listen = "", policy }) {
    const gateway = new Gateway();
    mkdirSync(folder);
    const port = await freePort();
    Object.assign(gateway, { binary, folder, port, origin: `${origin}:${port}` });
    writeFileSync(`${folder}/portcullis.toml`, `
listen = [{ addr = "127.0.0.1:${port}"${listen} }]
public = "${gateway.origin}"
[auth.password]
memory = "64KiB"
${policy}`);
    const log = openSync(`${folder}/log`, "a");
    gateway.process = spawn(binary, ["serve"], { cwd: folder, stdio: ["ignore", log, log] });
    await until("the gateway listens", () => {
      if (gateway.process.exitCode !== null) throw new Error(gateway.log());
      return gateway.log().includes("listening on");
    });
    return gateway;
  }

  log() {
    return readFileSync(`${this.folder}/log`, "utf8");
  }

  /** Has its policy file be another, which it is told of. */
  rewrite(change) {
    const file = `${this.folder}/portcullis.toml`;
    writeFileSync(file, change(readFileSync(file, "utf8")));
    this.process.kill("SIGHUP");
  }

  /** Has an operator do something: the arguments of a subcommand. */
  operate(...words) {
    const options = { cwd: this.folder, input: PASSWORD, encoding: "utf8" };
    const { status, stderr } = spawnSync(this.binary, words, options);
    if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  }

  user(name, ...more) {
    this.operate("user", "add", name, "--email", `${name}@example.com`, "--stdin", ...more);
  }

  /** Ends it, which it must do well. */
  async stop() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const [code] = await ended;
    if (code !== 0) throw new Error(`it ended with ${code}: ${this.log()}`);
  }
}
