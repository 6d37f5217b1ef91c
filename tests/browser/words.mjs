// What the pages say, in the language of whoever looks: the catalogues of src/pages/texts.

import { readFileSync } from "node:fs";

const ENTRY = /^("(?:[^"\\]|\\.)*") = ("(?:[^"\\]|\\.)*")$/;

/** The texts of a language by the English ones. */
function catalogue(tag) {
  const lines = readFileSync(`src/pages/texts/${tag}.toml`, "utf8").split("\n");
  const entries = lines.map((line) => line.match(ENTRY)).filter((entry) => entry !== null);
  return new Map(entries.map(([, english, said]) => [JSON.parse(english), JSON.parse(said)]));
}

const CATALOGUES = { en: new Map(), de: catalogue("de"), fr: catalogue("fr") };

/** The language of each browser. */
const languages = new WeakMap();

export function speaks(context, locale) {
  languages.set(context, locale.split("-")[0]);
}

export const languageOf = (page) => languages.get(page.context());

/** As a catalogue has a text with numbers in it. */
const form = (text) => text.replace(/\d+/g, "{n}");

/** An English text as the page has it. What it is said of may follow after a colon. */
export function say(page, text) {
  const words = CATALOGUES[languageOf(page)];
  const whole = words.get(text);
  if (whole !== undefined) return whole;
  const [label, ...about] = text.split(": ");
  return [words.get(label) ?? label, ...about].join(": ");
}

/** Whether a language has such an English text, and another word for it. */
export function isEnglish(language, text) {
  const said = CATALOGUES[language].get(form(text));
  return said !== undefined && said !== form(text);
}

/** Whether a language says it just as English does. */
export const isSame = (language, text) => CATALOGUES[language].get(form(text)) === form(text);
