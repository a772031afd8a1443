// The elements that a script stands on. A page without one of them is a mistake of ours, and says which.

/**
 * Return the first element that the selector finds. Throws where there is none, or one of another kind.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind such as HTMLButtonElement
 * @param {ParentNode} within
 * @returns {T}
 */
export function need(selector, kind, within = document) {
  const element = within.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`There is no ${kind.name} that is ${selector}.`);
  return element;
}

/**
 * Return all elements of one kind that the selector finds.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind
 * @param {ParentNode} within
 * @returns {T[]}
 */
export function all(selector, kind, within = document) {
  return [...within.querySelectorAll(selector)].flatMap((element) => (element instanceof kind ? [element] : []));
}

/** Return what the page was given as JSON under an id. @param {string} id */
export function given(id) {
  return JSON.parse(need(`#${id}`, HTMLScriptElement).text);
}
