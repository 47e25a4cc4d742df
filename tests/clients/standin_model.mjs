// A stand-in for a hosted model, speaking OpenAI's chat completions over HTTP: it streams word by word, as one does,
// and fails or stalls when the last message asks for it. Argument: a port. Prints a line when it listens.
//
//   "... fail ..."   HTTP 500 with OpenAI's error object
//   "... slow ..."   forty words, one each 250 ms
//   anything else    "echo: <the last line of the last message>"
import http from "node:http";

const WORD_MS = 10;
const SLOW_WORD_MS = 250;

const textOf = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join(" ");

const answerTo = (body) => {
  const last = (body.messages ?? []).filter((message) => message.role === "user").at(-1);
  const text = textOf(last?.content).trimEnd();
  if (/\bslow\b/.test(text)) return { words: Array.from({ length: 40 }, () => "slow "), pause: SLOW_WORD_MS };
  return { words: `echo: ${text.split("\n").at(-1)}`.split(/(?<= )/), pause: WORD_MS, fails: /\bfail\b/.test(text) };
};

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

const stream = async (response, body, { words, pause }) => {
  response.setHeader("content-type", "text/event-stream");
  const send = (chunk) => {
    const common = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: body.model };
    response.write(`data: ${JSON.stringify({ ...common, ...chunk })}\n\n`);
  };
  const choice = (delta, finish_reason = null) => send({ choices: [{ index: 0, delta, finish_reason }] });
  choice({ role: "assistant", content: "" });
  for (const word of words) {
    if (response.destroyed) return;
    choice({ content: word });
    await new Promise((wake) => setTimeout(wake, pause));
  }
  choice({}, "stop");
  send({ choices: [], usage });
  response.end("data: [DONE]\n\n");
};

const json = (response, status, body) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
};

const server = http.createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  if (request.url.endsWith("/models")) return json(response, 200, { object: "list", data: [{ id: "echo", object: "model" }] });
  const body = JSON.parse(text || "{}");
  const answer = answerTo(body);
  if (answer.fails) return json(response, 500, { error: { message: "the model exploded", type: "server_error" } });
  if (body.stream) return stream(response, body, answer);
  const message = { role: "assistant", content: answer.words.join("") };
  const choices = [{ index: 0, message, finish_reason: "stop" }];
  json(response, 200, { id: "chatcmpl-1", object: "chat.completion", created: 1, model: body.model, choices, usage });
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
