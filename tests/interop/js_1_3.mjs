// The scenario with the official JavaScript client of protocol 1.0.
//
// node js_1_3.mjs MODULES PLAN     MODULES: where `node_modules` lies; PLAN: the JSON file that server.py wrote
import { randomUUID } from "node:crypto";
import { check, control, expect, load, plan, run, withKey } from "./steps.mjs";

const { Role, StreamResponse, TaskState, verifyAgentCardSignature } = await load("@a2a-js/sdk");
const { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } =
  await load("@a2a-js/sdk/client");
const { TaskNotFoundError } = await load("@a2a-js/sdk/errors");

const factory = new ClientFactory(
  ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [new JsonRpcTransportFactory({ fetchImpl: withKey })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl: fetch }),
  }),
);
let client;
let card;
let told;

const request = (text, { taskId = "", contextId = "", metadata, configuration } = {}) => ({
  tenant: "",
  message: {
    messageId: randomUUID(),
    contextId,
    taskId,
    role: Role.ROLE_USER,
    parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  },
  configuration,
  metadata,
});
const textOf = (parts) => parts.map((part) => (part.content?.$case === "text" ? part.content.value : "")).join("");
const joined = (artifacts) => {
  expect(artifacts.length, 1, "artifacts");
  return textOf(artifacts[0].parts);
};
const send = async (asked) => {
  const task = await client.sendMessage(asked);
  check(task.status, `a task is expected, not ${JSON.stringify(task)}`);
  return task;
};

await run({
  card: async () => {
    card = await new DefaultAgentCardResolver({ fetchImpl: fetch }).resolve(plan.url);
    client = await factory.createFromUrl(plan.url);
    expect(client.protocolVersion, "1.0", "version");
    return `${card.name}, ${card.skills.length} skills, protocol ${client.protocolVersion}`;
  },
  ...(plan.jwks && {
    signature: async () => {
      const { keys } = await (await fetch(plan.jwks)).json();
      // As it came over the wire: the verifier loses the security schemes of a card that the resolver has read already.
      const headers = { "A2A-Version": "1.0" };
      const served = await (await fetch(`${plan.url}/.well-known/agent-card.json`, { headers })).json();
      const kids = [];
      await verifyAgentCardSignature(async (kid, jku) => {
        expect(jku, plan.jwks, "where the card says its key is");
        kids.push(kid);
        return keys.find((key) => key.kid === kid);
      })(served);
      return `ES256 by key ${kids[0]}`;
    },
  }),
  send: async () => {
    const [asked, answer] = plan.hello;
    told = await send(request(asked));
    expect(told.status.state, TaskState.TASK_STATE_COMPLETED, "state");
    expect(told.status.message, undefined, "message of a completed status");
    expect(joined(told.artifacts), answer, "answer");
    return `completed: ${answer}`;
  },
  stream: async () => {
    const [asked, story] = plan.story;
    const kinds = [];
    const parts = [];
    const artifacts = new Set();
    let state;
    for await (const { payload } of client.sendMessageStream(request(asked))) {
      kinds.push(payload.$case);
      if (payload.$case === "artifactUpdate") {
        artifacts.add(payload.value.artifact.artifactId);
        expect(payload.value.append, parts.length > 0, "append, of all chunks but the first");
        parts.push(textOf(payload.value.artifact.parts));
      }
      if (payload.$case === "statusUpdate") state = payload.value.status.state;
    }
    expect(kinds[0], "task", "first event");
    expect(parts.join(""), story, "chunks in order");
    check(parts.length > 1, "it came in one piece");
    expect(artifacts.size, 1, "artifacts");
    expect(state, TaskState.TASK_STATE_COMPLETED, "last state");
    return `${kinds.length} events, ${parts.length} chunks in order, 1 artifact`;
  },
  get: async () => {
    const task = await client.getTask({ tenant: "", id: told.id, historyLength: 0 });
    expect(joined(task.artifacts), plan.hello[1], "answer");
    expect(task.history.length, 0, "history");
    return "same answer, no history";
  },
  list: async () => {
    const page = await client.listTasks({
      tenant: "",
      contextId: told.contextId,
      status: TaskState.TASK_STATE_UNSPECIFIED,
      pageSize: 5,
      pageToken: "",
      historyLength: undefined,
      statusTimestampAfter: undefined,
      includeArtifacts: false,
    });
    expect(page.tasks.map((task) => task.id), [told.id], "tasks of this context");
    expect(page.tasks[0].artifacts.length, 0, "artifacts that were not asked for");
    return `${page.totalSize} of this context`;
  },
  "follow-up": async () => {
    const { ask, metadata, contains, reply, answer } = plan.question;
    const task = await send(request(ask, { metadata }));
    expect(task.status.state, TaskState.TASK_STATE_INPUT_REQUIRED, "state");
    const asked = textOf(task.status.message.parts);
    check(asked.includes(contains), `the question is ${asked}`);
    const more = await send(request(reply, { taskId: task.id }));
    expect([more.id, more.contextId], [task.id, task.contextId], "task and context of the follow-up");
    expect(more.status.state, TaskState.TASK_STATE_COMPLETED, "state after the follow-up");
    expect(joined(more.artifacts), answer, "answer");
    return `asked '${asked}', then completed`;
  },
  cancel: async () => {
    let id;
    let last;
    for await (const { payload } of client.sendMessageStream(request(plan.wait))) {
      if (payload.$case === "task") id = payload.value.id;
      if (payload.$case === "artifactUpdate") {
        const ended = await client.cancelTask({ tenant: "", id, metadata: undefined });
        expect(ended.status.state, TaskState.TASK_STATE_CANCELED, "state");
      }
      if (payload.$case === "statusUpdate") last = payload.value.status.state;
    }
    expect(last, TaskState.TASK_STATE_CANCELED, "last state of the open stream");
    await control("/left");
    return "canceled, the stream said so, the upstream was closed";
  },
  resubscribe: async () => {
    const [asked, answer] = plan.slow;
    const leaving = new AbortController();
    let id;
    for await (const { payload } of client.sendMessageStream(request(asked), { signal: leaving.signal })) {
      if (payload.$case === "task") id = payload.value.id;
      if (payload.$case === "artifactUpdate") break;
    }
    leaving.abort();
    const kinds = [];
    let text = "";
    for await (const { payload } of client.resubscribeTask({ tenant: "", id })) {
      kinds.push(payload.$case);
      if (payload.$case === "task") {
        text += joined(payload.value.artifacts);
        await control("/go");
      }
      if (payload.$case === "artifactUpdate") text += textOf(payload.value.artifact.parts);
    }
    expect(kinds[0], "task", "first event");
    expect(text, answer, "what was there and what came after");
    return `task with what was there, then ${kinds.length - 1} events to the end`;
  },
  unknown: async () => {
    const missing = await client.getTask({ tenant: "", id: randomUUID() }).catch((error) => error);
    check(missing instanceof TaskNotFoundError, `a typed error is expected, not ${missing}`);
    return `${missing.name}: ${missing.message}`;
  },
  push: async () => {
    const wanted = {
      tenant: "",
      id: "mine",
      taskId: told.id,
      url: `${plan.control}/hook/rest`,
      token: "obviously-fake",
      authentication: undefined,
    };
    const made = await client.createTaskPushNotificationConfig(wanted);
    const which = { tenant: "", taskId: told.id, id: made.id };
    const read = await client.getTaskPushNotificationConfig(which);
    expect([read.id, read.url], [made.id, wanted.url], "configuration");
    const every = { tenant: "", taskId: told.id, pageSize: 10, pageToken: "" };
    const { configs } = await client.listTaskPushNotificationConfig(every);
    expect(configs.map((each) => each.id), [made.id], "configurations");
    await client.deleteTaskPushNotificationConfig(which);
    const left = await client.listTaskPushNotificationConfig(every);
    expect(left.configs.length, 0, "configurations after the deletion");
    return "created, read, listed, deleted";
  },
  notification: async () => {
    const name = `js-1-3-${randomUUID()}`;
    const configuration = {
      acceptedOutputModes: [],
      returnImmediately: false,
      taskPushNotificationConfig: {
        tenant: "",
        id: "",
        taskId: "",
        url: `${plan.control}/hook/${name}`,
        token: "obviously-fake",
        authentication: undefined,
      },
    };
    const task = await send(request(plan.hello[0], { configuration }));
    const states = [];
    let kind;
    // Each tells how things stood when it was sent; the last one is what counts.
    while (!states.includes(TaskState.TASK_STATE_COMPLETED)) {
      const note = await control(`/hooked/${name}`);
      expect(note.headers["x-a2a-notification-token"], "obviously-fake", "token");
      const { payload } = StreamResponse.fromJSON(note.body);
      kind = payload.$case;
      if (kind === "artifactUpdate") continue;
      expect(kind === "task" ? payload.value.id : payload.value.taskId, task.id, "task");
      states.push(payload.value.status.state);
    }
    return `${states.length} told, the last one completed, as ${kind}`;
  },
  extended: async () => {
    check(card.capabilities.extendedAgentCard, "the card offers no extended one");
    const more = await client.getAgentCard();
    check(more.skills.length >= card.skills.length, "it has fewer skills than the card for everybody");
    return `${more.skills.length} skills`;
  },
});
