// Passkeys, with an authenticator that Chromium plays.

import assert from "node:assert/strict";

import { PASSWORD } from "./gateway.mjs";
import { signIn, submit } from "./people.mjs";

/** Gives the browser of a page an authenticator of its own. */
async function authenticator(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options });
  const of = (command, more = {}) => session.send(`WebAuthn.${command}`, { authenticatorId, ...more });
  return {
    credentials: async () => (await of("getCredentials")).credentials,
    verifies: (isUserVerified) => of("setUserVerified", { isUserVerified }),
  };
}

async function at(page, path) {
  await page.waitForURL((url) => url.pathname + url.search === path);
}

async function says(page, text) {
  await page.getByText(text).first().waitFor();
}

async function signOut(page) {
  await page.goto("/auth/");
  await page.getByRole("button", { name: "Sign out" }).click();
  await says(page, "You are signed out.");
}

/** Adds a passkey on the page that is shown, as far as the authenticator. */
async function add(page, name, button = "Add a passkey") {
  const form = page.locator("form").filter({ has: page.getByRole("button", { name: "Add a passkey" }) });
  await form.getByLabel("Name of the passkey").fill(name);
  await form.getByLabel("Current password").fill(PASSWORD);
  await form.getByRole("button", { name: button }).click();
  await page.getByRole("button", { name: "Create the passkey" }).click();
}

export async function passkey(world, gateway) {
  gateway.user("lena");
  const page = await world.browser(gateway);
  const device = await authenticator(page);
  await signIn(page, "lena");
  await page.goto("/auth/account/factors/?next=%2Fapp%2Fvault%2F");
  await add(page, "The phone");
  const codes = await page.locator(".codes code").allInnerTexts();
  assert.equal(new Set(codes).size, 10);
  const [made] = await device.credentials();
  assert.ok(made.isResidentCredential && made.rpId === "localhost", JSON.stringify(made));
  assert.ok(!atob(made.userHandle).includes("lena"), "the handle is nobody's name");
  // A session is what it was when it began; the passkey alone is enough for another.
  await page.getByRole("link", { name: "Continue" }).click();
  await says(page, "Confirm that it is you");
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await at(page, "/app/vault/");
  await signOut(page);
  await page.goto("/app/?to=see");
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await at(page, "/app/?to=see");
  await says(page, "Hello lena");
  // Beside the password, and with a code as well as ever.
  await signOut(page);
  await signIn(page, "lena");
  await says(page, "Second step");
  await submit(page, { Code: "123456" }, "Continue");
  await says(page, "This code is wrong, or was used before.");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await at(page, "/auth/");
  // The same authenticator has one passkey of an account.
  await page.goto("/auth/account/factors/");
  await add(page, "The same phone", "Use a passkey");
  await says(page, "That did not work.");
  assert.equal((await device.credentials()).length, 1);
  // Who is not verified is not let in.
  await signOut(page);
  await page.goto("/auth/sign-in/");
  await device.verifies(false);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await says(page, "That did not work.");
  await device.verifies(true);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await at(page, "/auth/");
  await passkeyRemoved(page);
}

/** It is removed by itself, and opens nothing any more. */
async function passkeyRemoved(page) {
  await page.goto("/auth/account/factors/");
  await says(page, "The phone");
  const remove = page.locator("form").filter({ has: page.getByLabel("Passkey", { exact: true }) });
  await remove.getByLabel("Current password").fill(PASSWORD);
  await remove.getByRole("button", { name: "Use a passkey" }).click();
  await says(page, "The passkey is removed.");
  await signOut(page);
  await page.goto("/auth/sign-in/");
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await says(page, "Nobody can sign in with this passkey here, or not any more.");
  await signIn(page, "lena");
  await at(page, "/auth/");
}

export async function withoutScript(world, gateway) {
  const page = await world.browser(gateway, { javaScriptEnabled: false });
  await page.goto("/auth/sign-in/");
  assert.ok(await page.getByRole("button", { name: "Sign in", exact: true }).isVisible());
  assert.equal(await page.getByRole("button", { name: "Sign in with a passkey" }).count(), 0);
}
