// Lists and calls every tool with the official TypeScript client, over stdio and streamable HTTP.
//
// node typescript.mjs MODULES PLAN     PLAN: a JSON file with `calls`, `command`, `args`, `env`, `url` and `key`
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, planFile] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/package.json`));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const plan = JSON.parse(readFileSync(planFile, "utf-8"));

const ways = {
  stdio: () => new StdioClientTransport({ command: plan.command, args: plan.args, env: plan.env }),
  http: () =>
    new StreamableHTTPClientTransport(new URL(plan.url), {
      requestInit: { headers: { authorization: `Bearer ${plan.key}` } },
    }),
};

for (const [way, transport] of Object.entries(ways)) {
  const client = new Client({ name: "every-tool", version: "1.0.0" });
  await client.connect(transport());
  const listed = (await client.listTools()).tools.map((tool) => tool.name);
  const missing = Object.keys(plan.calls).filter((name) => !listed.includes(name));
  if (missing.length || listed.length !== Object.keys(plan.calls).length) {
    throw new Error(`${way}: listed ${listed}`);
  }
  let request = "";
  for (const [name, given] of Object.entries(plan.calls)) {
    const filled = JSON.parse(JSON.stringify(given).replace("$REQUEST", request));
    // The client itself checks structuredContent against the tool's output schema.
    const result = await client.callTool({ name, arguments: filled });
    if (result.isError || !result.structuredContent) {
      throw new Error(`${way}: ${name}: ${JSON.stringify(result.content)}`);
    }
    request = result.structuredContent.request_id ?? request;
  }
  await client.close();
  console.log(`passed: ${listed.length} tools listed and called over ${way}`);
}
