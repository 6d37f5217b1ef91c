// How the pages look, and whether everybody can use them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { axe } from "./modules.mjs";
import { noted, visited } from "./seen.mjs";
import { languageOf } from "./words.mjs";

const AXE = readFileSync(axe, "utf8");
/** Most bytes of a page with all that it loads. */
const LARGEST = 60 * 1024;

const PHONE = { scheme: "light", width: 360, height: 740 };
const LOOKS = {
  light: { scheme: "light", width: 1000, height: 760 },
  dark: { scheme: "dark", width: 1000, height: 760 },
  phone: PHONE,
  "phone-dark": { ...PHONE, scheme: "dark" },
};
/** Other languages differ in their words, and so in their widths. */
const looksIn = (language) => (language === "en" ? LOOKS : { [language]: PHONE });

/** Goes to a page, and looks at it from all sides. */
export async function look(page, name, visit, pictures) {
  await visited(page, visit);
  const language = languageOf(page);
  assert.equal(await page.locator("html").getAttribute("lang"), language, name);
  await noted(page, name);
  const bytes = await page.evaluate(() => performance.getEntries()
    .reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0));
  assert.ok(bytes > 0 && bytes < LARGEST, `${name}: ${bytes} bytes`);
  await page.evaluate(AXE);
  for (const [look, { scheme, width, height }] of Object.entries(looksIn(language))) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
    assert.ok(found.passes.length > 10, `${name}, ${look}: only ${found.passes.length} rules looked`);
    const bad = found.violations.filter((it) => ["serious", "critical"].includes(it.impact));
    const told = bad.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.html} ${node.failureSummary}`));
    assert.deepEqual(told, [], `${name}, ${look}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name}, ${look}: ${wide} pixels wide`);
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${look}.png`, fullPage: true });
  }
}

/** The same of pages by their names: each a path, or a function that goes there. */
export async function lookAt(page, pages, pictures) {
  for (const [name, visit] of Object.entries(pages)) {
    const goes = typeof visit === "string" ? () => page.goto(visit) : visit;
    await look(page, name, goes, pictures);
  }
}
