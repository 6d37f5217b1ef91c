// All of signing in and of one's account in a browser that runs no scripts; a second factor is among the flows.

import assert from "node:assert/strict";

import { PASSWORD } from "./gateway.mjs";
import { at, button, press, says, signIn, signOut, submit, sure } from "./people.mjs";

const bare = (world, gateway, userAgent) => world.browser(gateway, { javaScriptEnabled: false, userAgent });

export async function noPasskeysWithoutScripts(world, gateway) {
  const page = await bare(world, gateway);
  await page.goto("/auth/sign-in/");
  assert.ok(await button(page, "Sign in").isVisible());
  assert.equal(await button(page, "Sign in with a passkey").count(), 0);
}

export async function accountWithoutScripts(world, gateway) {
  const page = await bare(world, gateway);
  await page.goto("/auth/register/?next=/app/");
  const form = { Username: "rita", "E-mail address (optional)": "rita@example.com", Password: PASSWORD };
  await submit(page, form, "Create account");
  // The page between leads on without a script, too.
  await at(page, "/app/");
  await says(page, "Hello rita");
  await page.goto("/auth/");
  await button(page, "Send an e-mail to confirm the address").click();
  await says(page, "We have sent you an e-mail.");
  await page.goto(await world.mail.link("rita@example.com"));
  await button(page, "Confirm").click();
  await says(page, "Your e-mail address is confirmed.");
  await page.goto("/auth/account/email/");
  await submit(page, { "New e-mail address": "rita@example.org", Password: PASSWORD }, "Send the e-mail");
  await page.goto(await world.mail.link("rita@example.org"));
  await button(page, "Confirm").click();
  await says(page, "rita@example.org");
  await page.goto("/auth/account/keys/");
  await submit(page, { "Name of a new key": "nightly" }, "Create key");
  await sure(page, "Revoke: nightly", "Revoke an API key?", "Revoke the key");
  await says(page, "The key is revoked.");
}

export async function passwordWithoutScripts(world, gateway) {
  gateway.user("sven");
  const [page, other] = [await bare(world, gateway), await bare(world, gateway, "Two/2")];
  for (const each of [page, other]) await signIn(each, "sven");
  await page.goto("/auth/account/sessions/");
  const card = page.getByRole("listitem").filter({ hasText: "Two/2" });
  await press(page, card.getByRole("button"));
  await says(page, "The session has ended.");
  await signIn(other, "sven");
  const another = "another horse battery";
  await page.goto("/auth/account/password/");
  await submit(page, { "Current password": PASSWORD, "New password": another }, "Change the password");
  await says(page, "Your password was changed.");
  await other.goto("/auth/");
  await at(other, "/auth/sign-in/?next=%2Fauth%2F");
  await signOut(page);
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await submit(page, { "E-mail address": "sven@example.com" }, "Send the e-mail");
  await page.goto(await world.mail.link("sven@example.com"));
  await submit(page, { "New password": PASSWORD }, "Change the password");
  await signIn(page, "sven", { to: null });
  await page.goto("/auth/account/sessions/");
  await sure(page, "Sign out everywhere", "Sign out everywhere?", "Sign out everywhere");
  await says(page, "You are signed out.");
}
