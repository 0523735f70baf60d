//! The refresh token in a browser: a cookie that no script can read and no other site can have sent.
//!
//! `__Host-` has the browser refuse it unless it came over TLS, for this host alone. On this machine there is no TLS,
//! and browsers differ in whether they keep such a cookie then; so there it goes by a plain name, for the API alone.

use super::super::guard::{names_this_machine, text};
use crate::accounts::refresh::IDLE_MS;
use axum::http::{HeaderMap, HeaderValue, header};

const PLAIN: &str = "whisperchat-refresh";
const HOST: &str = "__Host-whisperchat-refresh";

/// How the browser that asks is to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jar {
    is_local: bool,
}

impl Jar {
    /// By the name under which the browser knows this server.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_local: text(headers, &header::HOST).is_some_and(names_this_machine),
        }
    }

    fn name(self) -> &'static str {
        if self.is_local { PLAIN } else { HOST }
    }

    fn attributes(self) -> &'static str {
        if self.is_local {
            "Path=/api/v1; HttpOnly; SameSite=Strict"
        } else {
            "Path=/; Secure; HttpOnly; SameSite=Strict"
        }
    }

    /// Has the browser keep a token until its session would end by itself.
    pub(super) fn put(self, token: &str) -> HeaderValue {
        let (name, attributes) = (self.name(), self.attributes());
        let max_age_s = IDLE_MS / 1000;
        let cookie = format!("{name}={token}; {attributes}; Max-Age={max_age_s}");
        HeaderValue::try_from(cookie).expect("tokens are letters, digits, `-`, `_` and `.`")
    }

    /// Has the browser forget it.
    pub(super) fn take_away(self) -> HeaderValue {
        let (name, attributes) = (self.name(), self.attributes());
        let cookie = format!("{name}=; {attributes}; Max-Age=0");
        HeaderValue::try_from(cookie).expect("these are words")
    }

    /// The token that the browser sent.
    pub(super) fn find(self, headers: &HeaderMap) -> Option<&str> {
        let cookies = headers.get_all(header::COOKIE).iter();
        cookies
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                (name == self.name()).then_some(value)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_token_is_kept_for_this_host_alone_and_out_of_scripts_reach() {
        let far = headers(
            "board.example",
            "a=b; __Host-whisperchat-refresh=x.y; whisperchat-refresh=z",
        );
        let jar = Jar::of(&far);
        assert_eq!(jar.find(&far), Some("x.y"));
        let put = jar.put("x.y");
        let put = put.to_str().unwrap();
        for said in [
            "__Host-",
            "Path=/;",
            "Secure",
            "HttpOnly",
            "SameSite=Strict",
        ] {
            assert!(put.contains(said), "{put}");
        }
        assert!(!put.contains("Domain"), "{put}");
    }

    #[test]
    fn on_this_machine_it_goes_by_a_plain_name_to_the_api_alone() {
        let here = headers("127.0.0.1:9090", "whisperchat-refresh=z");
        let jar = Jar::of(&here);
        assert_eq!(jar.find(&here), Some("z"));
        let put = jar.put("z");
        let put = put.to_str().unwrap();
        assert!(
            put.starts_with("whisperchat-refresh=z; Path=/api/v1; HttpOnly; SameSite=Strict;"),
            "{put}"
        );
        assert!(!put.contains("Secure"), "{put}");
        let gone = jar.take_away();
        assert!(gone.to_str().unwrap().ends_with("Max-Age=0"));
    }
}
