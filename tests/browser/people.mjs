// What people do on the pages.

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

/** Signs in on the page that is shown, or on the one where one does. */
export async function signIn(page, name, { to = "/auth/sign-in/", password = PASSWORD } = {}) {
  if (to) await page.goto(to);
  await submit(page, { Username: name, Password: password }, "Sign in");
}
