//! The server's terms in words for people.

use super::connection::Farewell;
use std::time::Duration;

/// A number of km without digits that mean nothing.
pub(super) fn km(km: f64) -> f64 {
    (km * 1000.0).round() / 1000.0
}

pub(super) fn nearby(nearby: &str) -> &'static str {
    match nearby {
        "none" => " Nobody else is waiting around there yet.",
        "few" => " A few others are waiting around there.",
        "some" => " Some others are waiting around there.",
        "many" => " Many others are waiting around there.",
        _ => "",
    }
}

/// How long it usually takes, if the server knows.
pub(super) fn estimate(p50_s: Option<f64>) -> String {
    match p50_s {
        Some(s) if s >= 90.0 => format!(" It usually takes about {} minutes.", (s / 60.0).round()),
        Some(s) if s > 0.0 => format!(" It usually takes about {} s.", s.ceil()),
        _ => String::new(),
    }
}

pub(super) fn distance(distance: &str) -> &'static str {
    match distance {
        "near" => "less than 10 km away",
        "region" => "less than 100 km away",
        "far" => "100 km away or more",
        _ => "somewhere within your range",
    }
}

pub(super) fn partner_left(who: &str, reason: &str) -> String {
    match reason {
        "lost" => format!("The connection to {who} was lost."),
        "blocked" => format!("{who} ended the chat for good. You will not meet again."),
        "removed" => format!("{who} was removed by the server."),
        _ => format!("{who} left the chat."),
    }
}

pub(super) fn idle(reason: &str) -> &'static str {
    match reason {
        "left" => "You left the chat.",
        "gave_up" => "Nobody was found in the time you had set.",
        "expired" => "You have waited as long as this server allows.",
        _ => "You stopped looking.",
    }
}

/// Why the server closed the connection and what to do; `farewell` is none if it said nothing.
pub(super) fn closed(farewell: Option<&Farewell>, comes_back_after: Option<Duration>) -> String {
    match farewell.map(|farewell| farewell.code) {
        None if comes_back_after.is_none() => {
            "The connection to the server was lost. Start again to reconnect.".to_owned()
        }
        None | Some(1001 | 4200) => {
            let seconds = comes_back_after.map_or(0, |after| after.as_millis().div_ceil(1000));
            match seconds {
                0 | 1 => "The server went away. Start again to reconnect.".to_owned(),
                _ => format!("The server went away. Start again in {seconds} s to reconnect."),
            }
        }
        Some(1000) => "The server ended the connection.".to_owned(),
        // Of who is banned the server says more than this program can.
        Some(4000) => {
            let reason = farewell.map_or("", |farewell| &farewell.reason);
            format!("This server does not let you chat any more. {reason}")
                .trim_end()
                .to_owned()
        }
        Some(4001) => "The server ended the connection after too many mistakes.".to_owned(),
        Some(4002) => "This chat was continued elsewhere, so it has ended here.".to_owned(),
        Some(4100) => {
            "The server ended the connection because what it sent was taken too slowly. Start again."
                .to_owned()
        }
        Some(4101) => "The server waited too long for a first message. Start again.".to_owned(),
        Some(4102) => {
            "The server ended the connection because too much was sent. Start again later."
                .to_owned()
        }
        Some(4201) => {
            "The server heard nothing any more and ended the connection. Start again.".to_owned()
        }
        Some(code) => format!("The server ended the connection (code {code})."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn farewell(code: u16, reason: &str) -> Farewell {
        Farewell {
            code,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_server_that_goes_away_says_when_to_return() {
        let after = Some(Duration::from_millis(4100));
        assert_eq!(
            closed(Some(&farewell(4200, "")), after),
            "The server went away. Start again in 5 s to reconnect."
        );
        assert_eq!(
            closed(None, after),
            closed(Some(&farewell(4200, "")), after)
        );
        assert!(closed(Some(&farewell(4242, "")), None).contains("4242"));
    }

    #[test]
    fn who_is_banned_is_told_why() {
        let banned = "This server does not let you chat any more.";
        assert_eq!(closed(Some(&farewell(4000, "")), None), banned);
        assert_eq!(
            closed(Some(&farewell(4000, "Go away. Write to us.")), None),
            format!("{banned} Go away. Write to us.")
        );
    }

    #[test]
    fn ranges_are_written_without_noise() {
        assert_eq!(km(50.000_000_01).to_string(), "50");
        assert_eq!(km(2.5).to_string(), "2.5");
    }
}
