// The grading page: keys and taps, the next images ready before they are needed, and grades that leave through
// the outbox. Without this module, and until it has begun, the page is a plain form that works (plain.js).

import { all, given, need } from "../../site/elements.js";
import { acts as isAct, guardButtons, read } from "./keys.js";
import { ReadingList } from "./list.js";
import { BusyError, GoneError, Pictures, SignedOutError } from "./pictures.js";
import { ownAnswer } from "./saving/answers.js";
import { Outbox } from "./saving/outbox.js";
import { named, onRead, showRefusals } from "./saving/refusals.js";
import { closeSheets, hidesImage, isOpen, layOutSheets, sheets, toggle } from "./sheets.js";
import { Sitting } from "./sitting.js";
import { Stopwatch } from "./stopwatch.js";
import { Viewer } from "./viewer.js";

const RETRY = 2000; // ms
const SAID = 2500; // ms that what was done stands on the stage
const UNKEPT = "This browser can't keep grades. Each is sent at once; stay on this page while any wait to be saved.";
const PICTURES_BACK = 3; // decoded images kept behind the one on the screen

/**
 * @typedef {import("./list.js").Card} Card
 * @typedef {import("./list.js").State} State
 */

/** @type {State & {outbox: string, csrf_cookie: string, queue: string, ahead: number}} */
const page = given("page");
/** @param {string} name */
const find = (name) => need(`[data-${name}]`, HTMLElement);
const forms = all("[data-act]", HTMLFormElement); // of grades, and of reasons
const buttons = forms.flatMap((form) => all("button[name]", HTMLButtonElement, form));
const noteInput = need("input[name=note]", HTMLInputElement);
const plainImage = all("[data-plain]", HTMLImageElement)[0];
const undoButton = need("[data-undo] button", HTMLButtonElement);
const signIn = need("[data-sign-in]", HTMLAnchorElement);
const SHORTEST_LOOK = Number(find("stage").dataset.shortestLook || 250); // ms that an image is seen before a grade counts

layOutSheets(); // or leave the plain form as it is
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
    const isEmpty = !list.current;
    list.receive(answer.upcoming ?? []);
    if (isEmpty && list.current) show();
    else prefetch();
  },
  saved: () => note(""),
  waiting: tellWaiting,
  notKept: showRefusals,
  keeping: (isBroken) => (isBroken ? hint(UNKEPT) : withdraw(UNKEPT)),
  refused(name, sentence) {
    find("said").hidden = true; // it says that the grade was given
    if (name === "closed" || name === "left") stop(sentence);
    else beginAgain();
  },
});
/** @param {string} id */
const isHeld = (id) => outbox.holds(id);
const sitting = new Sitting((minutes) =>
  hint(`You have graded for ${minutes} minutes. A short break keeps the eye fresh; your place is kept.`),
);
let list = new ReadingList(page, isHeld);
/** @type {Promise<boolean> | null} */
let loading = null;
/** @type {number | undefined} */
let saidUntil; // timer
let acts = 0; // acts on this page
let tookBackAt = -Infinity; // by performance.now()
let isStopped = false; // nothing can be graded here any more
let session = outbox.session; // in which the page's reader was signed in last
/** @type {Set<string>} */
const gone = new Set(); // ids of images that nobody may see any more

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
 * Ask our server, and null is nobody's answer or somebody else's.
 * @param {string} query
 * @returns {Promise<State | null>}
 */
async function ask(query) {
  const headers = { Accept: "application/json" };
  const response = await fetch(page.queue + query, { headers, redirect: "manual" }).catch(() => null);
  const answer = await ownAnswer(response);
  if (!answer) return null;
  if (answer.reader !== page.outbox) {
    stop("Somebody else has signed in in this browser. Load this page again to go on as yourself.");
    return null;
  }
  if (answer.refused) stop(answer.error ?? "");
  return response?.ok ? /** @type {State & typeof answer} */ (answer) : null;
}

/** Begin again from what the server knows, once it knows what waits here. */
async function beginAgain() {
  await outbox.send();
  if (isStopped) return;
  const actsBefore = acts;
  const state = await ask("");
  if (!state) return setTimeout(beginAgain, RETRY);
  if (acts !== actsBefore) return beginAgain(); // it may not know of these
  list = new ReadingList(state, isHeld);
  show();
}

/** Nothing can be graded here any more, and this is why. @param {string} sentence */
function stop(sentence) {
  isStopped = true;
  seen.reset();
  viewer.clear();
  closeSheets();
  tellMissing(sentence);
  for (const button of [undoButton, ...all("button", HTMLButtonElement, find("row")), ...buttons]) button.disabled = true;
}

/** Fetch the next images one after the other, so that the first has the whole network to itself. */
async function prefetch() {
  // The answer to each grade brings the image that comes into reach: only without one is there a reason to ask.
  if (list.ahead.length < page.ahead && !outbox.waiting.length) loadMore();
  const ahead = list.ahead.slice(0, page.ahead);
  pictures.keepOnly([...list.back.slice(-PICTURES_BACK), ...ahead, ...(list.current ? [list.current] : [])]);
  for (const card of ahead) {
    const isBusy = await pictures.of(card).then(() => false, (error) => error instanceof BusyError);
    if (isBusy) return; // the rest is fetched when it is needed
  }
}

/** Have the atlas ready before it is asked for, also without a network. */
function fetchAtlas() {
  for (const picture of all("[data-atlas]", HTMLImageElement)) picture.loading = "eager";
}

// The image on the screen

/** @returns {Promise<void>} */
async function show() {
  if (isStopped) return;
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
  if (list.current || isStopped) return show();
  await outbox.send();
  if (list.current || isStopped) return; // what was stored brought the next ones, and they are shown
  if (isAnswered && !outbox.waiting.length) return finish();
  tellMissing(isAnswered ? "Saving your last grades…" : "The next images can't be fetched. Trying again…");
  setTimeout(() => list.current || awaitMore(), RETRY);
}

/** Go to the page that gives thanks. Refusals must be on it, or have been read. */
async function finish() {
  await outbox.shelf.written;
  if (!outbox.shelf.isBroken || !outbox.refusals.length) return location.reload();
  tellMissing("Your list is at its end. Read above what was not kept.");
}

function showPlace() {
  find("progress").textContent = list.place;
  need("[data-bar]", HTMLProgressElement).value = list.done;
  undoButton.disabled = !list.back.length;
  const graded = list.isLookingBack ? list.current : null;
  const answer = graded ? String(graded.grade ?? graded.not_gradable) : null;
  for (const button of buttons) {
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
  requestAnimationFrame(() => requestAnimationFrame(() => painted(card, image)));
}

/**
 * @param {Card} card
 * @param {HTMLImageElement} image
 */
function painted(card, image) {
  if (list.current !== card || viewer.image !== image || seen.isRunning) return;
  seen.start();
  find("picture").dataset.painted = "";
}

/** @param {Card} card */
async function fetchAndPutUp(card) {
  // What the server wrote into the page may stay until the same image has come in the right size.
  if (card.id !== page.upcoming[0]?.id || !plainImage?.naturalWidth || viewer.image !== plainImage) {
    plainImage?.removeAttribute("src"); // it would go on being fetched
    viewer.clear();
    tellMissing("Fetching the image…");
  }
  try {
    const image = await pictures.of(card);
    if (list.current === card) putUp(card, image);
  } catch (error) {
    if (list.current !== card || isStopped) return;
    viewer.clear();
    if (error instanceof GoneError && !gone.has(card.id)) {
      gone.add(card.id);
      return beginAgain();
    }
    if (error instanceof SignedOutError) note("Your session has ended.", { offerSignIn: true });
    const rest = error instanceof BusyError ? error.rest : 0;
    tellMissing(rest ? "The next image comes in a moment…" : "The image can't be fetched. Trying again…");
    setTimeout(() => list.current === card && fetchAndPutUp(card), Math.max(RETRY, rest));
  }
}

/** @param {string} sentence */
function tellMissing(sentence) {
  find("missing").hidden = !sentence;
  find("missing").textContent = sentence;
}

// What the reader does

/**
 * Do what the one at the keys asks for, once it is certain that they are this page's reader: whoever signs in in another
 * tab may come back to this one.
 * @param {() => void} work
 */
async function asReader(work) {
  const now = outbox.session;
  if (now !== session) {
    if (!(await ask(""))) return say("Somebody has signed in, and it can't be found out who: nothing was taken.");
    session = now;
  }
  work();
}

/**
 * @param {HTMLButtonElement} button of a grade or of a reason
 * @param {string} inputKind
 */
function give(button, inputKind) {
  const card = list.current;
  if (isStopped) return;
  if (!card || !seen.isRunning) return say("The image is not there yet: no grade was taken.");
  if (seen.milliseconds < SHORTEST_LOOK) return say("Too quick to have been looked at: no grade was taken.");
  const label = { grade: "", not_gradable: "", [button.name]: button.value };
  const name = button.dataset.name ?? button.value;
  const answer = button.name === "grade" ? name : `not gradable: ${name.toLowerCase()}`;
  const said = { place: `Image ${list.place}`, answer };
  const comment = takeNote() || (card.note ?? ""); // another grade keeps what was said of the image
  const fields = { version: card.version, ...label, note: comment, ...viewing(inputKind) };
  list.give({ ...label, note: comment });
  act(card, card.label, { ...fields, after: list.end?.id ?? "" }, said);
  closeSheets();
  if (inputKind !== "keyboard") button.blur(); // Enter would press it again for another image
  say(button.name === "grade" ? "Graded " : "Not gradable: ", named(button.name === "grade" ? name : name.toLowerCase()),
    `, image ${card.number} of ${list.total}`);
  sitting.goOn();
}

/**
 * Send an act, and show what is on the stage after it: whatever becomes of the one, the other must happen.
 * @param {Card} card
 * @param {string} url
 * @param {import("./saving/outbox.js").Fields} fields
 * @param {import("./saving/outbox.js").Said} said
 */
function act(card, url, fields, said) {
  acts += 1;
  seen.reset();
  outbox.add(card.id, url, fields, said);
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

const undo = () => asReader(takeBack);

function takeBack() {
  if (isStopped || performance.now() - tookBackAt < SHORTEST_LOOK) return;
  const card = list.undo();
  if (!card) return;
  tookBackAt = performance.now();
  act(card, card.undo, { version: card.version }, { place: `Image ${list.place}`, answer: "Undo" });
  say("Taken back. This is its image again.");
}

/** @param {number} step */
async function look(step) {
  const { current } = list;
  if (step < 0 && current && list.cursor === 0) {
    const older = await ask(`?before=${current.id}`);
    if (older && list.current === current) list.receiveOlder(older.back);
  }
  if (isStopped || !list.look(step)) return;
  say(list.isLookingBack ? "An image you graded. Another grade replaces it." : "Back at the image to grade.");
  show();
}

/** Say what was done: to be seen for a moment, and to be read out. @param {(string | Node)[]} parts */
function say(...parts) {
  for (const place of [find("status"), find("said")]) {
    place.replaceChildren(...parts.map((part) => (part instanceof Node ? part.cloneNode(true) : part)));
  }
  find("said").hidden = false;
  clearTimeout(saidUntil);
  saidUntil = setTimeout(() => (find("said").hidden = true), SAID); // it stands over skin
}

/** Say something that stays until the reader goes on. @param {string} sentence */
function hint(sentence) {
  find("break-text").textContent = sentence;
  find("break").hidden = false;
}

/** @param {string} sentence that is no longer true */
function withdraw(sentence) {
  if (find("break-text").textContent === sentence) find("break").hidden = true;
}

/**
 * @param {number} count
 * @param {number} status
 */
function tellWaiting(count, status) {
  const waiting = `${count} waiting to be saved`;
  if (status === 302) return note(`Your session has ended, or your network asks for a sign-in; ${waiting}.`, { offerSignIn: true });
  if ([401, 403, 404].includes(status)) {
    return note(`${waiting}. If it stays so, sign in again as yourself.`, { offerSignIn: true });
  }
  note(waiting, { isQuiet: true });
}

/** @param {string} sentence */
function note(sentence, { offerSignIn = false, isQuiet = false } = {}) {
  find("note").hidden = !sentence;
  find("note").role = isQuiet ? "status" : "alert";
  find("note").classList.toggle("quiet", isQuiet);
  find("note-text").textContent = sentence;
  signIn.hidden = !offerSignIn;
}

// Signing in again: in a window of its own, so that this one keeps what it holds.

signIn.addEventListener("click", (event) => {
  event.preventDefault();
  open(signIn.href, signIn.target, "popup, width=480, height=640");
});
if (typeof BroadcastChannel === "function") {
  new BroadcastChannel("session").addEventListener("message", () => {
    note("");
    outbox.send();
  });
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
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Enter" && !event.isComposing) event.preventDefault(); // a text is no grade
    return;
  }
  if (!isAct(event)) return;
  const { digit, name, isShifted } = read(event);
  const isShortcut = isShifted && name in KEYS && name !== digit; // "+" is Shift and 1 in Switzerland
  const button = isShortcut ? undefined : buttonOf(digit);
  const action = button ? () => asReader(() => give(button, "keyboard")) : (KEYS[name] ?? KEYS[digit]);
  if (!action) return;
  event.preventDefault();
  action();
}

/** Return the button that shows this digit: a grade's, or a reason's while those are asked for. @param {string} digit */
function buttonOf(digit) {
  const group = isOpen(sheets.reasons) ? sheets.reasons : find("row");
  return hidesImage() ? undefined : buttons.find((button) => button.dataset.key === digit && group.contains(button));
}

let pointerKind = "keyboard"; // of the press that a click came from; none means Enter or Space
for (const form of forms) {
  form.addEventListener("pointerdown", (event) => {
    pointerKind = event.pointerType;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { submitter } = event;
    const kind = pointerKind;
    if (submitter instanceof HTMLButtonElement && submitter.name) asReader(() => give(submitter, kind));
    pointerKind = "keyboard";
  });
}
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
onRead(() => {
  outbox.forgetRefusals();
  if (!list.current) show();
});
guardButtons();
document.addEventListener("keydown", onKey);

// From here on the page is no plain form any more.
document.body.dataset.keys = "on";
find("plain-notice").hidden = true;
for (const button of buttons) button.disabled = false;
if (outbox.waiting.length) beginAgain(); // left from another visit: they change what comes next
await show();
await prefetch();
fetchAtlas();
