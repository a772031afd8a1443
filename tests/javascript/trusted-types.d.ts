// Browsers have it and TypeScript's own library does not yet. What it makes is no string, but goes where a string goes.
interface Window {
  trustedTypes?: {
    createPolicy(name: string, rules: { createScriptURL(input: string): string }): { createScriptURL(input: string): string };
  };
}
