// Passkeys: what the browser does for them.

/** No passkey was shown or made. Says why, for people. */
export class NoPasskey extends Error {}

/** Where passkeys are bound to another name than the page's, the browser would only say that something is not secure. */
function checkSite(name) {
  if (location.hostname !== name) throw new NoPasskey(`Passkeys are for ${name}: open the board by that name, or see to admin.origin.`);
  if (typeof PublicKeyCredential === "undefined" || typeof PublicKeyCredential.parseCreationOptionsFromJSON !== "function") {
    throw new NoPasskey("This browser has no passkeys.");
  }
}

function explained(error, otherwise) {
  // There is a passkey of the same account on that authenticator.
  if (error.name === "InvalidStateError") return new NoPasskey("There is a passkey for this account already.");
  return error.name === "NotAllowedError" || error.name === "AbortError" ? new NoPasskey(otherwise) : error;
}

/** Of what the browser has, what the server reads. */
function told({ id, rawId, type, response, clientExtensionResults }) {
  const { attestationObject, authenticatorData, clientDataJSON, signature, transports, userHandle } = response;
  const read = signature === undefined
    ? { attestationObject, clientDataJSON, transports }
    : { authenticatorData, clientDataJSON, signature, userHandle };
  return { id, rawId, type, response: read, clientExtensionResults };
}

/** Has the browser make a passkey, as the server has asked for it. */
export async function makePasskey({ options: { publicKey } }) {
  checkSite(publicKey.rp.id);
  try {
    const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
    return told(made.toJSON());
  } catch (error) {
    throw explained(error, "No passkey was made.");
  }
}

/** Has the browser show a passkey, as the server has asked for it. */
export async function showPasskey({ options: { publicKey } }) {
  checkSite(publicKey.rpId);
  try {
    const shown = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
    return told(shown.toJSON());
  } catch (error) {
    throw explained(error, "No passkey was shown.");
  }
}
