// A client of the original's dialect, written from its documents. Runs with nothing but Node's own fetch:
//
//     node original_client.mts URL KEY
//
// Prints one JSON object of what it saw.

interface Task { id: string; state: "submitted" | "working" | "completed" | "failed" | "cancelled" }
interface Artifact { type: string; content: string }
interface Metadata {
  routing_explanation: string;
  cost_envelope: { estimated: number; actual: number; currency: string };
  resilience_trace: { event: string; provider: string; timestamp: string }[];
  policy_verdict: { allowed: boolean; reason: string };
  error?: string;
}
interface Result { task: Task; artifacts: Artifact[]; metadata: Metadata }
interface Notice { task: Task; chunk?: Artifact; metadata?: Metadata }
interface Envelope<T> { jsonrpc: "2.0"; id: string; result?: T; error?: { code: number; message: string } }

const [url, key] = process.argv.slice(2);
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
let count = 0;

function post(method: string, params: object): Promise<Response> {
  count += 1;
  const body = JSON.stringify({ jsonrpc: "2.0", id: `${method}-${count}`, method, params });
  return fetch(`${url}/a2a`, { method: "POST", headers, body });
}

async function call<T>(method: string, params: object): Promise<T> {
  const answer = (await (await post(method, params)).json()) as Envelope<T>;
  if (answer.error) throw new Error(`[${answer.error.code}] ${answer.error.message}`);
  return answer.result as T;
}

const asks = (skill: string, text: string, metadata?: object) => ({
  skill,
  messages: [{ role: "user", content: text }],
  ...(metadata && { metadata }),
});

// Like the documented reader: whatever one read brings is taken for whole lines.
async function* notices(params: object): AsyncGenerator<Notice> {
  const reader = (await post("message/stream", params)).body!.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const line of decoder.decode(value).split("\n")) {
      if (line.startsWith("data: ")) yield (JSON.parse(line.slice(6)) as { params: Notice }).params;
    }
  }
}

const card = (await (await fetch(`${url}/.well-known/agent.json`)).json()) as { name: string; skills: { id: string }[] };

const sent = await call<Result>("message/send", asks("smart-routing", "Say hello.", { model: "auto", role: "coding" }));
const summed: number = sent.metadata.cost_envelope.actual + sent.metadata.cost_envelope.actual;
const quota = await call<Result>("message/send", asks("quota-management", "Suggest free combos for documentation."));

let text = "";
const states: string[] = [];
let last: Metadata | undefined;
for await (const { task, chunk, metadata } of notices(asks("smart-routing", "Tell a story."))) {
  if (chunk) text += chunk.content;
  if (states.at(-1) !== task.state) states.push(task.state);
  if (metadata) last = metadata;
}

const refused = await call<Result>("message/send", asks("smart-routing", "Say hello.", { budget: 0.0000001 }));
const again = await call<{ task: Task }>("tasks/get", { taskId: sent.task.id });
const faults: Record<string, string> = {};
for (const [name, method, params] of [
  ["skill", "message/send", asks("no-such-skill", "Hello")],
  ["task", "tasks/get", { taskId: "no-such-task" }],
  ["over", "tasks/cancel", { taskId: sent.task.id }],
  ["params", "message/send", { skill: "smart-routing" }],
] as const) {
  faults[name] = await call(method, params).then(() => "none", (fault: Error) => fault.message.split(" ")[0]);
}

console.log(JSON.stringify({
  name: card.name,
  skills: card.skills.map(({ id }) => id),
  said: sent.artifacts[0].content,
  state: sent.task.state,
  explained: sent.metadata.routing_explanation,
  summed,
  events: sent.metadata.resilience_trace.map(({ event }) => event),
  quota: quota.artifacts[0].content,
  text,
  states,
  streamed: typeof last?.cost_envelope.actual,
  allowed: refused.metadata.policy_verdict.allowed,
  again: again.task.state,
  faults,
}));
