"use strict";
// Forms that a passkey answers: the desk's question goes to the browser, the device's answer back with the form.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function asked(form) {
  const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok) throw new Error(answer.statusText);
  const options = await answer.json();
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const known of [...(options.excludeCredentials ?? []), ...(options.allowCredentials ?? [])]) known.id = bytes(known.id);
  return options;
}

/** As the desk reads it: binary parts as base64url. */
function told(credential) {
  const { response } = credential, parts = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) if (response[name]) parts[name] = base64url(response[name]);
  return JSON.stringify({ id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response: parts });
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) break;
  form.hidden = false;
  const button = form.querySelector("button"), state = form.querySelector("[role=status]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    state.textContent = WORDS.waiting;
    const making = form.dataset.passkey === "create";
    try {
      const options = { publicKey: await asked(form) };
      form.elements.credential.value = told(await (making ? navigator.credentials.create(options) : navigator.credentials.get(options)));
      form.submit();
    } catch {
      state.textContent = making ? WORDS.not_made : WORDS.called_off;
      button.disabled = false;
    }
  });
}
