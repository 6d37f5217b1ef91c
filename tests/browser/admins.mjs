// What admins do on the admin site, and how it looks.

import assert from "node:assert/strict";

import { lookAt } from "./looks.mjs";
import { READERS, reader } from "./pages.mjs";
import { button, press, signIn, submit, sure } from "./people.mjs";
import { say } from "./words.mjs";

/** Somebody who may, at the site. */
export async function admin(world, gateway, name, options) {
  gateway.user(name, "--role", "admin");
  const page = await world.browser(gateway, options);
  await signIn(page, name, { to: "/auth/sign-in/?next=/manage/" });
  await page.getByRole("heading", { name: say(page, "Users"), exact: true }).waitFor();
  return page;
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
  await press(page, button(page, "Delete the group"));
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

/** A page about who reads the language of a browser. */
const ofReader = (path) => (page) => page.goto(`${path}?name=${reader(page)}`);

/** Sends a form of a page, by the first button of that name. */
const pressed = (path, name) => async (page) => {
  await page.goto(typeof path === "string" ? path : path(page));
  await press(page, page.getByRole("button", { name: say(page, name) }).first());
};

const user = (page) => `/manage/user/?name=${reader(page)}`;

const PAGES = {
  "manage-users": "/manage/",
  "manage-users-none": "/manage/?q=nobody-of-that-name",
  "manage-user": ofReader("/manage/user/"),
  "manage-user-done": (page) => page.goto(`${user(page)}&done=role-add`),
  "manage-user-link": pressed(user, "Make a link to choose a new one"),
  "manage-user-asked": pressed(user, "Shut out"),
  "manage-session-asked": pressed(user, "End this session"),
  "manage-user-refused": async (page) => {
    await page.goto(user(page));
    await submit(page, { Role: "no role" }, "Give");
  },
  "manage-user-missing": "/manage/user/?name=nobody",
  "manage-user-add": "/manage/user/add/",
  "manage-user-add-refused": async (page) => {
    await page.goto("/manage/user/add/");
    await submit(page, { Username: "no name" }, "Add");
  },
  "manage-user-delete": ofReader("/manage/user/delete/"),
  "manage-user-factors": ofReader("/manage/user/factors/"),
  "manage-groups": "/manage/groups/",
  "manage-group": "/manage/group/?name=staff",
  "manage-group-asked": pressed("/manage/group/?name=staff", "Take out"),
  "manage-group-delete": "/manage/group/delete/?name=staff",
  "manage-invitations": "/manage/invitations/",
  "manage-sessions": "/manage/sessions/",
  "manage-sessions-none": "/manage/sessions/?address=192.0.2.7",
  "manage-invitations-made": pressed("/manage/invitations/", "Invite"),
  "manage-invitations-asked": pressed("/manage/invitations/", "Revoke"),
  "manage-audit": "/manage/audit/?check=1",
  "manage-audit-none": "/manage/audit/?name=nobody",
  "manage-state": "/manage/state/",
  "manage-explain-empty": "/manage/explain/",
  "manage-explain": "/manage/explain/?url=/app/a%252Fb&as=user",
  "manage-explain-refused": "/manage/explain/?url=/app/admin/x&as=user",
  "manage-explain-endpoint": "/manage/explain/?url=/api/auth/token/&method=POST",
  "manage-explain-wrong": "/manage/explain/?url=/x&method=get",
};

/** Has the readers, and what their pages and that of their group have to show. */
export function furnished(gateway) {
  gateway.operate("group", "add", "staff");
  gateway.operate("group", "role", "add", "staff", "viewer");
  for (const name of Object.values(READERS)) {
    gateway.user(name, "--role", "editor");
    gateway.operate("user", "group", "add", name, "staff");
    gateway.operate("user", "claim", "set", name, "tenant=harbour");
  }
}

/** All pages of the site, in a language, after those of the reader's account. */
export async function everyPageOfSite(world, gateway, pictures, locale) {
  const page = await admin(world, gateway, `walt-${locale.slice(0, 2)}`, { locale });
  await lookAt(page, PAGES, pictures);
}
