// The grading page: keys and taps, the next images ready before they are needed, and grades that leave through
// the outbox. Without this module the page is a plain form that works.

import { all, given, need } from "../../site/elements.js";
import { ReadingList } from "./list.js";
import { Outbox } from "./outbox.js";
import { GoneError, Pictures, SignedOutError } from "./pictures.js";
import { Sitting } from "./sitting.js";
import { Stopwatch } from "./stopwatch.js";
import { Viewer } from "./viewer.js";

const RETRY = 2000; // ms
const SAID = 2500; // ms that what was done stands on the stage
const PICTURES_BACK = 3; // decoded images kept behind the one on the screen

/**
 * @typedef {import("./list.js").Card} Card
 * @typedef {import("./list.js").State} State
 */

/** @type {State & {outbox: string, csrf_cookie: string, queue: string, ahead: number}} */
const page = given("page");
/** @param {string} name */
const find = (name) => need(`[data-${name}]`, HTMLElement);
const gradesForm = need("[data-grades]", HTMLFormElement);
const noteInput = need("input[name=note]", HTMLInputElement, gradesForm);
const undoButton = need("[data-undo] button", HTMLButtonElement);
const signIn = need("[data-sign-in]", HTMLAnchorElement);
const sheets = { reasons: need("#reasons", HTMLElement), help: need("#help", HTMLElement), lights: need("#lights", HTMLElement) };
const isWide = matchMedia("(width >= 64rem)"); // as in grade.css: there the grading scale stands beside the image

const seen = new Stopwatch(); // runs while the image on the screen can be seen
const pictures = new Pictures(find("stage"));
const viewer = new Viewer({
  stage: find("stage"),
  picture: find("picture"),
  lights: need("[data-lights]", HTMLFormElement),
  scale: find("scale"),
  fetchDetail: async (image) => {
    const card = list.current;
    const hasMore = card && card.long_side > Math.max(image.naturalWidth, image.naturalHeight);
    return hasMore ? pictures.inFull(card).catch(() => null) : null;
  },
});
const outbox = await Outbox.open(page.outbox, page.csrf_cookie, {
  changed: (count) => (document.body.dataset.unsaved = String(count)),
  stored(answer) {
    list.receive(answer.upcoming ?? []);
    prefetch();
  },
  saved: () => note(""),
  waiting: (count) => note(`${count} waiting to be saved`, { isQuiet: true }),
  signedOut: (count) => note(`Your session has ended; ${count} waiting to be saved.`, { offerSignIn: true }),
  refused(sentence) {
    note(sentence);
    beginAgain();
  },
});
/** @param {string} id */
const isHeld = (id) => outbox.holds(id);
const sitting = new Sitting((minutes) => {
  find("break-text").textContent = `You have graded for ${minutes} minutes. A short break keeps the eye fresh; your place is kept.`;
  find("break").hidden = false;
});
let list = new ReadingList(page, isHeld);
/** @type {Promise<boolean> | null} */
let loading = null;
/** @type {number | undefined} */
let saidUntil; // timer

// The list

/** Ask for the cards that follow; a promise of whether the server answered. */
function loadMore() {
  loading ??= ask(`?after=${list.end?.id ?? ""}`)
    .then((answer) => {
      if (answer) list.receive(answer.upcoming);
      return Boolean(answer);
    })
    .finally(() => {
      loading = null;
    });
  return loading;
}

/**
 * @param {string} query
 * @returns {Promise<State | null>}
 */
async function ask(query) {
  const response = await fetch(page.queue + query, { redirect: "manual" }).catch(() => null);
  return response?.ok ? response.json() : null;
}

/** Begin again from what the server knows, once it knows what waits here. */
async function beginAgain() {
  await outbox.send();
  const state = await ask("");
  if (!state) return setTimeout(beginAgain, RETRY);
  list = new ReadingList(state, isHeld);
  show();
}

/** Fetch the next images one after the other, so that the first has the whole network to itself. */
async function prefetch() {
  // The answer to each grade brings the image that comes into reach: only without one is there a reason to ask.
  if (list.ahead.length < page.ahead && !outbox.entries.length) loadMore();
  const ahead = list.ahead.slice(0, page.ahead);
  pictures.keepOnly([...list.back.slice(-PICTURES_BACK), ...ahead, ...(list.current ? [list.current] : [])]);
  for (const card of ahead) await pictures.of(card).catch(() => {});
}

/** Have the atlas ready before it is asked for, also without a network. */
function fetchAtlas() {
  for (const picture of all("[data-atlas]", HTMLImageElement)) picture.loading = "eager";
}

// The image on the screen

/** @returns {Promise<void>} */
async function show() {
  seen.reset();
  delete find("picture").dataset.painted;
  showPlace();
  const card = list.current;
  if (!card) return awaitMore();
  const image = pictures.ready(card);
  if (image) putUp(card, image);
  else await fetchAndPutUp(card);
  prefetch();
}

/** Nothing is left on this page: ask for more as often as it takes, until the server says that the list is done. @returns {Promise<void>} */
async function awaitMore() {
  viewer.clear();
  tellMissing("Fetching the image…");
  const isAnswered = await loadMore();
  if (list.current) return show();
  await outbox.send();
  if (isAnswered && !outbox.entries.length) return location.reload();
  tellMissing(isAnswered ? "Saving your last grades…" : "The next images can't be fetched. Trying again…");
  setTimeout(() => list.current || awaitMore(), RETRY);
}

function showPlace() {
  find("progress").textContent = list.place;
  need("[data-bar]", HTMLProgressElement).value = list.done;
  undoButton.disabled = !list.back.length;
  const graded = list.isLookingBack ? list.current : null;
  const answer = graded ? String(graded.grade ?? graded.not_gradable) : null;
  for (const button of all("button[name]", HTMLButtonElement, gradesForm)) {
    button.classList.toggle("given", button.value === answer);
    button.toggleAttribute("aria-current", button.value === answer);
  }
}

/**
 * @param {Card} card
 * @param {HTMLImageElement} image
 */
function putUp(card, image) {
  tellMissing("");
  viewer.show(image);
  requestAnimationFrame(() => requestAnimationFrame(() => painted(card)));
}

/** @param {Card} card */
function painted(card) {
  if (list.current !== card) return;
  seen.start();
  find("picture").dataset.painted = "";
}

/** @param {Card} card */
async function fetchAndPutUp(card) {
  viewer.clear();
  tellMissing("Fetching the image…");
  try {
    const image = await pictures.of(card);
    if (list.current === card) putUp(card, image);
  } catch (error) {
    if (list.current !== card) return;
    if (error instanceof GoneError) return beginAgain();
    if (error instanceof SignedOutError) note("Your session has ended.", { offerSignIn: true });
    tellMissing("The image can't be fetched. Trying again…");
    setTimeout(() => list.current === card && fetchAndPutUp(card), RETRY);
  }
}

/** @param {string} sentence */
function tellMissing(sentence) {
  find("missing").hidden = !sentence;
  find("missing").textContent = sentence;
}

// What the reader does

/**
 * @param {HTMLButtonElement} button of a grade or of a reason
 * @param {string} inputKind
 */
function give(button, inputKind) {
  if (!seen.isRunning) return; // never a grade for an image that was not seen
  const label = { grade: "", not_gradable: "", [button.name]: button.value };
  const comment = takeNote() || (list.current?.note ?? ""); // another grade keeps what was said of the image
  const fields = { ...label, note: comment, ...viewing(inputKind) };
  const card = list.give({ ...label, note: comment });
  if (!card) return;
  outbox.add(card.id, card.label, { version: card.version, after: list.end?.id ?? "", ...fields });
  closeSheets();
  const name = button.dataset.name ?? button.value;
  const said = button.name === "grade" ? `Graded ${name}` : `Not gradable: ${name.toLowerCase()}`;
  say(`${said}, image ${card.number} of ${list.total}`);
  sitting.goOn();
  show();
}

/** @param {string} inputKind */
function viewing(inputKind) {
  return {
    visible_ms: seen.milliseconds,
    zoom: viewer.widest.toFixed(2),
    viewport_width: innerWidth,
    viewport_height: innerHeight,
    pixel_ratio: devicePixelRatio,
    input_kind: inputKind,
  };
}

function takeNote() {
  const text = noteInput.value;
  noteInput.value = "";
  return text;
}

function undo() {
  const card = list.undo();
  if (!card) return;
  outbox.add(card.id, card.undo, { version: card.version });
  say("Taken back. This is its image again.");
  show();
}

/** @param {number} step */
async function look(step) {
  const { current } = list;
  if (step < 0 && current && list.cursor === 0) {
    const older = await ask(`?before=${current.id}`);
    if (older && list.current === current) list.receiveOlder(older.back);
  }
  if (!list.look(step)) return;
  say(list.isLookingBack ? "An image you graded. Another grade replaces it." : "Back at the image to grade.");
  show();
}

/** @param {string} sentence */
function say(sentence) {
  find("status").textContent = sentence;
  find("said").textContent = sentence;
  find("said").hidden = false;
  clearTimeout(saidUntil);
  saidUntil = setTimeout(() => (find("said").hidden = true), SAID); // it stands over skin
}

/** @param {string} sentence */
function note(sentence, { offerSignIn = false, isQuiet = false } = {}) {
  find("notice").hidden = !sentence;
  find("notice").role = isQuiet ? "status" : "alert";
  find("notice").classList.toggle("quiet", isQuiet);
  find("notice-text").textContent = sentence;
  signIn.hidden = !offerSignIn;
}

// Signing in again: in a window of its own, so that this one keeps what it holds.

signIn.addEventListener("click", (event) => {
  event.preventDefault();
  open(signIn.href, signIn.target, "popup, width=480, height=640");
});
new BroadcastChannel("session").addEventListener("message", () => {
  note("");
  outbox.send();
});

// Sheets

/** @param {HTMLElement} sheet */
const isOpen = (sheet) => sheet.matches(":popover-open");

function closeSheets() {
  for (const sheet of Object.values(sheets)) if (isOpen(sheet)) sheet.hidePopover();
}

/** @param {HTMLElement} sheet */
function toggle(sheet) {
  const wasOpen = isOpen(sheet);
  closeSheets();
  if (!wasOpen) sheet.showPopover();
}

/** Beside the image the grading scale stays open until it is closed; over it, a touch elsewhere closes it. */
function layOutHelp() {
  if (!isOpen(sheets.help)) sheets.help.popover = isWide.matches ? "manual" : "auto";
}

// Keys and taps

/** @type {{[key: string]: () => void}} */
const KEYS = {
  n: () => toggle(sheets.reasons),
  "?": () => toggle(sheets.help),
  b: () => toggle(sheets.lights),
  escape: closeSheets,
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

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target instanceof HTMLInputElement) return;
  const button = buttonOf(event.key);
  const action = button ? () => give(button, "keyboard") : KEYS[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

/** Return the button that shows this key: a grade's, or a reason's while those are asked for. @param {string} key */
function buttonOf(key) {
  const hidesImage = isOpen(sheets.help) && !isWide.matches;
  const group = isOpen(sheets.reasons) ? sheets.reasons : find("row");
  const buttons = hidesImage ? [] : all("button[name]", HTMLButtonElement, group);
  return buttons.find((button) => button.querySelector("kbd")?.textContent === key);
}

let pointerKind = "keyboard"; // of the press that a click came from; none means Enter or Space
gradesForm.addEventListener("pointerdown", (event) => {
  pointerKind = event.pointerType;
});
gradesForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const { submitter } = event;
  if (submitter instanceof HTMLButtonElement && submitter.name) give(submitter, pointerKind);
  pointerKind = "keyboard";
});
find("undo").addEventListener("submit", (event) => {
  event.preventDefault();
  undo();
});
for (const button of all("[data-look]", HTMLButtonElement)) {
  button.addEventListener("click", () => look(Number(button.dataset.look)));
}
find("break-over").addEventListener("click", () => {
  find("break").hidden = true;
});
isWide.addEventListener("change", layOutHelp);
sheets.help.addEventListener("toggle", layOutHelp);
document.addEventListener("keydown", onKey);

layOutHelp();
if (outbox.entries.length) beginAgain(); // left from another visit: they change what comes next
await show();
await prefetch();
fetchAtlas();
