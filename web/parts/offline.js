// What makes the page one that can be installed, and opens without a network. Browsers allow it at secure addresses only.

export function startOffline() {
  if (!("serviceWorker" in navigator)) return;
  const register = () => navigator.serviceWorker.register("/sw.js").catch(() => {});
  // What the page itself needs comes first.
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register);
}
