// What people do on the pages, from one end to the other.

import assert from "node:assert/strict";

import { PASSWORD } from "./gateway.mjs";
import { until } from "./patience.mjs";
import { at, code, comes, offered, says, signIn, signOut, submit, sure } from "./people.mjs";

const ANOTHER = "another horse battery";

/** Has a page behind the gateway ask for a sign-in, with the way back. */
async function isOut(page) {
  await page.goto("/app/");
  await at(page, "/auth/sign-in/?next=%2Fapp%2F");
}

export async function newcomer(world, gateway) {
  const page = await world.browser(gateway);
  await isOut(page);
  await page.getByRole("link", { name: "Create an account" }).click();
  const form = { Username: "bob", "E-mail address (optional)": "bob@example.com", Password: "12345678" };
  await submit(page, form, "Create account");
  await says(page, "This password is entirely numeric.");
  await submit(page, { Password: PASSWORD }, "Create account");
  await at(page, "/app/");
  await says(page, "Hello bob");
  await page.goto("/auth/");
  await says(page, "not confirmed");
  await page.getByRole("button", { name: "Send an e-mail to confirm the address" }).click();
  await says(page, "We have sent you an e-mail. Follow the link in it.");
  const link = await world.mail.link("bob@example.com");
  await page.goto(link);
  await page.getByRole("button", { name: "Confirm" }).click();
  await says(page, "Your e-mail address is confirmed.");
  assert.equal(await page.getByText("not confirmed").count(), 0);
}

export async function thereAndBack(world, gateway) {
  const page = await world.browser(gateway);
  await page.goto("/app/?of=the+day");
  await signIn(page, "alice", { to: null, password: "wrong" });
  await says(page, "Invalid credentials");
  await submit(page, { Password: PASSWORD }, "Sign in");
  await at(page, "/app/?of=the+day");
  await says(page, "Hello alice");
  const seen = world.upstream.of("/app/").find((it) => it.url === "/app/?of=the+day");
  assert.equal(seen.headers["x-user-name"], "alice");
  assert.equal(seen.headers.cookie, undefined, "the upstream sees no cookie of ours");
  await signOut(page);
  await isOut(page);
}

/** Behind the gateway may be what sends a browser on to another origin, straight after a form. */
export async function farther(world, gateway) {
  const page = await world.browser(gateway);
  const there = `http://evil.test:${world.stranger.port}/there`;
  world.stranger.pages["/there"] = "<!doctype html><title>There</title>";
  world.upstream.pages["/app/leave"] = (_, response) => response.writeHead(302, { Location: there }).end();
  await page.goto("/app/leave?to=there");
  await signIn(page, "alice", { to: null });
  await page.waitForURL(there);
  assert.equal(await page.title(), "There");
  await page.goBack();
  assert.ok(!page.url().includes("done=in"), "the page between is none to go back to");
}

export async function forgotten(world, gateway) {
  gateway.user("carol");
  const page = await world.browser(gateway);
  await page.goto("/auth/sign-in/");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await submit(page, { "E-mail address": "carol@example.com" }, "Send the e-mail");
  await says(page, "Check your e-mail");
  const link = await world.mail.link("carol@example.com");
  assert.ok(link.startsWith(`${gateway.origin}/auth/reset/?uid=`), link);
  await page.goto(link);
  await submit(page, { "New password": ANOTHER }, "Change the password");
  await says(page, "Sign in with the new one.");
  await signIn(page, "carol", { to: null, password: ANOTHER });
  await at(page, "/auth/");
  await page.goto(link);
  await submit(page, { "New password": PASSWORD }, "Change the password");
  await says(page, "This link is not valid, or not any more.");
}

export async function anotherPassword(world, gateway) {
  gateway.user("dave");
  const [here, there] = [await world.browser(gateway), await world.browser(gateway)];
  for (const page of [here, there]) await signIn(page, "dave");
  await there.goto("/app/live");
  await there.waitForFunction(() => document.title === "open for dave");
  await here.goto("/auth/account/password/");
  await submit(here, { "Current password": PASSWORD, "New password": ANOTHER }, "Change the password");
  await says(here, "Your password was changed. Your other sessions have ended.");
  await there.waitForFunction(() => document.title === "closed 1008");
  await isOut(there);
  await here.goto("/app/");
  await says(here, "Hello dave");
}

export async function sessions(world, gateway) {
  gateway.user("erin");
  const here = await world.browser(gateway);
  const pages = [];
  for (const userAgent of ["One/1", "Two/2"]) pages.push(await world.browser(gateway, { userAgent }));
  for (const page of [here, ...pages]) await signIn(page, "erin");
  const [one, two] = pages;
  await here.goto("/auth/account/sessions/");
  const card = here.getByRole("listitem").filter({ hasText: "One/1" });
  await card.getByRole("button", { name: /^End this session One\/1/ }).click();
  await says(here, "The session has ended.");
  assert.equal(await card.count(), 0);
  await isOut(one);
  await two.goto("/app/live");
  await two.waitForFunction(() => document.title === "open for erin");
  await sure(here, "Sign out everywhere", "Sign out everywhere?", "Sign out everywhere");
  await says(here, "You are signed out.");
  await two.waitForFunction(() => document.title === "closed 1008");
  for (const page of [here, two]) await isOut(page);
}

export async function apiKey(world, gateway) {
  gateway.user("frank");
  const page = await world.browser(gateway);
  await signIn(page, "frank");
  await page.getByRole("link", { name: "API keys" }).click();
  await submit(page, { "Name of a new key": "nightly" }, "Create key");
  const key = await page.locator(".secret").innerText();
  const ask = () => fetch(`${gateway.origin}/app/`, { headers: { Authorization: `Bearer ${key}` } });
  const answer = await ask();
  assert.deepEqual([answer.status, (await answer.text()).includes("Hello frank")], [200, true]);
  await page.goto("/auth/account/keys/");
  assert.ok(!(await page.content()).includes(key), "it is shown once");
  await sure(page, "Revoke: nightly", "Revoke an API key?", "Revoke the key");
  await says(page, "The key is revoked.");
  assert.equal((await ask()).status, 401);
}

export async function stepUp(world, gateway) {
  const page = await world.browser(gateway);
  world.upstream.pages["/app/danger/"] = "<!doctype html><title>Danger</title>";
  await signIn(page, "alice");
  const anew = "/auth/sign-in/?next=%2Fapp%2Fdanger%2F&anew=1";
  // For two seconds the login is recent.
  await until("the login is an old one", async () => {
    await page.goto("/app/danger/");
    return new URL(page.url()).pathname === "/auth/sign-in/";
  });
  await at(page, anew);
  assert.equal(await page.getByLabel("Username").inputValue(), "alice");
  await submit(page, { Password: PASSWORD }, "Continue");
  await at(page, "/app/danger/");
}

/** A route that asks for a second factor leads to one, and a login has a second step from then on. */
export async function secondFactor(world, gateway) {
  gateway.user("judy");
  world.upstream.pages["/app/vault/"] = "<!doctype html><title>Vault</title>";
  // Without a script, as everything on the pages.
  const page = await world.browser(gateway, { javaScriptEnabled: false });
  await page.goto("/app/vault/");
  await at(page, "/auth/sign-in/?next=%2Fapp%2Fvault%2F");
  await signIn(page, "judy", { to: null });
  await at(page, "/auth/account/factors/?next=%2Fapp%2Fvault%2F");
  const key = await offered(page);
  const picture = page.getByRole("img", { name: "The key, as a QR code" });
  const { width, height } = await picture.boundingBox();
  assert.ok(width > 150 && Math.abs(width - height) < 1, `${width} by ${height}`);
  await submit(page, { Code: "000000" }, "Confirm");
  await says(page, "This code is wrong, or was used before.");
  await submit(page, { Code: code(key) }, "Confirm");
  const codes = await page.locator(".codes code").allInnerTexts();
  assert.equal(new Set(codes).size, 10);
  await page.getByRole("link", { name: "Continue" }).click();
  // The session from before is no more than it was.
  await submit(page, { Password: PASSWORD }, "Continue");
  await submit(page, { Code: code(key, 1) }, "Continue");
  await at(page, "/app/vault/");
  // Elsewhere the password is half of it.
  const there = await world.browser(gateway);
  await there.goto("/app/vault/");
  await signIn(there, "judy", { to: null });
  await says(there, "Second step");
  await submit(there, { Code: "123456" }, "Continue");
  await says(there, "This code is wrong, or was used before.");
  await submit(there, { Code: codes[1] }, "Continue");
  await at(there, "/app/vault/");
  await signOut(there);
  await signIn(there, "judy");
  await submit(there, { Code: codes[0] }, "Continue");
  await at(there, "/auth/");
  // A lost phone: an operator takes the factor away, and with it what the sessions had by it.
  gateway.operate("user", "factors", "judy", "--reset", "--yes");
  await there.goto("/app/vault/");
  await at(there, "/auth/account/factors/?next=%2Fapp%2Fvault%2F");
  await page.goto("/app/");
  await says(page, "Hello judy");
}

export async function factorRemoved(world, gateway) {
  gateway.user("kim");
  const page = await world.browser(gateway);
  await signIn(page, "kim");
  await page.getByRole("link", { name: "Second factor" }).click();
  const key = await offered(page);
  await submit(page, { Code: code(key) }, "Confirm");
  const [first] = await page.locator(".codes code").allInnerTexts();
  await page.getByRole("link", { name: "Continue" }).click();
  await at(page, "/auth/");
  await page.goto("/auth/account/factors/");
  const remove = page.locator("form").filter({ has: page.getByRole("button", { name: "Remove" }) });
  await remove.getByLabel("Current password").fill(PASSWORD);
  await remove.getByLabel("Code, or a recovery code").fill(first);
  await remove.getByRole("button", { name: "Remove" }).click();
  await says(page, "The second factor is removed.");
  const there = await world.browser(gateway);
  await signIn(there, "kim");
  await at(there, "/auth/");
}

export async function shutOut(world, gateway) {
  gateway.user("grace");
  const page = await world.browser(gateway);
  await signIn(page, "grace");
  await page.goto("/app/live");
  await page.waitForFunction(() => document.title === "open for grace");
  gateway.operate("user", "deactivate", "grace");
  await page.waitForFunction(() => document.title === "closed 1008");
  await isOut(page);
}

export async function readersTime(world, gateway) {
  const zone = { locale: "de-AT", timezoneId: "America/New_York" };
  const page = await world.browser(gateway, zone);
  await signInInGerman(page);
  await page.goto("/auth/account/sessions/");
  const time = page.locator("time").first();
  const moment = new Date(await time.getAttribute("datetime"));
  const form = { dateStyle: "medium", timeStyle: "short", timeZone: zone.timezoneId };
  assert.equal(await time.innerText(), new Intl.DateTimeFormat(zone.locale, form).format(moment));
  // Without the script it is in UTC.
  const state = await page.context().storageState();
  const bare = await world.browser(gateway, { ...zone, javaScriptEnabled: false, storageState: state });
  await bare.goto("/auth/account/sessions/");
  const utc = `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  assert.equal(await bare.locator("time").first().innerText(), utc);
}

async function signInInGerman(page) {
  await page.goto("/auth/sign-in/");
  await submit(page, { Benutzername: "alice", Passwort: PASSWORD }, "Anmelden");
  await at(page, "/auth/");
}

export async function seesWhatWasDone(world, gateway) {
  gateway.user("nadia");
  const [page, other] = [await world.browser(gateway), await world.browser(gateway)];
  await signIn(page, "nadia");
  await comes(page, "/auth/", "Signed in: Chrome · Linux");
  await signIn(other, "nadia", { password: "wrong" });
  gateway.operate("user", "role", "add", "nadia", "viewer");
  await page.goto("/auth/");
  const lines = await page.locator(".trail li").allTextContents();
  const said = lines.map((line) => line.replace(/^.*?\d{2}:\d{2}(:\d{2})?( UTC)?/, "").replace(/\s+/g, " ").trim());
  assert.deepEqual(said.slice(0, 3), [
    "A role was given: viewer by an administrator",
    "A sign-in failed 127.0.0.1",
    "Signed in: Chrome · Linux 127.0.0.1",
  ]);
}
