// The pages in a real browser: `main.mjs BINARY PYTHON CERTIFICATES [FOLDER FOR PICTURES]`.

import { resolve } from "node:path";

import * as admins from "./admins.mjs";
import * as attacks from "./attacks.mjs";
import * as flows from "./flows.mjs";
import { looks } from "./looks.mjs";
import * as passkeys from "./passkeys.mjs";
import { overTls } from "./over_tls.mjs";
import { World } from "./world.mjs";

const [binary, python, certificates, pictures] = process.argv.slice(2);
/** So many at once: each waits for its browser most of the time. */
const LANES = 3;

async function run(world, gateway, part) {
  console.log(`-- ${part.name}`);
  try {
    await part(world, gateway, pictures);
  } catch (error) {
    console.error(`${part.name} failed; the gateway said:\n${gateway.log().slice(-2000)}`);
    throw error;
  }
}

const world = await World.start(binary, python);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => world.stop().finally(() => process.exit(1)));
}
try {
  const gateway = await world.gateway("clear", { origin: "http://localhost" });
  gateway.user("alice", "--role", "editor");
  // What people do, each with accounts or browsers of their own.
  const { shutsOut, gives, explains } = admins;
  const waiting = [...Object.values(flows), ...Object.values(passkeys), shutsOut, gives, explains];
  const lane = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) await run(world, gateway, part);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await world.leave();
  // What is counted at the upstream takes turns.
  for (const part of [...Object.values(attacks), looks, admins.site]) {
    await run(world, gateway, part);
    await world.leave();
  }
  const secure = await world.gateway("tls", {
    origin: "https://gate.test",
    listen: ", tls = true",
    pages: `accent = "#ffd400"\nlogo = "${resolve("tests/browser/logo.svg")}"`,
    policy: `[tls]\ncert = "${certificates}/gate.pem"\nkey = "${certificates}/gate.key"`,
  });
  secure.user("alice");
  await run(world, secure, overTls);
} finally {
  await world.stop();
}
console.log("browser: all is well");
