// How the pages look, and whether everybody can use them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { axe } from "./modules.mjs";
import { PASSWORD } from "./gateway.mjs";
import { code, offered, signIn, submit } from "./people.mjs";

const AXE = readFileSync(axe, "utf8");
/** Most bytes of a page with all that it loads. */
const LARGEST = 60 * 1024;

const LOOKS = {
  light: { scheme: "light", width: 1000, height: 760 },
  dark: { scheme: "dark", width: 1000, height: 760 },
  phone: { scheme: "light", width: 360, height: 740 },
  "phone-dark": { scheme: "dark", width: 360, height: 740 },
};

const OLD_PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
  + "Chrome/156.0.0.0 Mobile Safari/537.36";

/** Each page as somebody may meet it. */
const PAGES = {
  "sign-in": (page) => page.goto("/auth/sign-in/?next=/app/"),
  "sign-in-wrong": (page) => signIn(page, "alice", { password: "wrong" }),
  "sign-in-out": (page) => page.goto("/auth/sign-in/?done=out"),
  register: (page) => page.goto("/auth/register/"),
  "register-wrong": async (page) => {
    await page.goto("/auth/register/");
    await submit(page, { Username: "alice", Password: "123" }, "Create account");
  },
  forgot: (page) => page.goto("/auth/forgot/"),
  "forgot-sent": async (page) => {
    await page.goto("/auth/forgot/");
    await submit(page, { "E-mail address": "nobody@example.com" }, "Send the e-mail");
  },
  reset: (page) => page.goto("/auth/reset/?uid=1&token=x"),
  "reset-bad": async (page) => {
    await page.goto("/auth/reset/?uid=1&token=x");
    await submit(page, { "New password": "correct horse battery" }, "Change the password");
  },
  verify: (page) => page.goto("/auth/verify/?uid=1&token=x"),
  404: (page) => page.goto("/nowhere"),
  502: (page) => page.goto("/gone/"),
};

/** That of the authenticator app that alice sets up. */
let key;

/** The same of somebody who is signed in. */
const ACCOUNT = {
  account: (page) => page.goto("/auth/"),
  "account-done": (page) => page.goto("/auth/?done=password"),
  anew: (page) => page.goto("/auth/sign-in/?next=/app/danger/&anew=1"),
  email: (page) => page.goto("/auth/account/email/"),
  password: (page) => page.goto("/auth/account/password/"),
  "password-wrong": async (page) => {
    await page.goto("/auth/account/password/");
    await submit(page, { "Current password": "wrong", "New password": "1" }, "Change the password");
  },
  sessions: (page) => page.goto("/auth/account/sessions/"),
  "sessions-asked": async (page) => {
    await page.goto("/auth/account/sessions/");
    await submit(page, {}, "Sign out everywhere");
  },
  "keys-none": (page) => page.goto("/auth/account/keys/"),
  "keys-made": async (page) => {
    await page.goto("/auth/account/keys/");
    await submit(page, { "Name of a new key": "nightly backup" }, "Create key");
  },
  keys: (page) => page.goto("/auth/account/keys/"),
  "keys-asked": async (page) => {
    await page.goto("/auth/account/keys/");
    await submit(page, {}, "Revoke: nightly backup");
  },
  factor: (page) => page.goto("/auth/account/factors/"),
  "factor-wrong": async (page) => {
    await page.goto("/auth/account/factors/");
    await offered(page, "wrong");
  },
  "factor-offered": async (page) => {
    await page.goto("/auth/account/factors/");
    key = await offered(page);
  },
  "factor-codes": (page) => submit(page, { Code: code(key) }, "Confirm"),
  "factor-there": (page) => page.goto("/auth/account/factors/"),
  "second-step": async (page) => {
    await page.goto("/auth/sign-in/?anew=1");
    await submit(page, { Username: "alice", Password: PASSWORD }, "Continue");
  },
  "sign-out": (page) => page.goto("/auth/sign-out/"),
  403: (page) => page.goto("/app/admin/"),
};

export async function looks(world, gateway, pictures) {
  const nobody = await world.browser(gateway);
  const alice = await world.browser(gateway);
  const phone = await world.browser(gateway, { userAgent: OLD_PHONE });
  for (const page of [alice, phone]) await signIn(page, "alice");
  for (const [page, pages] of [[nobody, PAGES], [alice, ACCOUNT]]) {
    for (const [name, visit] of Object.entries(pages)) await look(page, name, visit, pictures);
  }
}

export async function look(page, name, visit, pictures) {
  await visit(page);
  const bytes = await page.evaluate(() => performance.getEntries()
    .reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0));
  assert.ok(bytes > 0 && bytes < LARGEST, `${name}: ${bytes} bytes`);
  await page.evaluate(AXE);
  for (const [look, { scheme, width, height }] of Object.entries(LOOKS)) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
    assert.ok(found.passes.length > 10, `${name}, ${look}: only ${found.passes.length} rules looked`);
    const bad = found.violations.filter((it) => ["serious", "critical"].includes(it.impact));
    const told = bad.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.html} ${node.failureSummary}`));
    assert.deepEqual(told, [], `${name}, ${look}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name}, ${look}: ${wide} pixels wide`);
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${look}.png`, fullPage: true });
  }
}
