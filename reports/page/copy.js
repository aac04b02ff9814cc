/* Text to the clipboard, with a word on the button that did it. */
async function copyText(text, button) {
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed: select it";
  }
  setTimeout(() => (button.textContent = name), 1500);
}

document.querySelectorAll(".snippet").forEach((snippet) => {
  const button = snippet.querySelector("button");
  button.addEventListener("click", () => copyText(snippet.querySelector("pre").textContent, button));
});

/* What is folded is printed, but for long texts and choices of the page, and folded again. */
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open], .columns, :has(pre))")];
  unfolded.forEach((details) => (details.open = true));
});
addEventListener("afterprint", () => unfolded.forEach((details) => (details.open = false)));
