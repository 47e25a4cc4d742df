// What of an answer is compared: keys, types and the values that are vocabulary; not ids, times, texts and counts.

/** Keys whose values are words of the protocol. */
const VOCABULARY = new Set(
  ("type event state phase status code kind role stream reason authReason recommendedNextStep mode scope " +
    "defaultScope visibility decision action stopReason errorKind missingScope subscribed ok aborted retryable " +
    "canRetryWithDeviceToken object finish_reason wakeMode sessionTarget security ask askFallback ownership " +
    "tokenDelivery approvedVia acceptsArgs valid exists deleted enabled archived pinned unread isMain done").split(" "),
);

/** The shape of a value whose inside is nobody's business but its gateway's, such as a configuration. */
export const outlineOf = (value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inner === null ? "null" : Array.isArray(inner) ? "a list" : typeof inner === "object" ? "an object" : typeof inner]))
    : shapeOf(value);

/** @returns the shape of a JSON value: a string for a leaf, `{key: shape}`, or `[shape of all elements together]`. */
export const shapeOf = (value, key = "") => {
  if (value === null) return "null";
  if (Array.isArray(value)) return [value.map((element) => shapeOf(element, key)).reduce(together, undefined)].filter((one) => one !== undefined);
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner, name)]));
  }
  if (VOCABULARY.has(key) && typeof value !== "number") return `=${value}`;
  return typeof value;
};

const kindOf = (shape) => (Array.isArray(shape) ? "array" : typeof shape === "object" ? "object" : shape);

/** The shape of what may be either. */
const together = (one, other) => {
  if (one === undefined) return other;
  if (other === undefined) return one;
  const kinds = [kindOf(one), kindOf(other)];
  if (kinds[0] === "array" && kinds[1] === "array") return [together(one[0], other[0])].filter((inner) => inner !== undefined);
  if (kinds[0] === "object" && kinds[1] === "object") {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return Object.fromEntries([...keys].map((key) => [key, together(one[key], other[key])]));
  }
  const words = new Set([...String(kinds[0]).split("|"), ...String(kinds[1]).split("|")]);
  return [...words].sort().join("|");
};

/** The differences between two shapes, a line each: `path: what`. */
export const differences = (theirs, ours, path = "") => {
  const [their, our] = [kindOf(theirs), kindOf(ours)];
  if (their === "object" && our === "object") {
    const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    return [...keys].sort().flatMap((key) => {
      const below = `${path}.${key}`;
      if (!(key in ours)) return [`${below}: missing`];
      if (!(key in theirs)) return [`${below}: ours alone`];
      return differences(theirs[key], ours[key], below);
    });
  }
  if (their === "array" && our === "array") {
    if (theirs.length && ours.length) return differences(theirs[0], ours[0], `${path}[]`);
    if (theirs.length !== ours.length) return [`${path}[]: ${ours.length ? "empty there" : "empty here"}`];
    return [];
  }
  return their === our ? [] : [`${path}: ${our} instead of ${their}`];
};
