//! An authenticator in software: a key of P-256, a counter, and the bytes of Web Authentication, written by hand from
//! the specification (<https://www.w3.org/TR/webauthn-3/>, sections 6.1 and 6.5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// That somebody is there, that it is the owner, that a new key follows: flags of the authenticator's data.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const WITH_KEY: u8 = 1 << 6;

/// One passkey, and what its browser says of itself.
pub(crate) struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 32],
    /// How often it has signed.
    pub(crate) counter: u32,
    /// By how much the counter goes up with each signature; 0 for one that does not count.
    pub(crate) counts_by: u32,
    /// Where the browser has the page.
    pub(crate) origin: String,
    /// Whose passkey it is told to show, in the place of what is asked for.
    pub(crate) site: Option<String>,
    /// Whether it asks for a finger, a face or a PIN.
    pub(crate) is_verified: bool,
}

impl Authenticator {
    /// One that has signed nothing, with a browser that has the board on `localhost` at this port.
    pub(crate) fn new(port: u16) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        let mut id = [0; 32];
        random.fill(&mut id).expect("randomness");
        Self {
            key: key.expect("it was just made"),
            id,
            counter: 0,
            counts_by: 1,
            origin: format!("http://localhost:{port}"),
            site: None,
            is_verified: true,
        }
    }

    /// What `navigator.credentials.create()` returns for what the server has asked.
    pub(crate) fn make(&self, asked: &Value) -> Value {
        let options = &asked["options"]["publicKey"];
        let mut data = self.data(&options["rp"]["id"], WITH_KEY);
        // The model of the authenticator, which says nothing; the key's name; the key (RFC 9053, section 7.1.1).
        data.extend([0; 16]);
        data.extend([0, 32]);
        data.extend(self.id);
        data.extend(self.public_key());
        let mut attestation = vec![0xa3];
        attestation.extend(text("fmt"));
        attestation.extend(text("none"));
        attestation.extend(text("attStmt"));
        attestation.push(0xa0);
        attestation.extend(text("authData"));
        attestation.extend([0x59, (data.len() >> 8) as u8, data.len() as u8]);
        attestation.extend(data);
        let said = self.said("webauthn.create", &options["challenge"]);
        let response = json!({
            "attestationObject": base64(&attestation),
            "clientDataJSON": base64(&said),
            "transports": ["internal"],
        });
        self.credential(&response)
    }

    /// What `navigator.credentials.get()` returns for what the server has asked.
    pub(crate) fn show(&mut self, asked: &Value) -> Value {
        self.counter += self.counts_by;
        let options = &asked["options"]["publicKey"];
        let data = self.data(&options["rpId"], 0);
        let said = self.said("webauthn.get", &options["challenge"]);
        let signed = [&data[..], digest(&SHA256, &said).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed);
        let response = json!({
            "authenticatorData": base64(&data),
            "clientDataJSON": base64(&said),
            "signature": base64(signature.expect("it can sign").as_ref()),
        });
        self.credential(&response)
    }

    /// Section 6.1.
    fn data(&self, asked: &Value, flags: u8) -> Vec<u8> {
        let site = self.site.as_deref().or(asked.as_str()).expect("a name");
        let verified = if self.is_verified { VERIFIED } else { 0 };
        let mut data = digest(&SHA256, site.as_bytes()).as_ref().to_vec();
        data.push(PRESENT | verified | flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// Section 5.8.1.
    fn said(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let said = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        said.to_string().into_bytes()
    }

    /// A map of five: the kind is EC2, the algorithm ES256, the curve P-256, and two coordinates.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01];
        for (name, coordinate) in [(0x21, x), (0x22, y)] {
            key.extend([name, 0x58, 32]);
            key.extend(coordinate);
        }
        key
    }

    fn credential(&self, response: &Value) -> Value {
        json!({
            "id": base64(&self.id),
            "rawId": base64(&self.id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A short text in CBOR (RFC 8949, section 3.1).
fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x60 + text.len() as u8];
    bytes.extend(text.bytes());
    bytes
}
