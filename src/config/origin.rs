//! Origins of pages, and patterns of them.

/// Whether it can be in the list of allowed origins: `*`, `null`, `https://chat.example`,
/// `http://chat.example:8080`, or `https://*.example.com`.
pub(super) fn is_pattern(pattern: &str) -> bool {
    if matches!(pattern, "*" | "null") {
        return true;
    }
    let Some((scheme, authority)) = pattern.split_once("://") else {
        return false;
    };
    let host = authority.strip_prefix("*.").unwrap_or(authority);
    let is_plain = |char: char| !char.is_whitespace() && !"*/?#@\\,\"".contains(char);
    !scheme.is_empty()
        && scheme.chars().all(|char| is_plain(char) && char != ':')
        && !host.is_empty()
        && !host.starts_with('.')
        && host.chars().all(is_plain)
}

/// Whether a page of this origin is one that a pattern allows. `*.` stands for one or more labels of a
/// host's name, and never for the name without any.
pub(crate) fn matches(pattern: &str, origin: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some((scheme, suffix)) = pattern.split_once("://*.") else {
        return without_default_port(pattern) == without_default_port(origin);
    };
    let Some((of_scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let suffix = without_default_port(&format!("{scheme}://.{suffix}"));
    let authority = without_default_port(&format!("{of_scheme}://{authority}"));
    let (Some((scheme, suffix)), Some((of_scheme, authority))) =
        (suffix.split_once("://"), authority.split_once("://"))
    else {
        return false;
    };
    scheme == of_scheme
        && authority.strip_suffix(suffix).is_some_and(|labels| {
            !labels.is_empty()
                && labels
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
}

/// Whether browsers let pages of it ask for passkeys, as far as can be seen by it: `https://` and a host's name, or
/// `http://localhost`, perhaps a port, and nothing else. Passkeys are never of an address.
pub(super) fn has_passkeys(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = host.split('.').all(is_label) && !host.rsplit('.').next().is_some_and(is_number);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_secure = scheme == "https" || (scheme == "http" && host == "localhost");
    is_secure && is_name && is_port
}

/// An origin in small letters, and without the port if it is the scheme's own.
pub(crate) fn without_default_port(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let port = match origin.split_once("://") {
        Some(("http", _)) => ":80",
        Some(("https", _)) => ":443",
        _ => return origin,
    };
    match origin.strip_suffix(port) {
        Some(bare) => bare.to_owned(),
        None => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_origins_with_at_most_a_star_in_front() {
        for good in [
            "*",
            "null",
            "https://chat.example",
            "http://[::1]:8080",
            "https://*.example.com",
            "app://whisper",
        ] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in [
            "",
            "chat.example",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.example",
            "https://chat.example/",
            "https://chat.example, https://other.example",
            "https://*example.com",
            "*://chat.example",
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn passkeys_are_of_a_name_on_tls_or_of_this_machine() {
        for good in [
            "https://ops.example.com",
            "https://ops.example.com:8443",
            "https://board",
            "http://localhost",
            "http://localhost:9090",
        ] {
            assert!(has_passkeys(good), "{good}");
        }
        for bad in [
            "",
            "ops.example.com",
            "http://ops.example.com",
            "http://localhost.example.com",
            "https://192.0.2.1",
            "http://127.0.0.1:9090",
            "https://[::1]",
            "https://",
            "https://.example.com",
            "https://ops.example.com.",
            "https://*.example.com",
            "https://ops.example.com/",
            "https://ops.example.com:0",
            "https://ops.example.com:port",
            "https://ann@ops.example.com",
        ] {
            assert!(!has_passkeys(bad), "{bad}");
        }
    }

    #[test]
    fn a_star_is_any_name_below() {
        let pattern = "https://*.example.com";
        for good in [
            "https://chat.example.com",
            "https://a.b.example.com",
            "https://CHAT.example.com:443",
        ] {
            assert!(matches(pattern, good), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "http://chat.example.com",
            "https://chat.example.com:444",
            "https://chat.example.com.evil.example",
            "https://evil.example/.example.com",
            "https://evil.example?.example.com",
            "https://user@.example.com",
            "null",
            "",
        ] {
            assert!(!matches(pattern, bad), "{bad}");
        }
        assert!(matches(
            "https://*.example.com:444",
            "https://a.example.com:444"
        ));
        assert!(matches("https://chat.example:443", "https://Chat.example"));
        assert!(matches("null", "null"));
        assert!(!matches("null", "https://null"));
    }
}
