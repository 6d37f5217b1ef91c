// Each page that is for everybody, as somebody may meet it: in every language, each with an account of its own.

import { PASSWORD } from "./gateway.mjs";
import { lookAt } from "./looks.mjs";
import { asksForPasskey, authenticator } from "./passkeys.mjs";
import { button, code, offered, press, signIn, submit } from "./people.mjs";
import { languageOf } from "./words.mjs";

/** Who reads which language. */
export const READERS = { en: "alice", de: "anna", fr: "aline" };
export const reader = (page) => READERS[languageOf(page)];

const OLD_PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
  + "Chrome/156.0.0.0 Mobile Safari/537.36";

/** Goes to a page, and sends the form that is there. */
const sent = (path, fields, name) => async (page) => {
  await page.goto(path);
  await submit(page, fields, name);
};

/** As nobody in particular. */
const PAGES = {
  "sign-in": "/auth/sign-in/?next=/app/",
  "sign-in-wrong": (page) => signIn(page, reader(page), { password: "wrong" }),
  "sign-in-throttled": async (page) => {
    const username = `nobody-${languageOf(page)}`;
    for (let time = 0; time < 10; time += 1) {
      await page.request.post("/api/auth/token/", { data: { username, password: "wrong" } });
    }
    await signIn(page, username);
  },
  "sign-in-out": "/auth/sign-in/?done=out",
  register: "/auth/register/",
  "register-wrong": sent("/auth/register/", { Username: "alice", Password: "123" }, "Create account"),
  forgot: "/auth/forgot/",
  "forgot-sent": sent("/auth/forgot/", { "E-mail address": "nobody@example.com" }, "Send the e-mail"),
  reset: "/auth/reset/?uid=1&token=x",
  "reset-bad": sent("/auth/reset/?uid=1&token=x", { "New password": "correct horse battery" }, "Change the password"),
  verify: "/auth/verify/?uid=1&token=x",
  "verify-bad": sent("/auth/verify/?uid=1&token=x", {}, "Confirm"),
  api: "/auth/api/",
  400: async (page) => {
    const cookie = { name: "portcullis", value: "x", domain: "localhost" };
    await page.context().addCookies(["/", "/auth/"].map((path) => ({ ...cookie, path })));
    await page.goto("/auth/");
    await page.context().clearCookies();
  },
  404: "/nowhere",
  429: async (page) => {
    for (const time of ["first", "second"]) await page.goto(`/often/?the=${time}`);
  },
  502: "/gone/",
  503: "/shut/",
  504: "/late/",
};

/** That of the authenticator app that somebody sets up, and the recovery codes. */
const factors = {};

/** The same of somebody who is signed in. */
const ACCOUNT = {
  account: "/auth/",
  "account-done": "/auth/?done=password",
  "account-letter": async (page) => {
    await page.goto("/auth/");
    await press(page, button(page, "Send an e-mail to confirm the address"));
  },
  anew: "/auth/sign-in/?next=/app/danger/&anew=1",
  onward: async (page) => {
    // It would be gone at once.
    const isIt = (url) => url.searchParams.get("done") === "in";
    await page.route(isIt, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), refresh: "600" } });
    });
    await page.goto("/auth/sign-in/?done=in&next=/app/");
    await page.unroute(isIt);
  },
  email: "/auth/account/email/",
  "email-wrong": sent("/auth/account/email/", { "New e-mail address": "a@b", Password: "wrong" }, "Send the e-mail"),
  password: "/auth/account/password/",
  "password-wrong":
    sent("/auth/account/password/", { "Current password": "wrong", "New password": "1" }, "Change the password"),
  sessions: "/auth/account/sessions/",
  "sessions-asked": sent("/auth/account/sessions/", {}, "Sign out everywhere"),
  "keys-none": "/auth/account/keys/",
  "keys-made": sent("/auth/account/keys/", { "Name of a new key": "nightly backup" }, "Create key"),
  keys: "/auth/account/keys/",
  "keys-asked": sent("/auth/account/keys/", {}, "Revoke: nightly backup"),
  "api-tried": async (page) => {
    await page.goto("/auth/api/");
    const call = page.locator("details#GET-profile");
    await call.locator("summary").click();
    await press(page, call.getByRole("button"));
  },
  factor: "/auth/account/factors/",
  "factor-wrong": async (page) => {
    await page.goto("/auth/account/factors/");
    await offered(page, "wrong");
  },
  "factor-offered": async (page) => {
    await page.goto("/auth/account/factors/");
    factors[reader(page)] = { key: await offered(page) };
  },
  "factor-codes": async (page) => {
    const own = factors[reader(page)];
    await submit(page, { Code: code(own.key) }, "Confirm");
    own.codes = await page.locator(".codes code").allInnerTexts();
  },
  "factor-there": "/auth/account/factors/",
  "passkey-asked": async (page) => {
    const [otp] = factors[reader(page)].codes;
    await asksForPasskey(page, "The key on my desk", { otp });
    await button(page, "Create the passkey").waitFor();
  },
  "passkey-added": (page) => press(page, button(page, "Create the passkey")),
  "second-step": async (page) => {
    await page.goto("/auth/sign-in/?anew=1");
    await submit(page, { Username: reader(page), Password: PASSWORD }, "Continue");
  },
  "sign-out": "/auth/sign-out/",
  403: "/app/admin/",
};

/** All of them, in a language. */
export async function everyPage(world, gateway, pictures, locale) {
  world.upstream.pages["/late/"] = () => {};
  const nobody = await world.browser(gateway, { locale });
  await lookAt(nobody, PAGES, pictures);
  const name = reader(nobody);
  const phone = await world.browser(gateway, { userAgent: OLD_PHONE });
  await signIn(phone, name);
  const page = await world.browser(gateway, { locale });
  await authenticator(page);
  await signIn(page, name);
  await lookAt(page, ACCOUNT, pictures);
}
