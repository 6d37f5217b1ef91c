// Everything by keyboard alone.

import assert from "node:assert/strict";

import { admin } from "./admins.mjs";
import { PASSWORD } from "./gateway.mjs";
import { at, says, signIn } from "./people.mjs";

/** Most steps of Tab to whatever there is on a page. */
const FARTHEST = 60;

/** Takes a step with Tab: what that leads to is called so, and it is to be seen that it has the focus. */
async function step(page) {
  await page.keyboard.press("Tab");
  const { called, isSeen } = await page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const labels = element.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id));
    const called = (labels ?? [...element.labels ?? []]).map((label) => label.textContent).join(" ");
    return {
      called: (element.ariaLabel || called || element.textContent).replace(/\s+/g, " ").trim(),
      isSeen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    };
  });
  assert.ok(isSeen, `nobody sees that ${called} has the focus on ${page.url()}`);
  return called;
}

async function stepTo(page, name) {
  const met = [];
  while (met.length < FARTHEST) {
    const called = await step(page);
    if (called.startsWith(name)) return;
    met.push(called);
  }
  throw new Error(`no way to ${name} on ${page.url()}: ${met}`);
}

async function type(page, fields) {
  for (const [label, text] of Object.entries(fields)) {
    await stepTo(page, label);
    await page.keyboard.type(text);
  }
}

/** Presses a button or follows a link, which leads to another page. */
async function use(page, name, key = "Enter") {
  await stepTo(page, name);
  await Promise.all([page.waitForEvent("load"), page.keyboard.press(key)]);
}

export async function signsInByKeyboard(world, gateway) {
  const page = await world.browser(gateway);
  await page.goto("/app/");
  const met = [];
  for (const text of ["", "", "alice", PASSWORD, ""]) {
    met.push(await step(page));
    await page.keyboard.type(text);
  }
  assert.deepEqual(met, ["Skip to the content", "Harbour", "Username", "Password", "Sign in"]);
  await page.keyboard.press("Enter");
  await at(page, "/app/");
  await says(page, "Hello alice");
}

export async function accountByKeyboard(world, gateway) {
  gateway.user("olga");
  const page = await world.browser(gateway);
  await page.goto("/auth/sign-in/");
  await type(page, { Username: "olga", Password: PASSWORD });
  await use(page, "Sign in", "Space");
  await use(page, "Change the password");
  const another = "another horse battery";
  await type(page, { "Current password": PASSWORD, "New password": another });
  await use(page, "Change the password", "Space");
  await says(page, "Your password was changed.");
  const other = await world.browser(gateway, { userAgent: "One/1" });
  await signIn(other, "olga", { password: another });
  await use(page, "Your sessions");
  await use(page, "End this session One/1", "Space");
  await says(page, "The session has ended.");
  await other.goto("/auth/");
  await at(other, "/auth/sign-in/?next=%2Fauth%2F");
  await use(page, "Sign out everywhere");
  await use(page, "Sign out everywhere");
  await says(page, "You are signed out.");
}

export async function siteByKeyboard(world, gateway) {
  gateway.user("pavel");
  const page = await admin(world, gateway, "uma");
  await type(page, { "Part of the name or address": "pavel" });
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  await use(page, "pavel");
  await use(page, "Shut out", "Space");
  await says(page, "Shut a user out?");
  await use(page, "Shut out");
  await says(page, "The user is shut out.");
  await use(page, "Let in again", "Space");
  await says(page, "The user is let in again.");
}
