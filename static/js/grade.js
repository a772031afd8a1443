// The grading page: keys and taps, the next images ready before they are needed, and grades that leave through
// the outbox. Without this module the page is a plain form that works.

import { Outbox } from "./outbox.js";
import { Pictures } from "./pictures.js";
import { Viewer } from "./viewer.js";

const RETRY_IMAGE = 2000; // ms
const PICTURES_BACK = 3; // decoded images kept behind the one on the screen

const page = JSON.parse(document.getElementById("page").textContent);
const find = (name) => document.querySelector(`[data-${name}]`);
const gradesForm = find("grades");
const undoButton = find("undo").querySelector("button");
const sheets = { reasons: document.getElementById("reasons"), help: document.getElementById("help"), lights: document.getElementById("lights") };

const ahead = []; // cards still to grade; ahead[0] is next
const back = page.back.reverse(); // cards graded, the latest last
let cursor = null; // index in `back` while looking back
let done = page.progress.done;
let shownAt = null; // when the image on the screen was painted; null while it is not
let loading = null;

const pictures = new Pictures(find("stage"));
const viewer = new Viewer({
  stage: find("stage"),
  picture: find("picture"),
  lights: find("lights"),
  scale: find("scale"),
  fetchDetail: async () => {
    const hasMore = current().long_side > Math.max(viewer.image.naturalWidth, viewer.image.naturalHeight);
    return hasMore ? pictures.inFull(current()).catch(() => null) : null;
  },
});
const outbox = await Outbox.open(page.outbox, page.csrf_cookie, {
  changed: (count) => (document.body.dataset.unsaved = count),
  saved: () => note(""),
  waiting: (count) => note(`${count} waiting to be saved. Go on grading; nothing is lost.`),
  signedOut: (count) => note(`Your session has ended; ${count} waiting to be saved.`, { offerSignIn: true }),
  refused(sentence) {
    note(sentence);
    restart();
  },
});

// The queue

const current = () => (cursor === null ? ahead[0] : back[cursor]);

function receive(answer) {
  const known = new Set(ahead.map((card) => card.id));
  for (const card of answer.upcoming) {
    if (!known.has(card.id) && !outbox.holds(card.id)) ahead.push(card);
  }
  prefetch();
}

function prefetch() {
  const near = [...back.slice(-PICTURES_BACK), ...ahead.slice(0, page.ahead)];
  pictures.keepOnly(current() ? [...near, current()] : near);
  for (const card of ahead.slice(0, page.ahead)) pictures.of(card).catch(() => {});
}

function loadMore() {
  loading ??= fetchQueue().finally(() => {
    loading = null;
  });
  return loading;
}

async function fetchQueue() {
  const after = ahead.at(-1)?.id ?? "";
  const response = await fetch(`${page.queue}?after=${after}`, { redirect: "manual" }).catch(() => null);
  if (response?.ok) receive(await response.json());
}

/** Begin again from what the server knows. */
async function restart() {
  ahead.length = 0;
  cursor = null;
  await loadMore();
  show();
}

// The image on the screen

async function show() {
  shownAt = null;
  delete find("picture").dataset.painted;
  showPlace();
  if (!ahead.length) await loadMore();
  const card = current();
  if (!card) return finish();
  if (ahead.length < page.ahead) loadMore();
  prefetch();
  await paint(card);
}

function showPlace() {
  const { total } = page.progress;
  find("progress").textContent = cursor === null ? `${Math.min(done + 1, total)} of ${total}` : `${back.length - cursor} back`;
  find("bar").value = done;
  undoButton.disabled = !back.length;
  const given = cursor === null ? null : String(back[cursor].grade ?? back[cursor].not_gradable);
  for (const button of gradesForm.querySelectorAll("button[name]")) {
    button.classList.toggle("given", button.value === given);
    button.toggleAttribute("aria-current", button.value === given);
  }
}

async function paint(card) {
  try {
    const image = await pictures.of(card);
    if (current() !== card) return;
    viewer.show(image);
    requestAnimationFrame(() => requestAnimationFrame(() => painted(card)));
  } catch {
    note("The image could not be fetched. Trying again.", { offerSignIn: true });
    setTimeout(() => current() === card && paint(card), RETRY_IMAGE);
  }
}

function painted(card) {
  if (current() !== card) return;
  shownAt = performance.now();
  find("picture").dataset.painted = "";
}

async function finish() {
  await outbox.send();
  if (outbox.entries.length) setTimeout(finish, RETRY_IMAGE);
  else location.reload();
}

// What the reader does

function give(button, inputKind) {
  if (shownAt === null) return; // never a grade for an image that was not seen
  const card = cursor === null ? ahead.shift() : back.splice(cursor, 1)[0];
  const label = { grade: "", not_gradable: "", [button.name]: button.value };
  outbox.add(card.id, card.label, { version: card.version, ...label, note: takeNote(), ...viewing(inputKind) });
  back.push({ ...card, version: card.version + 1, ...label });
  if (cursor === null) done += 1;
  cursor = null;
  closeSheets();
  say(`Graded ${button.dataset.name.toLowerCase()}, image ${done} of ${page.progress.total}`);
  show();
}

function viewing(inputKind) {
  return {
    visible_ms: Math.round(performance.now() - shownAt),
    zoom: viewer.widest.toFixed(2),
    viewport_width: innerWidth,
    viewport_height: innerHeight,
    pixel_ratio: devicePixelRatio,
    input_kind: inputKind,
  };
}

function takeNote() {
  const { note: input } = gradesForm.elements;
  const text = input.value;
  input.value = "";
  return text;
}

function undo() {
  const card = back.pop();
  if (!card) return;
  outbox.add(card.id, card.undo, { version: card.version });
  ahead.unshift({ ...card, version: card.version + 1 });
  cursor = null;
  done -= 1;
  say("Taken back. This is its image again.");
  show();
}

/** Look at an older (-1) or a newer (+1) graded image; the newest leads back to the one to grade. */
function look(step) {
  const place = (cursor ?? back.length) + step;
  if (place < 0 || place > back.length) return;
  cursor = place === back.length ? null : place;
  say(cursor === null ? "Back at the image to grade." : "An image you graded. Another grade replaces it.");
  show();
}

function say(sentence) {
  find("said").textContent = sentence;
  find("said").hidden = false;
  find("status").textContent = sentence;
}

function note(sentence, { offerSignIn = false } = {}) {
  find("notice").hidden = !sentence;
  find("notice-text").textContent = sentence;
  find("sign-in").hidden = !offerSignIn;
}

function isOpen(sheet) {
  return sheet.matches(":popover-open");
}

function closeSheets() {
  for (const sheet of Object.values(sheets)) if (isOpen(sheet)) sheet.hidePopover();
}

function toggle(sheet) {
  const wasOpen = isOpen(sheet);
  closeSheets();
  if (!wasOpen) sheet.showPopover();
}

// Keys and taps

const KEYS = {
  n: () => toggle(sheets.reasons),
  "?": () => toggle(sheets.help),
  b: () => toggle(sheets.lights),
  u: undo,
  backspace: undo,
  arrowleft: () => look(-1),
  arrowright: () => look(+1),
  "+": () => viewer.zoomIn(),
  "=": () => viewer.zoomIn(),
  "-": () => viewer.zoomOut(),
  z: () => viewer.toggleActualSize(),
  0: () => viewer.fit(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input")) return;
  const group = isOpen(sheets.reasons) ? sheets.reasons : find("row");
  const button = isOpen(sheets.help) ? null : group.querySelectorAll("button[name]")[event.key - 1];
  const action = button ? () => give(button, "keyboard") : KEYS[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

let pointerKind = "keyboard"; // of the press that a click came from; none means Enter or Space
gradesForm.addEventListener("pointerdown", (event) => {
  pointerKind = event.pointerType;
});
gradesForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter?.name) give(event.submitter, pointerKind);
  pointerKind = "keyboard";
});
find("undo").addEventListener("submit", (event) => {
  event.preventDefault();
  undo();
});
for (const button of document.querySelectorAll("[data-look]")) {
  button.addEventListener("click", () => look(Number(button.dataset.look)));
}
document.addEventListener("keydown", onKey);

outbox.send();
receive(page);
show();
