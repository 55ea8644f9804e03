// Serve aimock with one answer to every message, in chunks of one word; print its port. See providers.py.
import { pathToFileURL } from "node:url";

const [folder, content] = process.argv.slice(2);
const { LLMock } = await import(pathToFileURL(`${folder}/dist/index.js`).href);
const mock = new LLMock({ port: 0, chunkSize: 6, logLevel: "silent" });
mock.onMessage(/./, { content });
await mock.start();
console.log(new URL(mock.url).port);
