// Answers that are ours. Between this page and the server stand proxies, portals and sign-in pages, and each of them
// may answer with any status and any body; none of that says what became of a grade.

const LONGEST_REST = 60_000; // ms: whoever asks for a longer one may not be our server

/**
 * What the grading views answer, as JSON: whose list it is about, and the act that it settles or the reason why not.
 * @typedef {object} Answer
 * @property {string} reader
 * @property {string} [submission] the act that is settled
 * @property {number} [version] of the stored label
 * @property {string} [refused] the refusal's name
 * @property {string} [error] its sentence
 * @property {import("../list.js").Card[]} [upcoming]
 */

/**
 * Return what one of our views answered, about whichever reader; null when somebody else answered, or it broke off.
 * @param {Response | null} response
 * @returns {Promise<Answer | null>}
 */
export async function ownAnswer(response) {
  if (!/^application\/json\b/.test(response?.headers.get("Content-Type") ?? "")) return null;
  const answer = await response?.json().catch(() => null);
  return typeof answer?.reader === "string" ? answer : null;
}

/**
 * Whether an answer says that this act was stored, or by name that it was refused.
 * @param {Response} response
 * @param {Answer | null} answer
 * @param {string} reader
 * @param {string} submission
 */
export function settles(response, answer, reader, submission) {
  if (answer?.reader !== reader || answer.submission !== submission) return false;
  const isRefused = response.status >= 400 && Boolean(answer.refused && answer.error);
  return isRefused || (response.status === 200 && Number.isInteger(answer.version));
}

/** Return for how many ms we are asked to rest; a date is not understood here. @param {Response | null} response */
export function askedRest(response) {
  const asked = 1000 * Number(response?.headers.get("Retry-After")) || 0;
  return Math.min(Math.max(asked, 0), LONGEST_REST);
}
