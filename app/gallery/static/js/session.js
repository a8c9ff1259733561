/** Who is calling, and how requests say so. The page is told by the server which of three ways there is. */

const USER = "gallery.user";
const TOKEN = "gallery.token";

/** "name": X-User-ID, typed in; "token": a bearer token, pasted; "gateway": something in front of the service says it. */
export const identity = document.documentElement.dataset.identity;

/** Whoever signs in in another tab does not change who this page belongs to. */
let credential = identity === "name" ? localStorage.getItem(USER) : sessionStorage.getItem(TOKEN);

// Who signs out in another tab wants to be gone from this one too.
if (identity === "name")
  addEventListener("storage", ({ key, newValue }) => {
    if (key === USER && newValue === null) location.reload();
  });

export function isSignedIn() {
  return identity === "gateway" || credential !== null;
}

export function signIn(value) {
  credential = value;
  // A name is no secret. A token is, so it is forgotten with the tab.
  if (identity === "name") localStorage.setItem(USER, value);
  else sessionStorage.setItem(TOKEN, value);
}

export function signOut() {
  credential = null;
  localStorage.removeItem(USER);
  sessionStorage.removeItem(TOKEN);
}

/** The headers that say who is calling; with `value` given, as if signed in with that. */
export function identifyingHeaders(value = credential) {
  if (identity === "gateway" || value === null) return {};
  return identity === "name" ? { "X-User-ID": value } : { Authorization: `Bearer ${value}` };
}

/** What to call the caller on the page. A token is only read here, never believed: the service checks it. */
export function displayName() {
  if (identity === "name") return credential;
  if (identity === "gateway" || credential === null) return null;
  try {
    return JSON.parse(atob(credential.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub ?? null;
  } catch {
    return null;
  }
}
