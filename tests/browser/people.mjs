// What people do on the pages.

import { createHmac } from "node:crypto";

import { PASSWORD } from "./gateway.mjs";

/** Fills in the form that is shown, by the labels of its fields, and sends it; there is an answer then. */
export async function submit(page, fields, button) {
  for (const [label, value] of Object.entries(fields)) {
    await page.getByLabel(label, { exact: true }).fill(value);
  }
  const answered = page.waitForEvent("load");
  await page.getByRole("button", { name: button, exact: true }).click();
  await answered;
}

/** Presses a button that destroys something, and on the page that asks about it the one that says yes. */
export async function sure(page, button, question, yes) {
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.getByRole("heading", { name: question, exact: true }).waitFor();
  await page.getByRole("button", { name: yes, exact: true }).click();
}

/** Signs in on the page that is shown, or on the one where one does. */
export async function signIn(page, name, { to = "/auth/sign-in/", password = PASSWORD } = {}) {
  if (to) await page.goto(to);
  await submit(page, { Username: name, Password: password }, "Sign in");
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
  const button = page.getByRole("button", { name: "Set up an authenticator app" });
  const form = page.locator("form").filter({ has: button });
  await form.getByLabel("Current password").fill(password);
  await button.click();
  if (password !== PASSWORD) return page.getByText("entered incorrectly").waitFor();
  return page.locator("code.secret").innerText();
}
