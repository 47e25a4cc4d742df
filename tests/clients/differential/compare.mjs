// Holds two outcomes of run.mjs against each other. Arguments: theirs, ours, the file of known differences.
// Prints every difference that is not known: a failure. A known one that did not show is told, too, but is none: some
// differences depend on which of two gateways was quicker.
//
// An entry of the file: {"case": pattern, "at": pattern, "reason": text}; `*` in a pattern stands for anything.
import { readFileSync } from "node:fs";
import { differences } from "./shape.mjs";

const [theirsFile, oursFile, knownFile] = process.argv.slice(2);
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const [theirs, ours, known] = [theirsFile, oursFile, knownFile].map(read);

const pattern = (text) => new RegExp(`^${text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "s");
/** What came of a call at all, an exit code, an answer instead of an error, is no matter of the keys in it: only an entry
 *  that begins with it says so. */
const isCovered = (entry, difference) => {
  const came = /^\.(first|second|exit|status|close|reason)(?=: )/.exec(difference);
  return entry.at_.test(difference) && (!came || entry.at.startsWith(came[0]));
};
const entries = known.map((entry) => ({ ...entry, case_: pattern(entry.case), at_: pattern(entry.at), used: 0 }));

/** An answer where the other refuses is one difference, not as many as the answer has keys. */
const outcomes = ({ answers = {}, ...rest }) => [answers, rest];
const told = (answer) => (answer.ok ? "an answer" : answer.error ?? (answer.close ? `a close ${answer.close} ${answer.reason}` : "silence"));
const isKind = (answer) => (answer.ok ? "ok" : answer.error ? "error" : answer.close ? "close" : "none");
const betweenAnswers = (their, our, place) => {
  if (!their || !our) return [`.${place}: ${our ? "ours alone" : "missing"}`];
  if (isKind(their) !== isKind(our)) return [`.${place}: ${told(our)} instead of ${told(their)}`];
  return differences(their, our, `.${place}`);
};
const between = (their, our) => {
  const [[theirAnswers, theirRest], [ourAnswers, ourRest]] = [outcomes(their), outcomes(our)];
  const places = new Set([...Object.keys(theirAnswers), ...Object.keys(ourAnswers)]);
  const answers = [...places].flatMap((place) => betweenAnswers(theirAnswers[place], ourAnswers[place], place));
  return [...answers, ...differences(theirRest, ourRest)];
};
const found = Object.keys(theirs).flatMap((title) =>
  title in ours ? between(theirs[title], ours[title]).map((difference) => ({ title, difference })) : [{ title, difference: "not called here" }],
);
const unknown = found.filter(({ title, difference }) => {
  const entry = entries.find((entry) => entry.case_.test(title) && isCovered(entry, difference));
  if (entry) entry.used += 1;
  return !entry;
});
for (const { title, difference } of unknown) console.log(`${title}\n    ${difference}`);
const stale = entries.filter((entry) => !entry.used);
for (const entry of stale) console.log(`known, but not seen this time: ${entry.case} | ${entry.at}`);
console.log(`${Object.keys(theirs).length} calls, ${found.length} differences, ${unknown.length} of them unknown, ${stale.length} known ones not seen`);
process.exit(unknown.length ? 1 : 0);
