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
