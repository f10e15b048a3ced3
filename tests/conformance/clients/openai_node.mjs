// openai-node, with its Azure client at the dated addresses and its plain one at /openai/v1.
import { AzureOpenAI, OpenAI, toFile } from "openai";

const { ENDPOINT, KEY } = process.env;
const BASE = "gpt-4.1-nano-2025-04-14";
const line = (n) =>
  JSON.stringify({ messages: [{ role: "user", content: `Say ${n}` }, { role: "assistant", content: `${n}!` }] });
const lines = Buffer.from([...Array(12).keys()].map((n) => line(n) + "\n").join(""));
let failed = false;

async function step(name, act) {
  try {
    const answer = await act();
    console.log(`ok ${name}`);
    return answer;
  } catch (error) {
    failed = true;
    console.log(`FAILED ${name}: ${error}`);
  }
}

function holds(what) {
  if (!what) throw new Error("not so");
}

async function until(condition) {
  for (let tries = 0; tries < 600; tries++) {
    const answer = await condition();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("not so after 120 s");
}

async function all(page) {
  const found = [];
  for await (const item of page) found.push(item);
  return found;
}

async function deploy(name, model) {
  const place = `/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a/deployments/${name}`;
  const body = { sku: { name: "Standard", capacity: 1 }, properties: { model: { format: "OpenAI", name: model } } };
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const ask = (init) => fetch(`${ENDPOINT}${place}?api-version=2024-10-01`, { headers, ...init }).then((r) => r.json());
  await ask({ method: "PUT", body: JSON.stringify(body) });
  await until(async () => (await ask({})).properties.provisioningState === "Succeeded");
}

const clients = {
  "v1": new OpenAI({ baseURL: `${ENDPOINT}/openai/v1/`, apiKey: KEY }),
  "dated": new AzureOpenAI({ endpoint: ENDPOINT, apiKey: KEY, apiVersion: "2024-10-21" }),
};
for (const [where, client] of Object.entries(clients)) {
  const file = await step(`${where}: files.create`, async () =>
    client.files.create({ file: await toFile(lines, "t.jsonl"), purpose: "fine-tune" }));
  await step(`${where}: files.retrieve`, () =>
    until(async () => (await client.files.retrieve(file.id)).status === "processed"));
  await step(`${where}: files.content`, async () => holds((await (await client.files.content(file.id)).text()).length));
  const job = await step(`${where}: jobs.create`, () =>
    client.fineTuning.jobs.create({ model: BASE, training_file: file.id, hyperparameters: { n_epochs: 1 } }));
  const done = await step(`${where}: jobs.retrieve`, () =>
    until(async () => {
      const now = await client.fineTuning.jobs.retrieve(job.id);
      return now.status === "succeeded" && now;
    }));
  await step(`${where}: jobs.list`, async () => holds((await all(client.fineTuning.jobs.list())).length));
  await step(`${where}: jobs.listEvents`, async () => holds((await all(client.fineTuning.jobs.listEvents(job.id))).length));
  await step(`${where}: jobs.checkpoints.list`, async () =>
    holds((await all(client.fineTuning.jobs.checkpoints.list(job.id))).length));
  await step(`${where}: models.list`, async () => holds((await all(client.models.list())).length));
  await deploy(`node-${where}`, done.fine_tuned_model);
  const asked = { model: `node-${where}`, messages: [{ role: "user", content: "Say 3" }], max_tokens: 8 };
  await step(`${where}: chat.completions.create`, async () =>
    holds((await client.chat.completions.create(asked)).choices[0].message.content));
  await step(`${where}: chat, streamed`, async () => {
    const chunks = await all(await client.chat.completions.create({ ...asked, stream: true }));
    holds(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""));
  });
}
await step("v1: responses.create", async () =>
  holds((await clients.v1.responses.create({ model: "node-v1", input: "Say 3" })).output_text));
process.exit(failed ? 1 : 0);
