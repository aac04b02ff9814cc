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
  const text = snippet.querySelector("pre").textContent;
  button.addEventListener("click", () => copyText(text, button));
});

/* What is folded is printed; charts that are folded are not drawn, and their details stay so. */
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => {
    if (!details.querySelector(".chart, pre")) details.open = true;
  });
});
