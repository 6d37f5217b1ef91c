
// Passkeys: a button asks the authenticator, and what that says goes where a code would. Where this does
// not run, or there are none, there is no such button.
if (window.PublicKeyCredential) {
  const opened = Date.now();
  const plain = { "-": "+", _: "/" };
  const written = { "+": "-", "/": "_", "=": "" };
  const bytes = (text) => Uint8Array.from(atob(text.replace(/[-_]/g, (it) => plain[it])), (it) => it.charCodeAt(0));
  const text = (buffer) => {
    const signs = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
    return btoa(signs.join("")).replace(/[+/=]/g, (it) => written[it]);
  };
  const read = (json) => {
    const options = JSON.parse(json);
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.allowCredentials, options.excludeCredentials]) {
      for (const one of list ?? []) one.id = bytes(one.id);
    }
    return options;
  };
  const tell = ({ id, rawId, type, response }) => {
    const said = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) said[name] = text(response[name]);
    }
    return JSON.stringify({ id, rawId: text(rawId), type, response: said });
  };
  const ask = async (button) => {
    const { form, dataset } = button;
    const field = form.elements[dataset.into];
    const others = Array.from(form.elements).filter((it) => it !== field);
    if (!others.every((it) => it.reportValidity())) return;
    // What it would sign is too old by now: the page is had anew. There are no secrets in such a form.
    if ("anew" in dataset && Date.now() - opened > 240_000) {
      location.assign(`${form.action}?${new URLSearchParams(new FormData(form))}`);
      return;
    }
    const fault = button.parentElement.querySelector(".fault");
    fault.hidden = true;
    try {
      const publicKey = read(dataset.passkey);
      const done = publicKey.user
        ? await navigator.credentials.create({ publicKey })
        : await navigator.credentials.get({ publicKey });
      field.value = tell(done);
    } catch {
      fault.hidden = false;
      return;
    }
    form.submit();
  };
  for (const button of document.querySelectorAll("button[data-passkey]")) {
    button.addEventListener("click", () => ask(button));
  }
  for (const part of document.querySelectorAll("[data-passkeys]")) part.hidden = false;
}
