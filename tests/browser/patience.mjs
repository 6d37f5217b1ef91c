// Waiting, with an end to it.

import { setTimeout as pause } from "node:timers/promises";

const PATIENCE = 10_000;

/** Asks until the answer is something, which is then the answer. */
export async function until(what, ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`in vain for ${PATIENCE} ms: ${what}`);
    await pause(20);
  }
}
