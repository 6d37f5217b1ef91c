// The pages in a real browser: `main.mjs BINARY PYTHON CERTIFICATES [FOLDER FOR PICTURES]`.

import { resolve } from "node:path";

import * as admins from "./admins.mjs";
import * as attacks from "./attacks.mjs";
import * as flows from "./flows.mjs";
import * as keyboard from "./keyboard.mjs";
import { everyPageOverTls, overTls } from "./over_tls.mjs";
import { everyPage } from "./pages.mjs";
import { passkey } from "./passkeys.mjs";
import * as scriptless from "./scriptless.mjs";
import { noEnglishIsLeft, nothingIsMissed } from "./seen.mjs";
import * as stored from "./stored.mjs";
import { World } from "./world.mjs";

const [binary, python, certificates, pictures] = process.argv.slice(2);
/** So many at once: each waits for its browser most of the time. */
const LANES = 3;
/** Every page is looked at in each of them. */
const LOCALES = ["en-GB", "de-AT", "fr-CH"];

async function run(world, gateway, part, locale = "") {
  const what = `${part.name} ${locale}`.trim();
  console.log(`-- ${what}`);
  try {
    await part(world, gateway, pictures, locale);
  } catch (error) {
    console.error(`${what} failed; the gateway said:\n${gateway.log().slice(-2000)}`);
    throw error;
  }
}

const world = await World.start(binary, python);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => world.stop().finally(() => process.exit(1)));
}
try {
  const clear = { origin: "http://localhost", policy: world.letters() };
  const gateway = await world.gateway("clear", clear);
  gateway.user("alice", "--role", "editor");
  // What people do, each with accounts or browsers of their own.
  const { shutsOut, gives, explains } = admins;
  const people = [flows, keyboard, scriptless, stored].flatMap((parts) => Object.values(parts));
  const waiting = [...people, passkey, shutsOut, gives, explains];
  const lane = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) await run(world, gateway, part);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await world.leave();
  // What is counted at the upstream takes turns.
  for (const part of Object.values(attacks)) {
    await run(world, gateway, part);
    await world.leave();
  }
  const pages = `templates = "${world.folder}/templates"`;
  const looked = await world.gateway("looked", { ...clear, pages });
  admins.furnished(looked);
  await Promise.all(LOCALES.map(async (locale) => {
    await run(world, looked, everyPage, locale);
    await run(world, looked, admins.everyPageOfSite, locale);
  }));
  await world.leave();
  const secure = await world.gateway("tls", {
    origin: "https://gate.test",
    listen: ", tls = true",
    pages: `accent = "#ffd400"\nlogo = "${resolve("tests/browser/logo.svg")}"`,
    policy: `[auth]\nregister = "invite"
      [tls]\ncert = "${certificates}/gate.pem"\nkey = "${certificates}/gate.key"`,
  });
  secure.user("alice");
  await run(world, secure, overTls);
  await Promise.all(LOCALES.map((locale) => run(world, secure, everyPageOverTls, locale)));
  nothingIsMissed();
  noEnglishIsLeft();
} finally {
  await world.stop();
}
console.log("browser: all is well");
