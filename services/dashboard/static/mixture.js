// Shows only those fields of a mixture that its scheme and its groups have; the server passes over the others.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.mixture");
  if (!form) return;
  const fit = () => {
    const scheme = form.elements.scheme.value;
    form.querySelectorAll("[data-schemes]").forEach((part) => {
      const goes = part.dataset.schemes.split(" ").includes(scheme) || part.dataset.by === form.elements.by.value;
      part.hidden = !goes;
    });
  };
  form.addEventListener("change", fit);
  fit();
});
