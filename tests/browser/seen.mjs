// What of the pages was looked at, so that none is missed, and what they said there.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { STATUS_CODES } from "node:http";

import { isEnglish, isSame, languageOf } from "./words.mjs";

const TEMPLATES = "src/pages/templates";
const names = () => readdirSync(TEMPLATES).filter((name) => name.endsWith(".html"));

const seen = { templates: new Set(), paths: new Set(), statuses: new Set() };
/** By language: each text, and a page that says it. */
const texts = { en: new Map(), de: new Map(), fr: new Map() };

/** What is the same in every language, because the pages do not say it themselves. */
const DATA = [
  // Users and what they named, upstreams, roles, groups, claims.
  /^((alice|anna|aline|(walt|wanda)-\w\w)(@example\.com)?(, )?)+$/,
  /^(nightly backup|The key on my desk|no name|app|gone|shut|admin|editor, viewer|viewer|staff|tenant|harbour)$/,
  // Of the audit record, with facts and actors.
  /\w=\S/,
  /^(client|(uid|user):\d+)( |$)/,
  // Browsers, servers, rules, answers, durations.
  /^Mozilla\/|^\w+ · \w+$/,
  /^(app: )?http:/,
  /^role:x & mfa$/,
  // A key of the policy file.
  /^browser$/,
  /^\d+( OK|xx| [µm]?s|\.\d m?s)$/,
];

/** The built-in templates, each of which says at its end which one it is. */
export function marked(folder) {
  mkdirSync(folder);
  for (const name of names()) {
    writeFileSync(`${folder}/${name}`, `${readFileSync(`${TEMPLATES}/${name}`, "utf8")}<!--${name}-->`);
  }
}

/** Goes to a page, and notes where that led. */
export async function visited(page, visit) {
  const note = (response) => {
    if (!response.request().isNavigationRequest()) return;
    seen.paths.add(new URL(response.url()).pathname);
    seen.statuses.add(response.status());
  };
  page.on("response", note);
  await visit(page);
  page.off("response", note);
}

/** Notes what a page says, and of which templates it is. */
export async function noted(page, name) {
  const { said, marks } = await page.evaluate(() => {
    const walk = (kind) => {
      const walker = document.createTreeWalker(document, kind);
      const nodes = [];
      while (walker.nextNode()) nodes.push(walker.currentNode);
      return nodes;
    };
    const said = [];
    for (const node of walk(NodeFilter.SHOW_TEXT)) {
      const element = node.parentElement;
      const isData = element.closest("script, style, code, pre, time, .brand, .who > span");
      // What is said to be in another language is in that.
      const isOurs = element.closest("[lang]") === document.documentElement;
      if (!isData && isOurs) said.push(node.data);
    }
    for (const element of walk(NodeFilter.SHOW_ELEMENT)) {
      if (element.localName === "time") continue;
      for (const attribute of ["aria-label", "alt", "placeholder", "title"]) {
        if (element.hasAttribute(attribute)) said.push(element.getAttribute(attribute));
      }
    }
    return { said, marks: walk(NodeFilter.SHOW_COMMENT).map((comment) => comment.data) };
  });
  for (const mark of marks) seen.templates.add(mark);
  for (const text of said) {
    // What is counted, and whose page it is, stands at the end.
    const alone = text.replace(/\s+/g, " ").trim().replace(/ \(\d+\)$| – Harbour$/, "");
    texts[languageOf(page)].set(alone, name);
  }
}

/** The rows of a table of pages. */
function rows(file, prefix) {
  const found = readFileSync(file, "utf8").matchAll(/page!\("([^"]*)", "/g);
  return [...found].map(([, path]) => `${prefix}/${path}${path && "/"}`);
}

/** The statuses that there are words for. */
function worded() {
  const words = readFileSync("src/pages/refusal.rs", "utf8").matchAll(/^\s*\(?StatusCode::([A-Z_]+),/gm);
  const constant = (text) => text.toUpperCase().replace(/\W/g, "_");
  const known = Object.entries(STATUS_CODES).map(([status, text]) => [constant(text), Number(status)]);
  return [...words].map(([, name]) => Object.fromEntries(known)[name]);
}

/** Every template, page and refusal was looked at. */
export function nothingIsMissed() {
  const missed = (all, seen) => all.filter((one) => !seen.has(one));
  const pages = [...rows("src/pages/table.rs", "/auth"), ...rows("src/pages/site/mod.rs", "/manage")];
  const statuses = worded();
  assert.ok(pages.length > 20 && statuses.length > 5, `${pages} ${statuses}`);
  assert.deepEqual(missed(names(), seen.templates), [], "templates");
  assert.deepEqual(missed(pages, seen.paths), [], "pages");
  assert.deepEqual(missed(statuses, seen.statuses), [], "refusals");
}

/** What the pages say is in the reader's language. */
export function noEnglishIsLeft() {
  const isWords = (text) => /\p{L}{2}/u.test(text) && !DATA.some((data) => data.test(text));
  for (const language of ["de", "fr"]) {
    const said = [...texts[language]];
    assert.ok(said.length > 200, `${language}: only ${said.length} texts`);
    const isLeft = (text) => texts.en.has(text) && isWords(text) && !isSame(language, text.split(": ")[0]);
    const left = said.filter(([text]) => isEnglish(language, text) || isLeft(text));
    assert.ok(left.length === 0, [language, ...left.map(([text, name]) => `${name}: ${text}`)].join("\n"));
  }
}
