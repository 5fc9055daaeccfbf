// SHA-256 of every file in a folder, one at a time; asks before it publishes the list.
import { createHash } from "node:crypto";
import * as fs from "node:fs";

const run = process.env.LONGWATCH_RUN_DIR;
const folder = process.argv[2] ?? "docs";
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));

function put(file, text) { // the whole text or none of it, also after a power cut
  const temporary = `${file}.tmp-${process.pid}-1`;
  fs.writeFileSync(temporary, text, { flush: true });
  fs.renameSync(temporary, file);
}

function canonical(value) { // sorted keys, no blanks: what hashes are taken of
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
}

const files = fs.readdirSync(folder).sort().map((name) => `${folder}/${name}`);

function progress(status, stage, index, completed) {
  const step = { completed, total: files.length, unit: "files" };
  const seen = { status, stage: { name: stage, index, total: 2 }, step };
  put(`${run}/progress.json`, JSON.stringify(seen));
}

// The state: file → checksum. Only the supervisor says what to resume from.
const from = process.env.LONGWATCH_RESUME_FROM;
const sums = from ? read(from) : {};
files.forEach((file, completed) => {
  progress("running", "hash", 1, completed);
  if (file in sums) return;
  sums[file] = sha256(fs.readFileSync(file));
  put(`${run}/checkpoint.json`, JSON.stringify(sums));
});

const text = files.map((file) => `${sums[file]}  ${file}\n`).join("");
const question = {
  kind: "approve",
  title: `Publish ${files.length} checksums?`,
  action: { write: "SHA256SUMS", sha256: sha256(text) }, // what exactly a yes allows
};
const { kind, title, action, options = [] } = question;
const hash = sha256(canonical({ kind, title, action, options }));
const id = `publish-${hash.slice(0, 12)}`; // the same in every attempt
const asked = `${run}/requests/${id}.json`;
const answered = `${run}/answers/${id}.json`;

fs.mkdirSync(`${run}/requests`, { recursive: true });
if (!fs.existsSync(asked)) put(asked, JSON.stringify(question));
if (!fs.existsSync(answered)) {
  progress("parked", "publish", 2, files.length);
  process.exit(75); // parked: started again when there is an answer, nothing runs until then
}
const answer = read(answered);
if (answer.request_sha256 !== hash) {
  console.error(`${answered} is for another question`);
  process.exit(65); // permanent
}
progress("running", "publish", 2, files.length);
if (answer.allow === true) put("SHA256SUMS", text);
progress("done", "publish", 2, files.length);
