//! The flags of `whisperchat chat`, and what is wrong with them in words.

use super::address::ServerAddress;
use super::session::Criteria;
use crate::geo::{Position, Range};
use crate::private::Private;
use clap::Args;

// As the wire contract bounds them.
const NAME_MAX_CHARS: usize = 32;
const INTERESTS_MAX: usize = 8;
const INTEREST_MAX_CHARS: usize = 24;

const AFTER_HELP: &str = "\
While chatting, every line is a message, except these:
  /next      look for somebody else
  /leave     leave the chat, or stop looking
  /range KM  look within another range
  /block     end the chat, and never meet this person again
  /report WHY [+evidence] [NOTE]
             report this person: spam, abuse, sexual, minor, threat or other.
             With +evidence, moderators see the last messages of the chat.
  /help      show this list
  /quit      leave the chat and end the program
After a chat, /block and /report are about the person of that chat.
A message that begins with / is written with two: //like this.

If standard input is not a terminal, its lines are sent as soon as somebody is there (up to 100 are held \
meanwhile, more are not read), and the program ends when all of them were accepted. The exit status is 1 if \
some were not.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ChatArgs {
    /// Where you are, in degrees, such as 48.8566,2.3522
    #[arg(long, value_name = "LAT,LON", value_parser = position, allow_hyphen_values = true)]
    at: Position,
    /// How far away the other person may be, in km
    #[arg(long, value_name = "KM", default_value = "50", value_parser = range, allow_hyphen_values = true)]
    range: Range,
    /// Look further and further while nobody is there, up to this many km
    #[arg(long, value_name = "KM", value_parser = range, allow_hyphen_values = true)]
    max_range: Option<Range>,
    /// What the other person may call you
    #[arg(long, value_parser = name)]
    name: Option<Private<String>>,
    /// What you like to talk about, separated by commas; only what both like is shown
    #[arg(long, value_name = "A,B,C", value_parser = interests)]
    interests: Option<Interests>,
    /// Stop looking after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = give_up)]
    give_up: Option<u16>,
    /// The server: ws://, wss://, http://, https:// or just host:port
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080")]
    pub(super) server: ServerAddress,
}

#[derive(Debug, Clone)]
struct Interests(Vec<Private<String>>);

impl ChatArgs {
    /// Whom to look for.
    ///
    /// # Errors
    /// A sentence if two flags contradict each other.
    pub(super) fn criteria(&self) -> Result<Criteria, String> {
        if let Some(range_max) = self.max_range
            && range_max < self.range
        {
            let (max, range) = (range_max.km(), self.range.km());
            return Err(format!(
                "--max-range must be at least --range, but {max} is less than {range}"
            ));
        }
        Ok(Criteria {
            position: self.at,
            range_km: self.range.km(),
            range_max_km: self.max_range.map(Range::km),
            name: self.name.clone(),
            interests: self
                .interests
                .as_ref()
                .map_or_else(Vec::new, |all| all.0.clone()),
            give_up_s: self.give_up,
        })
    }
}

fn position(text: &str) -> Result<Position, String> {
    let degrees = |part: &str| part.trim().replace('−', "-").parse::<f64>().ok();
    let (lat, lon) = text
        .split_once(',')
        .and_then(|(lat, lon)| Some((degrees(lat)?, degrees(lon)?)))
        .ok_or("must be latitude,longitude in degrees, such as 48.8566,2.3522")?;
    Position::new(lat, lon).map_err(|error| error.to_string())
}

fn range(text: &str) -> Result<Range, String> {
    let km = text.trim().parse().unwrap_or(f64::NAN);
    Range::from_km(km).map_err(|error| error.to_string())
}

fn give_up(text: &str) -> Result<u16, String> {
    let seconds = text.trim().parse().ok();
    let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
    seconds.ok_or_else(|| "must be 1 to 3600 whole seconds".to_owned())
}

fn name(text: &str) -> Result<Private<String>, String> {
    label(text, NAME_MAX_CHARS)
}

fn interests(text: &str) -> Result<Interests, String> {
    let all: Vec<_> = text
        .split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| label(part, INTEREST_MAX_CHARS))
        .collect::<Result<_, _>>()?;
    if all.len() > INTERESTS_MAX {
        return Err(format!("must be at most {INTERESTS_MAX} interests"));
    }
    Ok(Interests(all))
}

fn label(text: &str, max_chars: usize) -> Result<Private<String>, String> {
    let text = text.trim();
    let count = text.chars().count();
    if !(1..=max_chars).contains(&count) {
        return Err(format!(
            "must have 1 to {max_chars} characters, not {count}"
        ));
    }
    if text.chars().any(super::screen::is_harmful) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(Private::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        chat: ChatArgs,
    }

    fn parsed(flags: &[&str]) -> Result<ChatArgs, String> {
        Program::try_parse_from(["chat"].iter().chain(flags))
            .map(|program| program.chat)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_south_and_the_west_are_places_too() {
        for at in ["--at=-33.9,151.2", "--at=-33.9, -70.6", "--at=−33.9,151.2"] {
            let args = parsed(&[at]).unwrap();
            assert_eq!(args.at.lat_deg(), -33.9, "{at}");
        }
        let args = parsed(&["--at", "-33.9,151.2"]).unwrap();
        assert_eq!(args.at.lon_deg(), 151.2);
    }

    #[test]
    fn wrong_values_name_the_flag_and_what_is_allowed() {
        for (flags, allowed) in [
            (
                ["--at", "91,2"],
                "lat must be a number of degrees from -90 to 90",
            ),
            (
                ["--at", "48.8,200"],
                "lon must be a number of degrees from -180 to 180",
            ),
            (["--at", "Paris"], "such as 48.8566,2.3522"),
            (["--at", "nan,0"], "lat must be"),
            (["--range", "-5"], "above 0"),
            (["--range", "far"], "above 0"),
            (["--name", " "], "1 to 32 characters"),
            (["--name", "a\u{1b}[2Jb"], "control characters"),
            (["--interests", "a,b,c,d,e,f,g,h,i"], "at most 8"),
            (["--give-up", "0"], "must be 1 to 3600 whole seconds"),
            (["--give-up", "soon"], "must be 1 to 3600 whole seconds"),
            (["--server", "ftp://example.org"], "ws://"),
        ] {
            let error = parsed(&flags).unwrap_err();
            assert!(error.contains(flags[0]), "{error}");
            assert!(error.contains(allowed), "{error}");
        }
        assert!(parsed(&[]).unwrap_err().contains("--at <LAT,LON>"));
    }

    #[test]
    fn widening_down_is_refused() {
        let args = parsed(&["--at", "0,0", "--range", "50", "--max-range", "20"]).unwrap();
        assert!(args.criteria().unwrap_err().contains("--max-range"));
    }

    #[test]
    fn debug_does_not_show_who_and_where() {
        let args = parsed(&["--at", "48.8,2.3", "--name", "ann", "--interests", "go"]).unwrap();
        let shown = format!("{args:?}");
        assert!(!shown.contains("48.8") && !shown.contains("ann") && !shown.contains("go\""));
    }
}
