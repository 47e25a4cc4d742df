import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/gateway/backoff.ts";
import { duration } from "../src/lib/time.ts";

test("waiting doubles up to its bound and starts over", () => {
  const backoff = new Backoff(1_000, 30_000);
  const waits = Array.from({ length: 7 }, () => backoff.next(0.5));
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  backoff.reset();
  assert.equal(backoff.next(0), 800);
});

test("lengths of time read naturally", () => {
  assert.deepEqual([4_000, 720_000, 3_600_000, 93_600_000].map(duration), ["4 s", "12 min", "1 h", "1 d 2 h"]);
});
