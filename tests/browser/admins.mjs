// What admins do on the admin site, and how it looks.

import assert from "node:assert/strict";

import { look } from "./looks.mjs";
import { signIn, submit, sure } from "./people.mjs";

/** Somebody who may, at the site. */
async function admin(world, gateway, name) {
  gateway.user(name, "--role", "admin");
  const page = await world.browser(gateway);
  await signIn(page, name, { to: "/auth/sign-in/?next=/manage/" });
  await page.getByRole("heading", { name: "Users", exact: true }).waitFor();
  return page;
}

async function press(page, button) {
  const answered = page.waitForEvent("load");
  await page.getByRole("button", { name: button, exact: true }).first().click();
  await answered;
}

/** Somebody's open page hears of it that an admin shuts them out. */
export async function shutsOut(world, gateway) {
  gateway.user("zoe");
  const zoe = await world.browser(gateway);
  await signIn(zoe, "zoe");
  await zoe.goto("/app/live");
  await zoe.waitForFunction(() => document.title === "open for zoe");
  const page = await admin(world, gateway, "vera");
  await submit(page, { "Part of the name or address": "zoe" }, "Search");
  await page.getByRole("link", { name: "zoe" }).click();
  await sure(page, "Shut out", "Shut a user out?", "Shut out");
  await page.getByText("The user is shut out.").waitFor();
  await zoe.waitForFunction(() => document.title === "closed 1008");
}

/** A group gives a role, and takes it with it. */
export async function gives(world, gateway) {
  gateway.user("yuri");
  const yuri = await world.browser(gateway);
  await signIn(yuri, "yuri");
  const opens = async () => (await yuri.goto("/app/admin/")).status();
  assert.equal(await opens(), 403);
  const page = await admin(world, gateway, "xena");
  await page.getByRole("link", { name: "Groups", exact: true }).click();
  await submit(page, { "Name of a new group": "board" }, "Add");
  await submit(page, { Role: "admin" }, "Give");
  await submit(page, { Username: "yuri" }, "Put in");
  assert.equal(await opens(), 404, "the upstream's own: it has no such page");
  await page.getByRole("link", { name: "Delete the group" }).click();
  await press(page, "Delete the group");
  await page.getByText("The group is gone.").waitFor();
  assert.equal(await opens(), 403);
}

/** What becomes of a request that nobody has sent. */
export async function explains(world, gateway) {
  const page = await admin(world, gateway, "ursula");
  await page.getByRole("link", { name: "Gateway", exact: true }).click();
  const url = "What becomes of a request for this path or URL?";
  await submit(page, { [url]: "/app/admin/<img src=x onerror=alert(1)>" }, "Ask");
  const told = page.getByRole("status");
  assert.match(await told.textContent(), /^refused 400 /);
  await submit(page, { "Path or URL": "/app/admin/x?y=1", "Who asks, as in a rule": "user" }, "Ask");
  assert.match(await told.textContent(), /^refused 403 forbidden – no alternative/);
  await page.getByText("role:admin", { exact: true }).first().waitFor();
  await submit(page, { "Who asks, as in a rule": "role:admin" }, "Ask");
  assert.match(await told.textContent(), /^forwarded app – /);
  await submit(page, { Method: "get" }, "Ask");
  await page.getByText("`get` is no method").waitFor();
}

const PAGES = {
  "manage-users": "/manage/",
  "manage-user": "/manage/user/?name=alice",
  "manage-user-add": "/manage/user/add/",
  "manage-user-delete": "/manage/user/delete/?name=alice",
  "manage-groups": "/manage/groups/",
  "manage-group": "/manage/group/?name=staff",
  "manage-group-delete": "/manage/group/delete/?name=staff",
  "manage-invitations": "/manage/invitations/",
  "manage-sessions": "/manage/sessions/",
  "manage-audit": "/manage/audit/?check=1",
  "manage-state": "/manage/state/",
  "manage-explain": "/manage/explain/?url=/app/a%252Fb&as=user",
  "manage-explain-refused": "/manage/explain/?url=/app/admin/x&as=user",
  "manage-explain-wrong": "/manage/explain/?url=/x&method=get",
};

export async function site(world, gateway, pictures) {
  gateway.operate("group", "add", "staff");
  gateway.operate("group", "role", "add", "staff", "viewer");
  gateway.operate("user", "group", "add", "alice", "staff");
  const page = await admin(world, gateway, "walt");
  await page.goto("/manage/invitations/");
  await press(page, "Invite");
  for (const [name, path] of Object.entries(PAGES)) {
    await look(page, name, () => page.goto(path), pictures);
  }
  await page.goto("/manage/invitations/");
  await look(page, "manage-asked", () => press(page, "Revoke: 1"), pictures);
}
