// What others try: a stranger's site on this machine, which to browsers is the same site where its
// host is.

import assert from "node:assert/strict";

import { PASSWORD } from "./gateway.mjs";
import { signIn, submit } from "./people.mjs";

/** A page that sends a form as soon as it is read. */
const sender = (action, fields) => `<!doctype html><form method="post" action="${action}">
  ${Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`).join("")}
  </form><script>document.forms[0].submit()</script>`;

/** The stranger's origins: of the same site, to which Lax cookies go, and of another one. */
const origins = (world) => ["localhost", "evil.test"].map((host) => `http://${host}:${world.stranger.port}`);

export async function formsOfOthers(world, gateway) {
  const page = await world.browser(gateway);
  await signIn(page, "alice");
  const before = world.upstream.seen.length;
  for (const origin of origins(world)) {
    for (const [path, fields] of [
      ["/app/", { amount: "100" }],
      ["/auth/sign-out/", {}],
      ["/auth/account/sessions/", { all: "1", sure: "1" }],
      ["/auth/account/keys/", { name: "theirs" }],
      ["/auth/sign-in/", { username: "alice", password: PASSWORD }],
    ]) {
      world.stranger.pages["/form"] = sender(`${gateway.origin}${path}`, fields);
      const answered = page.waitForResponse((it) => it.request().method() === "POST");
      await page.goto(`${origin}/form`);
      const response = await answered;
      // A cookie that is Lax stays at home where the form is of another site.
      const anonymous = path === "/app/" && origin.includes("evil");
      assert.equal(response.status(), anonymous ? 401 : 403, `${path} from ${origin}`);
      assert.equal(await response.headerValue("set-cookie"), null);
    }
  }
  assert.equal(world.upstream.seen.length, before, "nothing reached the upstream");
  await page.goto("/app/");
  await page.getByText("Hello alice").waitFor();
}

export async function scriptsOfOthers(world, gateway) {
  const page = await world.browser(gateway);
  await signIn(page, "alice");
  const sockets = `${gateway.origin.replace("http", "ws")}/app/socket`;
  world.stranger.pages["/script"] = "<!doctype html>";
  const before = world.upstream.seen.length;
  for (const origin of origins(world)) {
    await page.goto(`${origin}/script`);
    const got = await page.evaluate(async ([target, sockets]) => {
      const reads = await fetch(`${target}/app/`, { credentials: "include" }).then(() => "read", () => "refused");
      const acts = await fetch(`${target}/app/`, { method: "POST", mode: "no-cors", credentials: "include" })
        .then((it) => it.type, () => "refused");
      const socket = new WebSocket(sockets);
      const opens = await new Promise((done) => {
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
      });
      return [reads, acts, opens];
    }, [gateway.origin, sockets]);
    assert.deepEqual(got, ["refused", "opaque", "refused"], origin);
  }
  const reached = world.upstream.seen.slice(before);
  // A page of the same site may have something fetched, which only looks, and reads none of it.
  assert.deepEqual(reached.map((it) => `${it.method} ${it.path}`), ["GET /app/"]);
}

export async function frames(world, gateway) {
  const page = await world.browser(gateway);
  await signIn(page, "alice");
  for (const origin of origins(world)) {
    for (const path of ["/auth/", "/auth/sign-in/", "/auth/nowhere/"]) {
      const target = `${gateway.origin}${path}`;
      world.stranger.pages["/frame"] = `<!doctype html><iframe src="${target}"></iframe>`;
      await page.goto(`${origin}/frame`);
      const [, frame] = page.frames();
      assert.equal(await frame.locator("main").count(), 0, `${target} in a frame of ${origin}`);
      assert.ok(!frame.url().startsWith(gateway.origin), frame.url());
    }
  }
}

export async function waysElsewhere(world, gateway) {
  const [, evil] = origins(world);
  const host = new URL(evil).host;
  const page = await world.browser(gateway);
  const tries = ["//", "/\\", "/%2F", "/%09/", "/app/..//"].map((start) => `${start}${host}/`);
  for (const next of [evil, ...tries, "javascript:alert(1)"]) {
    await page.context().clearCookies();
    await page.goto(`/auth/sign-in/?next=${encodeURIComponent(next)}`);
    await signIn(page, "alice", { to: null });
    await page.waitForURL(`${gateway.origin}/auth/`);
    await page.goto(`/auth/sign-in/?next=${encodeURIComponent(next)}`);
    assert.equal(page.url(), `${gateway.origin}/auth/`, next);
  }
  assert.deepEqual(world.stranger.of("/"), []);
}

async function sessionCookie(page) {
  const cookies = await page.context().cookies();
  return cookies.find((it) => it.name === "portcullis");
}

export async function plantedCookie(world, gateway) {
  gateway.user("heidi");
  const mallory = await world.browser(gateway);
  await signIn(mallory, "heidi");
  const planted = await sessionCookie(mallory);
  const victim = await world.browser(gateway);
  await victim.context().addCookies([planted]);
  // Whoever was led into a session of somebody else signs out of it, and in as themselves.
  await victim.goto("/auth/sign-in/?anew=1");
  await submit(victim, { Username: "alice", Password: PASSWORD }, "Continue");
  await victim.waitForURL(`${gateway.origin}/auth/`);
  const fresh = await sessionCookie(victim);
  assert.notEqual(fresh.value, planted.value);
  await mallory.goto("/app/");
  await mallory.waitForURL(/\/auth\/sign-in\//);
  await victim.goto("/app/");
  await victim.getByText("Hello alice").waitFor();
}

export async function tossedCookie(world, gateway) {
  const page = await world.browser(gateway);
  await signIn(page, "alice");
  const ours = await sessionCookie(page);
  const { path, httpOnly, sameSite } = ours;
  assert.deepEqual({ path, httpOnly, sameSite }, { path: "/", httpOnly: true, sameSite: "Lax" });
  // A page on another port shares the cookies of the host.
  world.stranger.pages["/toss"] = (_, response) => {
    response.writeHead(200, { "Set-Cookie": "portcullis=theirs; Path=/app/", "Content-Type": "text/html" });
    response.end("<!doctype html>");
  };
  await page.goto(`${origins(world)[0]}/toss`);
  const before = world.upstream.seen.length;
  const response = await page.goto("/app/");
  assert.equal(response.status(), 400);
  assert.equal(world.upstream.seen.length, before);
}

export async function hiddenCookie(world, gateway) {
  const page = await world.browser(gateway);
  world.upstream.pages["/app/cookies"] = (_, response) => {
    response.writeHead(200, {
      "Content-Type": "text/html",
      "Set-Cookie": ["portcullis=theirs; Path=/", "theirs=1; Path=/"],
    });
    response.end("<!doctype html>");
  };
  await signIn(page, "alice");
  await page.goto("/app/cookies");
  assert.equal(await page.evaluate(() => document.cookie), "theirs=1");
  await page.goto("/app/cookies");
  assert.equal(world.upstream.of("/app/cookies").at(-1).headers.cookie, "theirs=1");
}
