import { object, text, texts } from "./lib/json.ts";

/** What a person should do about the gateway's place in the tailnet. */
export interface TailnetNotice {
  text: string;
  /** Opened, it logs the gateway in anew. */
  link: string | null;
  urgent: boolean;
}

const NEAR = new Set(["14d", "3d", "1d", "expired"]);

/** From a `health` answer; null while there is nothing to say. */
export function tailnetNotice(health: unknown): TailnetNotice | null {
  const tailnet = object(object(health).tailnet);
  const notice = text(tailnet.keyExpiryNotice);
  const link = safeLink(text(tailnet.loginUrl));
  if (notice !== undefined && NEAR.has(notice)) {
    const ended = notice === "expired";
    const when = day(text(tailnet.keyExpiry));
    return {
      text: ended
        ? `The gateway's login in its tailnet has ended${when}. It is reached on its own machine only, until someone logs it in again.`
        : `The gateway's login in its tailnet ends${when}. Renew it with “tailclaw login” on its machine; it goes on meanwhile.`,
      link,
      urgent: ended || notice === "1d",
    };
  }
  const said = texts(tailnet.warnings).find((warning) => warning.includes("login has ended"));
  return said === undefined ? null : { text: `The gateway's tailnet: ${said}.`, link, urgent: true };
}

function day(time: string | undefined): string {
  const date = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(date) ? "" : ` on ${new Date(date).toISOString().slice(0, 10)}`;
}

/** The control server chooses it, so it is opened only as an address of the web. */
function safeLink(link: string | undefined): string | null {
  return link !== undefined && /^https?:\/\//.test(link) ? link : null;
}
