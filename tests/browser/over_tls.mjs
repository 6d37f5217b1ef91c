// The same over TLS, as it is in production: under a name that a sibling shares a domain with.

import assert from "node:assert/strict";

import { admin } from "./admins.mjs";
import { look, lookAt } from "./looks.mjs";
import { says, signIn } from "./people.mjs";

/** What is only there: accounts for the invited alone, and no letters. */
const PAGES = {
  "register-invited": "/auth/register/?invite=x",
  "sign-in-invited": "/auth/sign-in/",
  501: "/auth/forgot/",
};

/** The same in a language; and the certificates, on the admin site. */
export async function everyPageOverTls(world, gateway, pictures, locale) {
  const options = { locale, ignoreHTTPSErrors: true };
  await lookAt(await world.browser(gateway, options), PAGES, pictures);
  const page = await admin(world, gateway, `wanda-${locale.slice(0, 2)}`, options);
  await lookAt(page, { "manage-state-certificates": "/manage/state/" }, pictures);
  await says(page, "gate.pem");
}

export async function overTls(world, gateway, pictures) {
  const page = await world.browser(gateway, { ignoreHTTPSErrors: true });
  await page.goto("/app/live");
  await look(page, "sign-in-in-yellow", () => page.reload(), pictures);
  await signIn(page, "alice", { to: null });
  await page.waitForFunction(() => document.title === "open for alice");
  const cookies = await page.context().cookies();
  const { name, domain, path, secure, httpOnly } = cookies.find((it) => it.name.endsWith("portcullis"));
  const ours = { name: "__Host-portcullis", domain: "gate.test", path: "/", secure: true, httpOnly: true };
  assert.deepEqual({ name, domain, path, secure, httpOnly }, ours);
  // A sibling, and whoever answers in clear under the same name, may set cookies; but not this one.
  const attributes = ["Path=/", "Path=/app/", "Path=/; Domain=gate.test", "Path=/; Domain=gate.test; Secure"];
  world.stranger.pages["/toss"] = (_, response) => {
    // One without a name would be sent as if it had ours.
    const tossed = ["", "="].flatMap((start) => attributes.map((it) => `${start}__Host-portcullis=theirs; ${it}`));
    response.writeHead(200, { "Set-Cookie": [...tossed, "theirs=1; Domain=gate.test"], "Content-Type": "text/html" });
    response.end("<!doctype html>");
  };
  for (const host of ["evil.gate.test", "gate.test"]) {
    await page.goto(`http://${host}:${world.stranger.port}/toss`);
  }
  const response = await page.goto("/app/");
  assert.equal(response.status(), 200);
  assert.equal(await page.evaluate(() => document.cookie), "theirs=1");
  assert.equal(world.upstream.of("/app/").at(-1).headers.cookie, "theirs=1");
  await look(page, "account-in-yellow", () => page.goto("/auth/"), pictures);
}
