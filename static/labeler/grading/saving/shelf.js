// Where the outbox keeps its entries over reloads: IndexedDB, as far as the browser lets us. It may be absent,
// refused, full, stuck or cleared at any moment; then the entries live on in the page's memory, and it says so.

const PATIENCE = 2000; // ms for the browser's storage to answer: the page shows no image before
const STEPS = 8;

/**
 * @typedef {{[name: string]: string | number | null | undefined}} Fields of the form that an entry is sent as
 * @typedef {{place: string, answer: string}} Said what the act was, in the reader's words
 * @typedef {{id: string, url: string, since?: number, said?: Said, refused?: string,
 *   fields: Fields & {submission: string}}} Entry
 */

export class Shelf {
  /** @type {IDBDatabase | null} */
  database = null;
  wasOpen = false;
  isBroken = false;
  /** @type {Promise<void>} */
  written = Promise.resolve(); // the last that was to be written: kept, or given up

  /**
   * @param {string} name
   * @param {() => Entry[]} contents what should be on the shelf
   * @param {(isBroken: boolean) => void} told is called whenever something can't be kept, and when it can again
   */
  constructor(name, contents, told) {
    this.name = name;
    this.contents = contents;
    this.told = told;
  }

  /** Return what is kept, the oldest first; nothing where the browser does not tell. */
  async all() {
    try {
      const database = await this.open();
      return await within(PATIENCE, answer(database.transaction("entries").objectStore("entries").getAll()));
    } catch {
      this.tellBroken();
      return [];
    }
  }

  /** @param {Entry} entry */
  add(entry) {
    return this.write((store) => {
      store.add(entry);
      store.transaction.commit(); // now: left to commit by itself, it would be undone by a reload that comes first
    });
  }

  /**
   * Put `entry`, or nothing, where the entries of this submission are.
   * @param {string} submission
   * @param {Entry} [entry]
   */
  replace(submission, entry) {
    return this.write((store) => {
      const keys = store.index("submission").getAllKeys(submission);
      keys.onsuccess = () => {
        for (const key of keys.result) store.delete(key);
        if (entry) store.put(entry);
      };
    });
  }

  /** @param {(store: IDBObjectStore) => void} work */
  write(work) {
    this.written = this.tryToWrite(work);
    return this.written;
  }

  /** @param {(store: IDBObjectStore) => void} work */
  async tryToWrite(work) {
    try {
      if (!this.database && this.wasOpen) await this.refill();
      const database = this.database ?? (await this.open());
      const transaction = database.transaction("entries", "readwrite");
      work(transaction.objectStore("entries"));
      await within(PATIENCE, committed(transaction));
      if (this.isBroken) this.told((this.isBroken = false));
    } catch {
      this.tellBroken();
    }
  }

  /** It was cleared or closed under us: keep again what the page still has. Twice the same entry is sent once. */
  async refill() {
    const transaction = (await this.open()).transaction("entries", "readwrite");
    for (const entry of this.contents()) transaction.objectStore("entries").put(entry);
    await within(PATIENCE, committed(transaction));
  }

  async open() {
    const database = await within(PATIENCE, openDatabase(this.name));
    this.wasOpen = true;
    this.database = database;
    database.onclose = database.onversionchange = () => {
      database.close();
      this.database = null;
    };
    return database;
  }

  tellBroken() {
    this.database?.close();
    this.database = null;
    this.told((this.isBroken = true));
  }
}

/** Count the entries in all databases of this browser whose name begins with `prefix` for which `counts` holds.
 * @param {string} prefix
 * @param {(entry: Entry) => boolean} counts
 */
export async function countOnShelves(prefix, counts) {
  try {
    const databases = await indexedDB.databases();
    const names = databases.map(({ name }) => name ?? "").filter((name) => name.startsWith(prefix));
    const entries = await Promise.all(names.map((name) => new Shelf(name, () => [], () => {}).all()));
    return entries.flat().filter(counts).length;
  } catch {
    return 0;
  }
}

/** @param {string} name */
async function openDatabase(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore("entries", { autoIncrement: true });
    store.createIndex("submission", "fields.submission");
  };
  return answer(request);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<void>}
 */
function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * Wait in short steps: of a machine that slept, only the step is over that it slept in.
 * @template T
 * @param {number} milliseconds
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
async function within(milliseconds, promise) {
  const late = Symbol("late");
  for (let step = 0; step < STEPS; step += 1) {
    const first = await Promise.race([promise, new Promise((over) => setTimeout(over, milliseconds / STEPS, late))]);
    if (first !== late) return /** @type {T} */ (first);
  }
  throw new Error("The browser's storage does not answer.");
}
