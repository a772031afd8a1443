// The grading page: keys, the next images fetched and decoded ahead, and grades that leave through the outbox.
// Without this module the page is a plain form that works.

import { Outbox } from "./outbox.js";

const page = JSON.parse(document.getElementById("page").textContent);
const find = (name) => document.querySelector(`[data-${name}]`);
const gradesForm = find("grades");
const undoForm = find("undo");
const undoButton = undoForm.querySelector("button");
const reasons = document.getElementById("reasons");
const help = document.getElementById("help");
const csrfToken = gradesForm.elements.csrfmiddlewaretoken.value;

const cards = []; // cards[0] is on the screen
let last = page.last; // what undo takes back
let done = page.progress.done;
let shownAt = null; // when the image on the screen was painted; null while it is not
let loading = null;

const outbox = new Outbox(page.outbox, csrfToken, {
  saved: () => note(""),
  refused(sentence) {
    note(sentence);
    restart();
  },
  waiting: (count) => note(`${count} ${count === 1 ? "grade is" : "grades are"} waiting to be saved. Go on; they are kept here.`),
  signedOut: (count) => note(`Your session has ended. Sign in again in another tab; ${count} waiting to be saved are kept here.`),
});

// The queue of images

function receive(answer) {
  const known = new Set(cards.map((card) => card.id));
  for (const card of answer.upcoming) {
    if (!known.has(card.id) && !outbox.holds(card.id)) cards.push(card);
  }
  for (const card of cards.slice(0, page.ahead)) card.picture ??= decode(card);
}

/** Fetch and decode an image; it lives in this tab's memory only. */
async function decode(card) {
  const response = await fetch(card.image, { redirect: "manual" });
  if (!response.ok) throw new Error(`image: ${response.status}`);
  const picture = new Image();
  picture.alt = "The selfie to grade";
  picture.src = URL.createObjectURL(await response.blob());
  await picture.decode();
  return picture;
}

function loadMore() {
  loading ??= fetchQueue().finally(() => (loading = null));
  return loading;
}

async function fetchQueue() {
  const after = cards.at(-1)?.id ?? "";
  const response = await fetch(`${page.queue}?after=${after}`, { redirect: "manual" }).catch(() => null);
  if (response?.ok) receive(await response.json());
}

/** Begin again from what the server knows. */
async function restart() {
  cards.splice(0).forEach(forget);
  await loadMore();
  show();
}

function forget(card) {
  card.picture?.then((picture) => URL.revokeObjectURL(picture.src)).catch(() => {});
  card.picture = undefined;
}

// The image on the screen

async function show() {
  shownAt = null;
  delete find("picture").dataset.painted;
  undoButton.disabled = !last;
  find("progress").textContent = `${Math.min(done + 1, page.progress.total)} of ${page.progress.total}`;
  find("bar").value = done;
  if (!cards.length) await loadMore();
  if (!cards.length) return finish();
  const card = cards[0];
  if (cards.length < page.ahead) loadMore();
  await paint(card);
}

async function paint(card) {
  card.picture ??= decode(card);
  try {
    const picture = await card.picture;
    if (cards[0] !== card) return;
    find("picture").replaceChildren(picture);
    requestAnimationFrame(() => requestAnimationFrame(() => painted(card)));
  } catch {
    card.picture = undefined;
    note("The image could not be fetched. Trying again.");
    setTimeout(() => cards[0] === card && paint(card), 2000);
  }
}

function painted(card) {
  if (cards[0] !== card) return;
  shownAt = performance.now();
  find("picture").dataset.painted = "";
}

function finish() {
  if (outbox.entries.length) setTimeout(finish, 300);
  else location.reload();
}

// What the reader does

function act(fields, name) {
  if (shownAt === null) return; // never a grade for an image that was not seen
  const card = cards.shift();
  outbox.add(card.id, card.label, {
    version: card.version,
    visible_ms: Math.round(performance.now() - shownAt),
    ...fields,
  });
  last = { ...card, version: card.version + 1 };
  done += 1;
  if (reasons.matches(":popover-open")) reasons.hidePopover();
  say(`Graded ${name}, image ${done} of ${page.progress.total}`);
  show();
}

function undo() {
  if (!last) return;
  outbox.add(last.id, last.undo, { version: last.version });
  cards.unshift({ ...last, version: last.version + 1 });
  last = null;
  done -= 1;
  say("Taken back. This is its image again.");
  show();
}

function say(sentence) {
  find("said").textContent = sentence;
  find("said").hidden = false;
  find("status").textContent = sentence;
}

function note(sentence) {
  find("notice").textContent = sentence;
  find("notice").hidden = !sentence;
}

// Keys and taps

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input")) return;
  const inReasons = reasons.matches(":popover-open");
  const button = (inReasons ? reasons : gradesForm.querySelector(".row")).querySelectorAll("button[name]")[event.key - 1];
  if (button) press(button);
  else if (event.key === "n" || event.key === "N") reasons.togglePopover();
  else if (event.key === "u" || event.key === "U" || event.key === "Backspace") undo();
  else if (event.key === "?") help.togglePopover();
  else return;
  event.preventDefault();
}

function press(button) {
  if (help.matches(":popover-open")) return;
  const note = gradesForm.elements.note.value;
  const fields = button.name === "grade" ? { grade: button.value } : { not_gradable: button.value, note };
  gradesForm.elements.note.value = "";
  act(fields, button.dataset.name.toLowerCase());
}

gradesForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter?.name) press(event.submitter);
});
undoForm.addEventListener("submit", (event) => {
  event.preventDefault();
  undo();
});
document.addEventListener("keydown", onKey);

outbox.send();
receive(page);
show();
