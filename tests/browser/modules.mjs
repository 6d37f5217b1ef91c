// The packages of package.json, which browser.sh installed outside the tree.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.BROWSER_MODULES}/`);

export const { chromium } = require("playwright-core");
export const { WebSocketServer } = require("ws");
export const axe = require.resolve("axe-core/axe.min.js");
