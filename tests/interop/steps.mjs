// What every JavaScript client of the scenario shares: a plan read, steps run, and each told as a JSON line in a file.
import { appendFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { pathToFileURL } from "node:url";

const [modules, planFile] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/package.json`));
export const load = (name) => import(pathToFileURL(require.resolve(name)));
export const plan = JSON.parse(readFileSync(planFile, "utf-8"));

export const withKey = (url, given = {}) => {
  const headers = new Headers(given.headers);
  headers.set("authorization", `Bearer ${plan.key}`);
  return fetch(url, { ...given, headers });
};

export function check(holds, what) {
  if (!holds) throw new Error(what);
}

export function expect(seen, wanted, what) {
  check(isDeepStrictEqual(seen, wanted), `${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`);
}

export async function control(path) {
  const answer = await fetch(plan.control + path, { method: "POST" });
  check(answer.ok, `${path}: ${await answer.clone().text()}`);
  return answer.json();
}

// Each step in turn, whatever became of the ones before it. A library may print, so none is told on stdout.
export async function run(steps) {
  let failed = 0;
  for (const [step, does] of Object.entries(steps)) {
    let told;
    try {
      told = { step, ok: true, saw: await does() };
    } catch (failure) {
      console.error(failure);
      told = { step, ok: false, saw: String(failure) };
      failed = 1;
    }
    appendFileSync(plan.told, `${JSON.stringify(told)}\n`);
  }
  process.exit(failed);
}
