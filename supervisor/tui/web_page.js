// Keys go to the terminal without a click first, and again when the window comes back.
function focusTerminal() {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys) keys.focus();
}
window.addEventListener("load", focusTerminal);
window.addEventListener("focus", focusTerminal);
new MutationObserver(() => {
  focusTerminal();
  if (document.body.classList.contains("-closed")) document.querySelector(".closed a").focus();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
