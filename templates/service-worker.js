{% load static %}// Shows a page of our own while the server can't be reached. It keeps that page and what it is drawn with, and
// nothing else: no page of a study and no image ever goes through here.

const PAGE = "{% url 'offline' %}";
const DRAWN_WITH = [
  "{% static 'site/tokens.css' %}",
  "{% static 'site/site.css' %}",
  "{% static 'labeler/grading/offline.js' %}",
  "{% static 'labeler/grading/saving/outbox.js' %}",
  "{% static 'labeler/grading/saving/answers.js' %}",
  "{% static 'labeler/grading/saving/shelf.js' %}",
  "{% static 'site/elements.js' %}",
  "{% static 'site/site.js' %}",
  "{% static 'icon.svg' %}",
  "{% static 'vendor/inter/inter-latin-wght-normal.woff2' %}",
];
const NAME = ["offline", ...DRAWN_WITH].join(" "); // file names hold their content's hash, so this names the version

async function keep() {
  const cache = await caches.open(NAME);
  await cache.addAll([new Request(PAGE, { credentials: "omit" }), ...DRAWN_WITH]);
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name)));
}

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate" && request.method === "GET") {
    event.respondWith(fetch(request).catch(() => caches.match(PAGE)));
  } else if (DRAWN_WITH.includes(new URL(request.url).pathname)) {
    event.respondWith(fetch(request).catch(() => caches.match(request.url)));
  }
});
