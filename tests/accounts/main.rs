//! People who look after the server, over real sockets: accounts, roles, second factors, sessions, tokens.
//!
//! Tests are named after the requirements of OWASP's Application Security Verification Standard 5.0.0
//! (<https://github.com/OWASP/ASVS/tree/v5.0.0/5.0/en>, CC BY-SA 4.0) that they show to hold: V6 authentication, V7
//! session management, V8 authorization, V9 self-contained tokens. Those that need no socket stand in `src/accounts`.

mod access;
mod asvs_list;
mod authentication;
mod authenticator;
#[path = "../common/mod.rs"]
mod common;
mod figures;
mod management;
mod operators;
mod passkeys;
mod races;
mod sessions;
mod storm;
mod tokens;
