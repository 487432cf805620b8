// A person looks: the page is in front, and they scroll, touch, point or type, or stay for ten seconds. A scanner does
// none of it. One word goes out, once; nothing about the person.
const url = document.querySelector("meta[name=looked]").content;
let told = false;
const tell = () => {
  if (told || document.visibilityState !== "visible") return;
  told = true;
  navigator.sendBeacon(url);
};
for (const sign of ["scroll", "pointermove", "pointerdown", "touchstart", "keydown"]) {
  addEventListener(sign, tell, { passive: true, once: true });
}
setTimeout(tell, 10_000);
