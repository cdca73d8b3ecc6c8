// The scenario with the official JavaScript client of protocol 0.3.
//
// node js_0_3.mjs MODULES PLAN     MODULES: where `node_modules` lies; PLAN: the JSON file that server.py wrote
import { randomUUID } from "node:crypto";
import { check, control, expect, load, plan, run, withKey } from "./steps.mjs";

const { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory, TaskNotFoundError } =
  await load("@a2a-js/sdk/client");

const factory = new ClientFactory(
  ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [new JsonRpcTransportFactory({ fetchImpl: withKey })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl: fetch }),
  }),
);
let client;
let card;
let told;

const request = (text, { known = {}, ...params } = {}) => ({
  message: { kind: "message", messageId: randomUUID(), role: "user", parts: [{ kind: "text", text }], ...known },
  ...params,
});
const textOf = (parts) => parts.map((part) => part.text ?? "").join("");
const joined = (artifacts) => {
  expect(artifacts?.length, 1, "artifacts");
  return textOf(artifacts[0].parts);
};
const send = async (asked) => {
  const task = await client.sendMessage(asked);
  expect(task.kind, "task", "kind");
  return task;
};

await run({
  card: async () => {
    card = await new DefaultAgentCardResolver({ fetchImpl: fetch }).resolve(plan.url);
    client = await factory.createFromUrl(plan.url);
    check(card.protocolVersion.startsWith("0.3"), `0.3 is expected, not ${card.protocolVersion}`);
    return `${card.name}, ${card.skills.length} skills, protocol ${card.protocolVersion}`;
  },
  send: async () => {
    const [asked, answer] = plan.hello;
    told = await send(request(asked));
    expect(told.status.state, "completed", "state");
    expect(told.status.message, undefined, "message of a completed status");
    expect(joined(told.artifacts), answer, "answer");
    return `completed: ${answer}`;
  },
  stream: async () => {
    const [asked, story] = plan.story;
    const kinds = [];
    const parts = [];
    const artifacts = new Set();
    let last;
    for await (const event of client.sendMessageStream(request(asked))) {
      kinds.push(event.kind);
      last = event;
      if (event.kind === "artifact-update") {
        artifacts.add(event.artifact.artifactId);
        expect(Boolean(event.append), parts.length > 0, "append, of all chunks but the first");
        parts.push(textOf(event.artifact.parts));
      }
    }
    expect(kinds[0], "task", "first event");
    expect(parts.join(""), story, "chunks in order");
    check(parts.length > 1, "it came in one piece");
    expect(artifacts.size, 1, "artifacts");
    expect([last.status?.state, last.final], ["completed", true], "last state, and whether it is final");
    return `${kinds.length} events, ${parts.length} chunks in order, 1 artifact`;
  },
  get: async () => {
    const task = await client.getTask({ id: told.id });
    expect(joined(task.artifacts), plan.hello[1], "answer");
    return `same answer, ${task.history?.length ?? 0} message`;
  },
  "follow-up": async () => {
    const { ask, metadata, contains, reply, answer } = plan.question;
    const task = await send(request(ask, { metadata }));
    expect(task.status.state, "input-required", "state");
    const asked = textOf(task.status.message.parts);
    check(asked.includes(contains), `the question is ${asked}`);
    const more = await send(request(reply, { known: { taskId: task.id } }));
    expect([more.id, more.contextId], [task.id, task.contextId], "task and context of the follow-up");
    expect(more.status.state, "completed", "state after the follow-up");
    expect(joined(more.artifacts), answer, "answer");
    return `asked '${asked}', then completed`;
  },
  cancel: async () => {
    let id;
    let last;
    for await (const event of client.sendMessageStream(request(plan.wait))) {
      if (event.kind === "task") id = event.id;
      if (event.kind === "artifact-update") {
        const ended = await client.cancelTask({ id });
        expect(ended.status.state, "canceled", "state");
      }
      if (event.kind === "status-update") last = event.status.state;
    }
    expect(last, "canceled", "last state of the open stream");
    await control("/left");
    return "canceled, the stream said so, the upstream was closed";
  },
  resubscribe: async () => {
    const [asked, answer] = plan.slow;
    const leaving = new AbortController();
    let id;
    for await (const event of client.sendMessageStream(request(asked), { signal: leaving.signal })) {
      if (event.kind === "task") id = event.id;
      if (event.kind === "artifact-update") break;
    }
    leaving.abort();
    const kinds = [];
    let text = "";
    for await (const event of client.resubscribeTask({ id })) {
      kinds.push(event.kind);
      if (event.kind === "task") {
        text += joined(event.artifacts);
        await control("/go");
      }
      if (event.kind === "artifact-update") text += textOf(event.artifact.parts);
    }
    expect(kinds[0], "task", "first event");
    expect(text, answer, "what was there and what came after");
    return `task with what was there, then ${kinds.length - 1} events to the end`;
  },
  unknown: async () => {
    const missing = await client.getTask({ id: randomUUID() }).catch((error) => error);
    check(missing instanceof TaskNotFoundError, `a typed error is expected, not ${missing}`);
    return `${missing.constructor.name}: ${missing.message}`;
  },
  push: async () => {
    const url = `${plan.control}/hook/rest`;
    const made = await client.setTaskPushNotificationConfig({
      taskId: told.id,
      pushNotificationConfig: { id: "mine", url, token: "obviously-fake" },
    });
    expect(made.pushNotificationConfig.id, "mine", "its id");
    const which = { id: told.id, pushNotificationConfigId: "mine" };
    const read = await client.getTaskPushNotificationConfig(which);
    expect(read.pushNotificationConfig.url, url, "its address");
    const listed = await client.listTaskPushNotificationConfig({ id: told.id });
    expect(listed.map((each) => each.pushNotificationConfig.id), ["mine"], "configurations");
    await client.deleteTaskPushNotificationConfig(which);
    expect(await client.listTaskPushNotificationConfig({ id: told.id }), [], "configurations after the deletion");
    return "set, read, listed, deleted";
  },
  notification: async () => {
    const name = `js-0-3-${randomUUID()}`;
    const pushNotificationConfig = { url: `${plan.control}/hook/${name}`, token: "obviously-fake" };
    const task = await send(request(plan.hello[0], { configuration: { blocking: true, pushNotificationConfig } }));
    const states = [];
    // Each tells how things stood when it was sent; the last one is what counts.
    while (!states.includes("completed")) {
      const note = await control(`/hooked/${name}`);
      expect(note.headers["x-a2a-notification-token"], "obviously-fake", "token");
      expect([note.body.kind, note.body.id], ["task", task.id], "kind and id");
      states.push(note.body.status.state);
    }
    return `${states.length} told, the last one completed, as the task`;
  },
  extended: async () => {
    check(card.supportsAuthenticatedExtendedCard, "the card offers no extended one");
    const more = await client.getAgentCard();
    check(more.skills.length >= card.skills.length, "it has fewer skills than the card for everybody");
    return `${more.skills.length} skills`;
  },
});
