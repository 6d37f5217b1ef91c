// Scripts in whatever people can write: each is text wherever it is shown, and the policy of the page has nothing
// to hold back.

import assert from "node:assert/strict";

import { admin } from "./admins.mjs";
import { PASSWORD } from "./gateway.mjs";
import { asksForPasskey, authenticator } from "./passkeys.mjs";
import { button, comes, press, says, signIn, submit } from "./people.mjs";

/** As much as the shortest of the fields takes. */
const SCRIPT = "\"'><img src=x onerror=document.title='owned'><script src=x>";
const script = encodeURIComponent(SCRIPT);
/** An address like any other (RFC 5321 section 4.1.2). */
const EMAIL = "\"<script>document.title='owned'</script>\"@example.com";

/** What the browser says that a page's policy held back. */
function heldBack(page) {
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  return () => said.filter((text) => /Content.Security.Policy/i.test(text));
}

/** Nothing that somebody wrote has become a part of the page, and what is to be shown of it is shown as it is. */
async function isText(page, ...shown) {
  assert.equal(await page.locator("img").count(), 0, page.url());
  assert.equal(await page.locator("script").count(), 1, page.url());
  assert.notEqual(await page.title(), "owned", page.url());
  const main = await page.locator("main").innerText();
  for (const text of shown) assert.ok(main.includes(text), `${page.url()} does not say ${text}`);
}

export async function storedScripts(world, gateway) {
  for (const userAgent of [SCRIPT, `Mozilla/5.0 (Linux) Chrome/1 ${SCRIPT}`]) {
    const page = await world.browser(gateway, { userAgent });
    const held = heldBack(page);
    await page.goto("/auth/register/");
    const fields = { Username: `x${SCRIPT}`, Password: PASSWORD };
    await submit(page, fields, "Create account");
    await signIn(page, "alice", { password: SCRIPT });
    await isText(page);
    await signIn(page, "alice");
    await page.goto("/auth/account/keys/");
    await submit(page, { "Name of a new key": SCRIPT }, "Create key");
    for (const path of ["/auth/", "/auth/account/sessions/", "/auth/account/keys/"]) {
      await comes(page, path, SCRIPT);
      await isText(page, SCRIPT);
    }
    for (const path of [
      `/auth/sign-in/?anew=1&next=/app/${script}`, `/auth/reset/?uid=${script}&token=${script}`,
      `/auth/register/?username=${script}`, `/${script}`,
    ]) {
      await page.goto(path);
      await isText(page);
    }
    assert.deepEqual(held(), []);
  }
}

/** All that a user can leave behind, by whatever door. */
async function mallory(world, gateway) {
  gateway.user("mallory");
  for (const words of [
    ["user", "set-email", "mallory", EMAIL],
    ["user", "claim", "set", "mallory", `tenant=${SCRIPT}`],
    ["group", "add", SCRIPT],
    ["user", "group", "add", "mallory", SCRIPT],
    ["invite", "add", "--email", EMAIL],
  ]) gateway.operate(...words);
  const page = await world.browser(gateway, { userAgent: SCRIPT });
  const held = heldBack(page);
  await authenticator(page);
  await signIn(page, SCRIPT);
  await signIn(page, "mallory");
  await comes(page, "/auth/", SCRIPT);
  await isText(page, EMAIL, SCRIPT);
  await page.goto("/auth/account/keys/");
  await submit(page, { "Name of a new key": SCRIPT }, "Create key");
  await page.goto("/auth/account/factors/");
  await asksForPasskey(page, SCRIPT);
  await button(page, "Create the passkey").click();
  // The authenticator takes its time, and the browser then sends the form.
  await page.locator(".codes").waitFor();
  await page.goto("/auth/account/factors/");
  await isText(page, SCRIPT);
  assert.deepEqual(held(), []);
}

/** Pages of the admin site, and what each has to show. */
const PAGES = {
  "": [EMAIL],
  [`?q=${script}&role=${script}&state=${script}`]: [],
  "user/?name=mallory": [SCRIPT],
  [`user/?name=${script}`]: [SCRIPT],
  "user/delete/?name=mallory": [EMAIL, SCRIPT],
  "user/factors/?name=mallory": [],
  "groups/": [SCRIPT],
  [`group/?name=${script}`]: [SCRIPT],
  [`group/delete/?name=${script}`]: [SCRIPT],
  "invitations/": [EMAIL],
  "audit/?check=1": [SCRIPT],
  [`audit/?name=${script}&event=${script}`]: [],
  "state/": [SCRIPT],
  "explain/?url=/marked/x&as=user": [SCRIPT],
  [`explain/?url=${script}&as=${script}&from=${script}&method=${script}`]: [SCRIPT],
};

/** Acts that are asked about, and the page of each. */
const ACTS = {
  "End this session": ["user/?name=mallory", SCRIPT],
  "Take out": ["user/?name=mallory", SCRIPT],
  Revoke: ["user/?name=mallory", SCRIPT],
  "Revoke: 1": ["invitations/", EMAIL],
};

export async function storedOnSite(world) {
  const rule = JSON.stringify(`claim:tenant=${SCRIPT}`);
  const policy = `"/marked/*" = { to = "app", allow = ${rule} }`;
  const gateway = await world.gateway("marked", { origin: "http://localhost", policy });
  await mallory(world, gateway);
  const page = await admin(world, gateway, "walt");
  const held = heldBack(page);
  for (const [path, shown] of Object.entries(PAGES)) {
    await page.goto(`/manage/${path}`);
    await isText(page, ...shown);
  }
  for (const [name, [path, shown]] of Object.entries(ACTS)) {
    await page.goto(`/manage/${path}`);
    await press(page, page.getByRole("button", { name }).first());
    await isText(page, shown);
    await says(page, "Back, and change nothing");
  }
  // What is wrong with a file is quoted.
  gateway.rewrite((text) => `${text}\n[${JSON.stringify(SCRIPT)}]\n`);
  await comes(page, "/manage/state/", "the earlier policy stands");
  await isText(page, SCRIPT);
  assert.deepEqual(held(), []);
}
