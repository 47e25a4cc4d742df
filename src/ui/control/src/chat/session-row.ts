import { type Json, number, object, objects, text } from "../lib/json.ts";

export interface SessionRow {
  key: string;
  title: string;
  preview?: string;
  updatedAtMs?: number;
  model?: string;
  running: boolean;
  unread: boolean;
}

export interface Model {
  id: string;
  name: string;
}

/** The model that answers when none is configured. */
const ECHO = "echo";

export function rowOf(row: Json): SessionRow | undefined {
  const key = text(row.key);
  if (!key) return undefined;
  return {
    key,
    title: text(row.label) ?? text(row.displayName) ?? text(row.derivedTitle) ?? titleOf(key),
    preview: text(row.lastMessagePreview),
    updatedAtMs: number(row.updatedAt),
    model: text(row.model),
    running: row.hasActiveRun === true,
    unread: row.unread === true,
  };
}

/** `agent:main:main` is "main" to a person; another agent's is told apart by its name. */
export function titleOf(key: string): string {
  const [scope, agent, ...rest] = key.split(":");
  if (scope !== "agent" || !agent || rest.length === 0) return key;
  const own = rest.join(":");
  return agent === "main" ? own : `${agent} · ${own}`;
}

export function modelsOf(reply: unknown): Model[] {
  return objects(object(reply).models).flatMap((model) => {
    const id = text(model.id);
    return id ? [{ id, name: text(model.name) ?? id }] : [];
  });
}

/** The session being looked at comes first into the list even before the gateway has heard of it. */
export function withOpenSession(rows: SessionRow[], key: string): SessionRow[] {
  if (rows.some((row) => row.key === key)) return rows;
  const title = key.endsWith(":main") ? titleOf(key) : "New session";
  return [{ key, title, running: false, unread: false }, ...rows];
}

export function modelInUse(candidates: (string | undefined)[], models: Model[]): Model | undefined {
  const id = candidates.find((candidate) => candidate !== undefined) ?? (models.length === 1 ? models[0]?.id : undefined);
  if (!id) return undefined;
  return models.find((model) => model.id === id) ?? { id, name: id };
}

export function isEcho(model: Model | undefined): boolean {
  return model?.id === ECHO || model?.id === `${ECHO}/${ECHO}`;
}
