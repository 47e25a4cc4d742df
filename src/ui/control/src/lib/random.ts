/**
 * A random lower-case identifier. `crypto.randomUUID` does not exist on a plain-http tailnet
 * address, while `getRandomValues` does.
 */
export function randomId(bytes = 16): string {
  const data = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
