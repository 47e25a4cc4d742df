// Drives one Chromium page for the integration tests: one JSON command a line on stdin, one JSON answer a line on
// stdout. Arguments: the path of Chromium and, optionally, the proxy that all its connections take and the SHA-256 of public
// keys (base64, separated by commas) whose certificates are trusted.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, proxy, pins] = process.argv.slice(2);
const PATIENCE_MS = 30_000;

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
if (proxy) args.push(`--proxy-server=${proxy}`, "--proxy-bypass-list=<-loopback>");

if (pins) args.push(`--ignore-certificate-errors-spki-list=${pins}`);

// Chromium heeds the list of keys only with a profile of its own.
const profile = mkdtempSync(join(tmpdir(), "tailclaw-browser-"));
process.on("exit", () => rmSync(profile, { recursive: true, force: true }));
const viewport = { width: 1100, height: 800 };
const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args, viewport });
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(PATIENCE_MS);

const errors = [];
page.on("pageerror", (error) => errors.push(`exception: ${error.message}`));
page.on("console", (message) => message.type() === "error" && errors.push(`console: ${message.text()}`));
page.on("requestfailed", (request) => errors.push(`request: ${request.url()}: ${request.failure()?.errorText}`));

const actions = {
  open: ({ url }) => page.goto(url, { waitUntil: "domcontentloaded" }).then(() => null),
  reload: () => page.reload({ waitUntil: "domcontentloaded" }).then(() => null),
  text: async ({ selector }) => {
    const element = page.locator(selector).last();
    await element.waitFor({ state: "visible" });
    return element.innerText();
  },
  fill: ({ selector, text }) => page.locator(selector).fill(text).then(() => null),
  click: ({ selector }) => page.locator(selector).click().then(() => null),
  count: ({ selector }) => page.locator(selector).count(),
  growth: async ({ selector, beginning, until }) => {
    const lengths = [];
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const done = (await page.locator(until).count()) > 0;
      const element = page.locator(selector).last();
      const text = (await element.count()) > 0 ? await element.innerText() : "";
      if (text.includes(beginning) && text.length !== lengths.at(-1)) lengths.push(text.length);
      if (done) return lengths;
      if (Date.now() > deadline) throw new Error(`${until} did not come; lengths so far: ${lengths.join(" ")}`);
      await page.waitForTimeout(15);
    }
  },
  errors: () => errors,
  screenshot: ({ path }) => page.screenshot({ path }).then(() => null),
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    answer({ ok: (await actions[command.do](command)) ?? null });
  } catch (error) {
    answer({ error: String(error.message ?? error) });
  }
}
await browser.close();
