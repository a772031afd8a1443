// Sends files in pieces. Without this module the form sends them at once, without progress.

import { all, need } from "../../site/elements.js";

const PIECE = 4 * 2 ** 20; // bytes: at 1 Mbit/s half a minute, so a lost connection costs little
const HASHED_WHOLE = 64 * 2 ** 20; // bytes: all photographs
const PATIENCE = [1000, 3000, 10000, 30000]; // ms before trying again

const form = need("[data-upload]", HTMLFormElement);
const sending = need("[data-sending]", HTMLElement);
const bar = need("progress", HTMLProgressElement, sending);
const status = need("[data-status]", HTMLElement, sending);
const token = need("[name=csrfmiddlewaretoken]", HTMLInputElement, form).value;

class RefusedError extends Error {}

/**
 * Ask until there is an answer; a refusal in words is thrown.
 * @param {string} address
 * @param {RequestInit} options
 */
async function ask(address, options = {}) {
  for (let turn = 0; ; turn += 1) {
    const response = await fetch(address, { redirect: "manual", headers: { "X-CSRFToken": token }, ...options }).catch(() => null);
    if (response?.ok) return response.json();
    if (response && (response.status === 409 || response.status === 422)) throw new RefusedError((await response.json()).detail);
    if (response?.type === "opaqueredirect" || response?.status === 403) throw new RefusedError("You are signed out. Sign in again, then choose the same files.");
    if (turn === PATIENCE.length) throw new RefusedError("The server can't be reached. Choose the same files later: it goes on from here.");
    status.textContent = "The connection is gone. Trying again…";
    await new Promise((resolve) => setTimeout(resolve, PATIENCE[turn]));
  }
}

/**
 * Return a hash of a file's bytes, of a large zip's both ends, so that the server knows it from another of its name and
 * size. Browsers compute none on an address without https: then the date of the last change stands for it.
 * @param {File} file
 */
async function markOf(file) {
  if (!globalThis.crypto?.subtle) return `changed-${file.lastModified}`;
  const isWhole = file.size <= HASHED_WHOLE;
  const bytes = isWhole ? file : new Blob([file.slice(0, PIECE), file.slice(-PIECE)]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await bytes.arrayBuffer()));
  const digits = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return isWhole ? digits : `ends-${digits.slice(0, 48)}`;
}

/**
 * @param {File} file
 * @param {string} upload the address
 * @param {(bytes: number) => void} onSent
 */
async function send(file, upload, onSent) {
  const name = pathOf(file);
  const size = String(file.size);
  const mark = await markOf(file);
  /** @param {number} offset */
  const place = (offset) => `${upload}?${new URLSearchParams({ name, size, mark, offset: String(offset) })}`;
  let { here } = await ask(place(0));
  onSent(here);
  if (here === file.size && file.size) return;
  do {
    const before = here;
    ({ here } = await ask(place(here), { method: "POST", body: file.slice(here, here + PIECE) }));
    onSent(here - before);
  } while (here < file.size);
}

/** @param {File} file */
const pathOf = (file) => file.webkitRelativePath || file.name;

/**
 * Compare two files' paths folder by folder, as the command goes through them: of a file that comes twice the first name counts.
 * @param {File} one
 * @param {File} other
 */
function inOrder(one, other) {
  const [first, second] = [one, other].map((file) => pathOf(file).split("/"));
  const differ = first.findIndex((part, place) => part !== second[place]);
  if (differ < 0) return 0;
  return first[differ] < (second[differ] ?? "") ? -1 : 1;
}

/** @param {File[]} files */
async function sendAll(files) {
  sending.hidden = false;
  const { upload, progress } = await ask(form.dataset.upload ?? "", { method: "POST" });
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const refused = [];
  let sent = 0;
  for (const [number, file] of files.entries()) {
    /** @param {number} more */
    const show = (more) => {
      sent += more;
      bar.value = bytes ? sent / bytes : 1;
      status.textContent = `${number + 1} of ${files.length} files, ${Math.round((100 * sent) / (bytes || 1))} % sent: ${file.name}`;
    };
    try {
      await send(file, upload, show);
    } catch (error) {
      if (!(error instanceof RefusedError) || /signed out|reached/.test(error.message)) throw error;
      refused.push(`${pathOf(file)}: ${error.message}`);
    }
  }
  if (refused.length) return say(refused.join(" "), progress);
  await finish(progress);
}

/**
 * @param {string} words
 * @param {string} progress the address of the import's page
 */
function say(words, progress) {
  status.textContent = words;
  const link = Object.assign(document.createElement("a"), { href: progress, textContent: "See what came." });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    finish(progress);
  });
  status.append(" ", link);
}

/** @param {string} progress */
async function finish(progress) {
  await fetch(`${progress}finish/`, { method: "POST", redirect: "manual", headers: { "X-CSRFToken": token } });
  location.assign(progress);
}

need("[data-folder]", HTMLElement, form).hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const inputs = all("input[type=file]", HTMLInputElement, form);
  const files = inputs.flatMap((input) => [...(input.files ?? [])]).sort(inOrder);
  if (!files.length) return;
  const button = need("button", HTMLButtonElement, form);
  button.disabled = true;
  sendAll(files).catch((error) => {
    status.textContent = error.message;
    button.disabled = false;
  });
});
