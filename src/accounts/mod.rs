//! People who look after the server: who they are, what they may do, and how they prove it.
//!
//! What comes in are passwords, codes, tokens, and the time; what goes out are decisions and what is to be kept of
//! them. This room keeps nothing itself, opens no socket, reads no clock and draws no randomness of its own: the
//! store keeps, the server asks.
//!
//! - [`AccountName`], [`Role`], [`Permission`]: who, and what they may do
//! - [`password`]: which passwords are taken, and their hashes
//! - [`totp`], [`passkey`], [`recovery`]: second factors
//! - [`opaque`]: what only its holder knows, and what is kept of it
//! - [`refresh`]: how long a session lasts, and what becomes of a refresh token that is shown
//! - [`token`]: access tokens
//! - [`lockout`]: waits after wrong passwords and codes
//!
//! Numbers such as "ASVS 6.2.4" are requirements of OWASP's Application Security Verification Standard 5.0.0.

pub mod lockout;
mod name;
pub mod opaque;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod refresh;
mod role;
pub mod token;
pub mod totp;

pub use name::AccountName;
pub use role::{Permission, Role, Standing};
