// What people do on the pages.

import { createHmac } from "node:crypto";

import { PASSWORD } from "./gateway.mjs";
import { until } from "./patience.mjs";
import { say } from "./words.mjs";

/** A button of the page, by what it says in English. */
export const button = (page, name) => page.getByRole("button", { name: say(page, name), exact: true });

/** Has the page be at a path of its origin, with its query. */
export async function at(page, path) {
  await page.waitForURL((url) => url.pathname + url.search === path);
}

/** Has the page say something. */
export async function says(page, text) {
  await page.getByText(text).first().waitFor();
}

/** Goes to a page until it says something: what is done is on record a moment later. */
export async function comes(page, path, text) {
  await until(`${text} at ${path}`, async () => {
    await page.goto(path);
    return page.getByText(text).count();
  });
}

/** Fills in the form that is shown, by the English labels of its fields, and sends it; there is an answer then. */
export async function submit(page, fields, name) {
  for (const [label, value] of Object.entries(fields)) {
    await page.getByLabel(say(page, label), { exact: true }).fill(value);
  }
  await press(page, button(page, name));
}

/** Presses what leads to another page, and is there. */
export async function press(page, what) {
  await Promise.all([page.waitForEvent("load"), what.click()]);
}

/** Presses a button that destroys something, and on the page that asks about it the one that says yes. */
export async function sure(page, name, question, yes) {
  await button(page, name).click();
  await page.getByRole("heading", { name: say(page, question), exact: true }).waitFor();
  await button(page, yes).click();
}

/** Signs in on the page that is shown, or on the one where one does. */
export async function signIn(page, name, { to = "/auth/sign-in/", password = PASSWORD } = {}) {
  if (to) await page.goto(to);
  await submit(page, { Username: name, Password: password }, "Sign in");
}

/** Signs out from the page of the account. */
export async function signOut(page) {
  await page.goto("/auth/");
  await button(page, "Sign out").click();
  await says(page, "You are signed out.");
}

/** What an authenticator app shows of a key in base32, `ahead` steps from now (RFC 6238). */
export function code(key, ahead = 0) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...key].map((sign) => letters.indexOf(sign).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead));
  const tag = createHmac("sha1", bytes).update(step).digest();
  const number = tag.readUInt32BE(tag.at(-1) & 0xf) & 0x7fffffff;
  return (number % 1_000_000).toString().padStart(6, "0");
}

/** Sets up an authenticator app on the page that is shown: its key. */
export async function offered(page, password = PASSWORD) {
  const asks = button(page, "Set up an authenticator app");
  const form = page.locator("form").filter({ has: asks });
  await form.getByLabel(say(page, "Current password")).fill(password);
  await press(page, asks);
  if (password !== PASSWORD) return undefined;
  return page.locator("code.secret").innerText();
}
