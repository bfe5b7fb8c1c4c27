"use strict";
// Solves the sum that keeps programs out, when the form is sent. https://altcha.org/docs/v1/

const form = document.getElementById("request-form");
const state = document.getElementById("request-state");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  state.textContent = WORDS.checking;
  try {
    const answer = await fetch("/request/puzzle");
    if (!answer.ok) throw new Error(answer.statusText);
    const puzzle = await answer.json();
    form.elements.proof.value = btoa(JSON.stringify({ ...puzzle, number: await solve(puzzle) }));
    state.textContent = WORDS.sending;
    form.submit();
  } catch {
    button.disabled = false;
    state.textContent = WORDS.unchecked;
  }
});

// Back from the next page: the sum was used.
window.addEventListener("pageshow", () => {
  form.elements.proof.value = "";
  form.querySelector("button[type=submit]").disabled = false;
  state.textContent = "";
});

async function solve({ algorithm, challenge, salt, maxNumber }) {
  const encoder = new TextEncoder();
  for (let number = 0; number <= maxNumber; number++) {
    const digest = new Uint8Array(await crypto.subtle.digest(algorithm, encoder.encode(salt + number)));
    if (Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === challenge) return number;
  }
  throw new Error("no solution");
}
