// What a key means. A digit is the key in its place, whatever it types there: AZERTY types "&" for 1, Shift types "!",
// a number pad without its lock types arrows. A letter is what stands on the key, as the page names it; where the
// keyboard types no Latin letters, the key in the letter's place on a QWERTY keyboard.

/** @param {KeyboardEvent} event */
const isModified = (event) => event.ctrlKey || event.metaKey || event.altKey || event.getModifierState("AltGraph");

/** Whether the key belongs to a text that is being composed. 229 is a key that an input method took. @param {KeyboardEvent} event */
const isComposed = (event) => event.isComposing || event.keyCode === 229;

/** Whether a key acts: pressed by a hand, once, alone. @param {KeyboardEvent} event */
export const acts = (event) => !event.repeat && !isModified(event) && !isComposed(event);

/**
 * Return the digit and the name of a key, either of them perhaps "".
 * @param {KeyboardEvent} event
 */
export function read({ code, key, shiftKey }) {
  const typed = key.toLowerCase();
  const place = /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1];
  const letter = /^Key([A-Z])$/.exec(code)?.[1].toLowerCase();
  const isForeign = typed.length === 1 && typed > "\u007f";
  return {
    digit: place ?? (/^\d$/.test(typed) ? typed : ""), // a keyboard on the screen names no places
    name: letter && isForeign ? letter : typed,
    isShifted: shiftKey && typed.length === 1,
  };
}

/** A held key, or one with a modifier, presses no button that has the focus. */
export function guardButtons() {
  for (const kind of /** @type {const} */ (["keydown", "keyup"])) {
    document.addEventListener(kind, (event) => {
      const isPress = event.key === "Enter" || event.key === " ";
      if (isPress && !acts(event) && event.target instanceof HTMLButtonElement) event.preventDefault();
    });
  }
}
