import assert from "node:assert/strict";
import { test } from "node:test";
import { tailnetNotice } from "../src/tailnet-notice.ts";

const health = (tailnet: object) => ({ tailnet: { state: "Running", ...tailnet } });

test("a login that is good says nothing", () => {
  assert.equal(tailnetNotice({}), null);
  assert.equal(tailnetNotice(null), null);
  assert.equal(tailnetNotice(health({ keyExpiry: "2027-01-01T00:00:00Z" })), null);
});

test("a login that ends is told with its day, louder on the last one", () => {
  const far = tailnetNotice(health({ keyExpiry: "2027-01-01T00:00:00Z", keyExpiryNotice: "14d" }));
  assert.match(far?.text ?? "", /ends on 2027-01-01/);
  assert.equal(far?.urgent, false);
  const near = tailnetNotice(health({ keyExpiry: "2027-01-01T00:00:00Z", keyExpiryNotice: "1d" }));
  assert.equal(near?.urgent, true);
});

test("a login link is offered only if it is an address of the web", () => {
  const ended = { state: "NeedsLogin", keyExpiryNotice: "expired" };
  assert.equal(tailnetNotice(health({ ...ended, loginUrl: "https://x/a" }))?.link, "https://x/a");
  assert.equal(tailnetNotice(health({ ...ended, loginUrl: "javascript:alert(1)" }))?.link, null);
});
