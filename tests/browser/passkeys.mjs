// Passkeys, with an authenticator that Chromium plays.

import assert from "node:assert/strict";

import { PASSWORD } from "./gateway.mjs";
import { at, button, says, signIn, signOut, submit } from "./people.mjs";
import { say } from "./words.mjs";

/** Gives the browser of a page an authenticator of its own. */
export async function authenticator(page) {
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

/** Fills in the form for another passkey on the page that is shown, and sends it by one of its buttons. */
export async function asksForPasskey(page, name, { by = "Add a passkey", otp } = {}) {
  const form = page.locator("form").filter({ has: button(page, "Add a passkey") });
  const fill = (label, value) => form.getByLabel(say(page, label)).fill(value);
  await fill("Name of the passkey", name);
  await fill("Current password", PASSWORD);
  if (otp) await fill("Code, or a recovery code", otp);
  await form.getByRole("button", { name: say(page, by) }).click();
}

/** Adds a passkey on the page that is shown, as far as the authenticator. */
async function add(page, name, by) {
  await asksForPasskey(page, name, { by });
  await button(page, "Create the passkey").click();
}

export async function passkey(world, gateway) {
  gateway.user("lena");
  const page = await world.browser(gateway);
  const device = await authenticator(page);
  await signIn(page, "lena");
  await page.goto("/auth/account/factors/?next=%2Fapp%2Fvault%2F");
  await add(page, "The phone");
  await page.locator(".codes").waitFor();
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

/** It is called otherwise, removed by itself, and opens nothing any more. */
async function passkeyRemoved(page) {
  await page.goto("/auth/account/factors/");
  await says(page, "The phone");
  const rename = page.locator("form").filter({ has: page.getByRole("button", { name: "Rename" }) });
  await rename.getByLabel("Name of the passkey").fill("The old phone");
  await rename.getByRole("button", { name: "Rename" }).click();
  await says(page, "The passkey has another name.");
  await says(page, "The old phone");
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
