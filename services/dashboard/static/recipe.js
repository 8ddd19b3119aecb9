// Leads from a problem to its line in the editor.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  const editor = document.getElementById("yaml");
  if (!link || !editor) return;
  event.preventDefault();
  const lines = editor.value.split("\n");
  const line = Math.min(Number(link.dataset.line), lines.length) - 1;
  const begin = lines.slice(0, line).reduce((sum, text) => sum + text.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(begin, begin + lines[line].length);
  editor.scrollTop = Math.max(0, (line - 5) * editor.scrollHeight / lines.length);
});
